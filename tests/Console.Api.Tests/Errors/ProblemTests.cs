using System.Net;
using System.Net.Http.Headers;
using System.Text;
using DeepLab.Api.Errors;
using DeepLab.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace DeepLab.Api.Tests.Errors;

public sealed class ProblemTests(ApiHost host)
{
    [Theory]
    [InlineData("GET", "/api/v1/nothing", 404)]
    [InlineData("GET", "/api", 404)]
    [InlineData("POST", "/api/v1/jobs/1/events", 405)]
    [InlineData("PUT", "/api/v1/jobs", 405)]
    [InlineData("GET", "/api/v1/jobs/abc", 404)]
    [InlineData("GET", "/api/v1/jobs/999999", 404)]
    [InlineData("GET", "/api/v1/jobs/999999/events", 404)]
    [InlineData("GET", "/api/v1/jobs/999999/replicas", 404)]
    [InlineData("GET", "/api/v1/jobs/999999/logs", 404)]
    [InlineData("GET", "/api/v1/jobs/999999/metrics", 404)]
    [InlineData("POST", "/api/v1/jobs/999999/stop", 404)]
    [InlineData("POST", "/api/v1/jobs/999999/clone", 404)]
    [InlineData("POST", "/api/v1/jobs/999999/wait?timeout=0", 404)]
    [InlineData("DELETE", "/api/v1/jobs/999999", 404)]
    [InlineData("GET", "/api/v1/hosts/nowhere", 404)]
    [InlineData("GET", "/api/v1/gpus/GPU-none/metrics", 404)]
    [InlineData("GET", "/api/v1/code/sha256:zz", 404)]
    [InlineData("GET", "/api/v1/code/..%2f..%2fkeys", 404)]
    [InlineData("DELETE", "/api/v1/tokens/none", 404)]
    public async Task What_is_not_there_is_a_problem(string method, string path, int status)
    {
        using var client = host.Admin();
        using var answer = await client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
        await answer.ProblemAsync((HttpStatusCode)status);
    }

    [Theory]
    [InlineData("/api/v1/jobs?limit=0", "limit")]
    [InlineData("/api/v1/jobs?limit=201", "limit")]
    [InlineData("/api/v1/jobs?cursor=%27%3B--", "cursor")]
    [InlineData("/api/v1/jobs?state=99", "state")]
    [InlineData("/api/v1/queue?limit=-1", "limit")]
    public async Task Bad_queries_are_400_with_their_path(string path, string error)
    {
        using var client = host.Admin();
        using var answer = await client.GetAsync(path);
        Assert.Equal([error], (await answer.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
    }

    [Theory]
    [InlineData("/api/v1/jobs?limit=abc")]
    [InlineData("/api/v1/jobs?limit=99999999999")]
    [InlineData("/api/v1/jobs?state=Sleeping")]
    [InlineData("/api/v1/jobs?search=a%00b")]
    [InlineData("/api/v1/jobs?a%00b=1")]
    [InlineData("/api/v1/jobs?owner=%00")]
    [InlineData("/api/v1/hosts/local/metrics?from=yesterday")]
    public async Task Unreadable_queries_are_400(string path)
    {
        using var client = host.Admin();
        using var answer = await client.GetAsync(path);
        var problem = await answer.ProblemAsync(HttpStatusCode.BadRequest);
        Assert.DoesNotContain("DeepLab.", problem.GetRawText(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/v1/jobs?search=%25")]
    [InlineData("/api/v1/jobs?search=_%5C")]
    [InlineData("/api/v1/jobs?search=%27%3B%20drop%20table%20users")]
    [InlineData("/api/v1/jobs?owner=%ED%A0%80")]
    public async Task Odd_texts_are_merely_not_found(string path)
    {
        using var client = host.Admin();
        using var answer = await client.GetAsync(path);
        Assert.Equal(0, (await answer.OkAsync()).GetProperty("items").GetArrayLength());
    }

    [Fact]
    public async Task Bodies_over_1_MiB_are_413()
    {
        using var client = host.Admin();
        // The console closes a connection that it reads no further: whoever still writes then may never read the answer
        using var told = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs")
        {
            Content = Answers.Json(new string(' ', (1 << 20) + 1)),
        };
        told.Headers.ExpectContinue = true;
        using var known = await client.SendAsync(told);
        await known.ProblemAsync(HttpStatusCode.RequestEntityTooLarge);
        using var chunked = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs")
        {
            Content = new Endless((1 << 20) + Endless.Chunk, "application/json"),
        };
        chunked.Headers.ExpectContinue = false;
        chunked.Headers.TransferEncodingChunked = true;
        using var answer = await client.SendAsync(chunked);
        await answer.ProblemAsync(HttpStatusCode.RequestEntityTooLarge);
    }

    [Fact]
    public async Task A_body_of_1_GB_is_413_before_it_is_sent()
    {
        using var client = host.Admin();
        using var content = new Endless(1L << 30, "application/gzip");
        content.Headers.ContentLength = 1L << 30;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/code") { Content = content };
        request.Headers.ExpectContinue = true;
        using var answer = await client.SendAsync(request);
        await answer.ProblemAsync(HttpStatusCode.RequestEntityTooLarge);
        Assert.True(content.Sent < 1 << 20, $"{content.Sent} bytes were taken");
    }

    [Fact]
    public async Task Code_must_be_an_archive()
    {
        using var client = host.Admin();
        using var answer = await client.PostAsync("/api/v1/code", Answers.Json("{}"));
        await answer.ProblemAsync(HttpStatusCode.UnsupportedMediaType);
    }

    [Fact]
    public async Task Headers_tell_browsers_what_pages_may_do()
    {
        using var client = host.Client();
        foreach (var path in (string[])["/sign-in", "/api/v1/jobs", "/api/v1/none", "/health/live"])
        {
            using var answer = await client.GetAsync(path);
            var csp = Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
            Assert.Contains("default-src 'self'", csp, StringComparison.Ordinal);
            Assert.Contains("script-src 'self'", csp, StringComparison.Ordinal);
            Assert.Contains("frame-ancestors 'none'", csp, StringComparison.Ordinal);
            Assert.Contains("object-src 'none'", csp, StringComparison.Ordinal);
            Assert.DoesNotContain("unsafe-eval", csp, StringComparison.Ordinal);
            Assert.Equal(["nosniff"], answer.Headers.GetValues("X-Content-Type-Options"));
            Assert.Equal(["same-origin"], answer.Headers.GetValues("Cross-Origin-Opener-Policy"));
            Assert.Equal(["same-origin"], answer.Headers.GetValues("Referrer-Policy"));
        }
    }

    [Fact]
    public async Task Health_is_for_everyone_and_says_little()
    {
        using var client = host.Client();
        Assert.Equal("""{"status":"Healthy","checks":{}}""", await client.GetStringAsync("/health/live"));
        using var ready = await client.GetAsync("/health/ready");
        Assert.Equal("Healthy", (await ready.OkAsync()).GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_database_that_is_gone_is_503_with_a_time_to_come_back()
    {
        var folder = Directory.CreateTempSubdirectory("deeplab-api-");
        // Nobody listens on port 1
        var options = new ConsoleOptions
        {
            Database = "Host=127.0.0.1;Port=1;Username=x;Database=x",
            DataFolder = folder.FullName,
        };
        await using var app = ApiHost.Build(options, services => services.RemoveAll<IHostedService>());
        await app.StartAsync();
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
            "Bearer",
            "dl_" + new string('A', 43)
        );
        foreach (var path in (string[])["/api/v1/jobs", "/api/v1/overview"])
        {
            using var answer = await client.GetAsync(path);
            var problem = await answer.ProblemAsync(HttpStatusCode.ServiceUnavailable);
            Assert.Equal(TimeSpan.FromSeconds(5), answer.Headers.RetryAfter!.Delta);
            Assert.DoesNotContain("127.0.0.1", problem.GetRawText(), StringComparison.Ordinal);
        }
        client.DefaultRequestHeaders.Authorization = null;
        using var signIn = await client.PostAsync(
            "/api/v1/session",
            Answers.Json("""{"userName":"a","password":"b"}""")
        );
        await signIn.ProblemAsync(HttpStatusCode.ServiceUnavailable);
        using var live = await client.GetAsync("/health/live");
        Assert.Equal(HttpStatusCode.OK, live.StatusCode);
        await app.StopAsync();
        folder.Delete(recursive: true);
    }

    [Fact]
    public void Troubles_of_the_database_are_told_from_bugs()
    {
        Assert.True(Problems.IsDatabaseTrouble(new InvalidOperationException("x", new NpgsqlException("refused"))));
        Assert.True(Problems.IsDatabaseTrouble(Postgres("57P01")));
        Assert.True(Problems.IsDatabaseTrouble(Postgres("40001")));
        Assert.True(Problems.IsDatabaseTrouble(Postgres("53100")));
        Assert.False(Problems.IsDatabaseTrouble(Postgres("23505")));
        Assert.False(Problems.IsDatabaseTrouble(Postgres("42601")));
        Assert.False(Problems.IsDatabaseTrouble(new InvalidOperationException("x")));
        static PostgresException Postgres(string state) => new("x", "ERROR", "ERROR", state);
    }

    /// <summary>Spaces, made as they are sent.</summary>
    private sealed class Endless : HttpContent
    {
        public const int Chunk = 64 << 10;
        private readonly long _length;

        public Endless(long length, string type)
        {
            _length = length;
            Headers.ContentType = new MediaTypeHeaderValue(type);
        }

        public long Sent { get; private set; }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            var chunk = Encoding.ASCII.GetBytes(new string(' ', Chunk));
            while (Sent < _length)
            {
                await stream.WriteAsync(chunk);
                Sent += chunk.Length;
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
