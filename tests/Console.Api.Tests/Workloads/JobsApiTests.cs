using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Workloads;

public sealed class JobsApiTests(ApiHost host)
{
    private static string Job(string name) =>
        $$"""{"name":"{{name}}","image":"base","roles":[{"name":"worker","command":["true"]}]}""";

    private static string NewName() => "job-" + Guid.NewGuid().ToString("N")[..10];

    private async Task<long> SubmitAsync(HttpClient client, string name)
    {
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync("/api/v1/jobs", Answers.Json(Job(name)));
        var made = await answer.OkAsync(HttpStatusCode.Created);
        var id = made.GetProperty("id").GetInt64();
        Assert.Equal($"/api/v1/jobs/{id}", answer.Headers.Location!.OriginalString);
        return id;
    }

    [Fact]
    public async Task A_job_is_submitted_read_stopped_and_cloned()
    {
        using var client = host.Admin();
        var name = NewName();
        var id = await SubmitAsync(client, name);
        var job = await client.GetJsonAsync($"/api/v1/jobs/{id}");
        Assert.Equal(name, job.GetProperty("name").GetString());
        Assert.Equal("Queued", job.GetProperty("state").GetString());
        Assert.Equal("admin", job.GetProperty("owner").GetString());
        Assert.Equal(
            "1GiB",
            job.GetProperty("spec").GetProperty("roles")[0].GetProperty("resources").GetProperty("memory").GetString()
        );
        var events = await client.GetJsonAsync($"/api/v1/jobs/{id}/events");
        Assert.Equal("submitted", events.GetProperty("items")[0].GetProperty("kind").GetString());
        var replicas = await client.GetJsonAsync($"/api/v1/jobs/{id}/replicas");
        Assert.Equal("worker-0", replicas.GetProperty("items")[0].GetProperty("name").GetString());
        var queue = await client.GetJsonAsync("/api/v1/queue?limit=200");
        Assert.Contains(
            queue.GetProperty("items").EnumerateArray(),
            q => q.GetProperty("job").GetProperty("id").GetInt64() == id
        );

        using var early = await client.DeleteAsync($"/api/v1/jobs/{id}");
        await early.ProblemAsync(HttpStatusCode.Conflict);
        using var wait = await client.PostAsync($"/api/v1/jobs/{id}/wait?timeout=0", null);
        Assert.Equal("Queued", (await wait.OkAsync(HttpStatusCode.Accepted)).GetProperty("state").GetString());
        for (var i = 0; i < 2; i++)
        {
            using var stop = await client.PostAsync($"/api/v1/jobs/{id}/stop", null);
            Assert.Equal("Stop", (await stop.OkAsync(HttpStatusCode.Accepted)).GetProperty("desired").GetString());
        }
        using var clone = await client.PostAsync($"/api/v1/jobs/{id}/clone", null);
        var second = (await clone.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        Assert.Equal(
            job.GetProperty("spec").GetRawText(),
            (await client.GetJsonAsync($"/api/v1/jobs/{second}")).GetProperty("spec").GetRawText()
        );
    }

    [Fact]
    public async Task Waiting_answers_when_the_job_ends()
    {
        using var client = host.Admin();
        var id = await SubmitAsync(client, NewName());
        var waiting = client.PostAsync($"/api/v1/jobs/{id}/wait?timeout=60", null);
        await using (var db = await host.DbAsync())
        {
            await db
                .Database.CreateExecutionStrategy()
                .ExecuteAsync(async () =>
                {
                    await using var transaction = await db.Database.BeginTransactionAsync();
                    var w = await db.LockWorkloadAsync(id, CancellationToken.None);
                    w!.MoveTo(WorkloadState.Failed, Reason.ImageNotFound, "ended by the test");
                    db.Tell(Core.Feeds.ChangeKind.Workload, id);
                    await db.CommitAsync(CancellationToken.None);
                });
        }
        using var answer = await waiting;
        Assert.Equal("Failed", (await answer.OkAsync()).GetProperty("state").GetString());
        using var gone = await client.DeleteAsync($"/api/v1/jobs/{id}");
        Assert.Equal(HttpStatusCode.NoContent, gone.StatusCode);
        using var missing = await client.GetAsync($"/api/v1/jobs/{id}");
        await missing.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Every_error_is_told_at_once_and_nothing_is_made()
    {
        using var client = host.Admin();
        using var answer = await client.PostAsync(
            "/api/v1/jobs",
            Answers.Json(
                """{"name":"Bad","image":"-v","ownerId":"x","state":"Running","roles":[{"name":"w","resources":{"gpus":-1}}],"name":"b"}"""
            )
        );
        var problem = await answer.ProblemAsync(HttpStatusCode.BadRequest);
        Assert.Equal(
            ["image", "name", "name", "ownerId", "roles[0].resources.gpus", "state"],
            problem.Paths().Order(StringComparer.Ordinal)
        );
    }

    [Theory]
    [InlineData(
        "roles[0].resources.gpus",
        """{"name":"a","image":"img","roles":[{"name":"w","resources":{"gpus":64}}]}"""
    )]
    [InlineData(
        "code",
        """{"name":"a","image":"img","code":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","roles":[{"name":"w"}]}"""
    )]
    [InlineData("cluster", """{"name":"a","image":"img","cluster":"elsewhere","roles":[{"name":"w"}]}""")]
    public async Task What_cannot_be_here_is_refused(string path, string spec)
    {
        await host.MakeRoomAsync();
        using var client = host.Admin();
        using var answer = await client.PostAsync("/api/v1/jobs", Answers.Json(spec));
        Assert.Contains(path, (await answer.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        using var dry = await client.PostAsync("/api/v1/jobs?dryRun=true", Answers.Json(spec));
        Assert.Contains(path, (await dry.OkAsync()).Paths());
    }

    [Fact]
    public async Task A_dry_run_makes_nothing()
    {
        await host.MakeRoomAsync();
        using var client = host.Admin();
        var name = NewName();
        using var answer = await client.PostAsync("/api/v1/jobs?dryRun=true", Answers.Json(Job(name)));
        Assert.Empty((await answer.OkAsync()).Paths());
        var list = await client.GetJsonAsync("/api/v1/jobs?search=" + name);
        Assert.Equal(0, list.GetProperty("items").GetArrayLength());
    }

    [Fact]
    public async Task An_idempotency_key_makes_one_job()
    {
        await host.MakeRoomAsync();
        using var client = host.Admin();
        var key = Guid.NewGuid().ToString();
        var name = NewName();
        async Task<HttpResponseMessage> PostAsync(string body, string with)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs")
            {
                Content = Answers.Json(body),
            };
            request.Headers.TryAddWithoutValidation("Idempotency-Key", with);
            return await client.SendAsync(request);
        }
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => PostAsync(Job(name), key)));
        Assert.Equal(1, answers.Count(a => a.StatusCode == HttpStatusCode.Created));
        Assert.Equal(7, answers.Count(a => a.StatusCode == HttpStatusCode.OK));
        var ids = new List<long>();
        foreach (var answer in answers)
        {
            ids.Add((await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetInt64());
            answer.Dispose();
        }
        Assert.Single(ids.Distinct());
        // The same spec written otherwise is the same
        using var spaced = await PostAsync(Job(name).Replace(":", " : ", StringComparison.Ordinal), key);
        Assert.True((await spaced.OkAsync()).GetProperty("replayed").GetBoolean());
        using var other = await PostAsync(Job(NewName()), key);
        Assert.Equal(["Idempotency-Key"], (await other.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        foreach (var bad in (string[])[new string('k', 129), "a\tb"])
        {
            using var refused = await PostAsync(Job(NewName()), bad);
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        }
    }

    [Fact]
    public async Task Another_members_job_looks_missing()
    {
        using var admin = host.Admin();
        var id = await SubmitAsync(admin, NewName());
        var member = await host.AddMemberAsync();
        using var client = host.Client(await host.SignInAsync(member.UserName, ApiHost.Password));
        foreach (
            var (method, path) in ((string, string)[])
                [
                    ("GET", ""),
                    ("DELETE", ""),
                    ("POST", "/stop"),
                    ("POST", "/clone"),
                    ("GET", "/events"),
                    ("GET", "/replicas"),
                    ("GET", "/logs"),
                    ("GET", "/logs/download"),
                    ("GET", "/metrics"),
                    ("POST", "/wait?timeout=0"),
                ]
        )
        {
            using var theirs = await client.SendAsync(
                new HttpRequestMessage(new HttpMethod(method), $"/api/v1/jobs/{id}{path}")
            );
            using var none = await client.SendAsync(
                new HttpRequestMessage(new HttpMethod(method), $"/api/v1/jobs/987654321{path}")
            );
            var expected = await none.ProblemAsync(HttpStatusCode.NotFound);
            var problem = await theirs.ProblemAsync(HttpStatusCode.NotFound);
            Assert.Equal(expected.GetProperty("detail").GetString(), problem.GetProperty("detail").GetString());
        }
        Assert.Equal(0, (await client.GetJsonAsync("/api/v1/jobs")).GetProperty("items").GetArrayLength());
        Assert.Equal(0, (await client.GetJsonAsync("/api/v1/queue")).GetProperty("items").GetArrayLength());
    }

    [Fact]
    public async Task Lists_are_paged_by_cursor_without_doubles_or_holes()
    {
        var member = await host.AddMemberAsync();
        using var client = host.Client(await host.SignInAsync(member.UserName, ApiHost.Password));
        var made = new List<long>();
        for (var i = 0; i < 7; i++)
        {
            made.Add(await SubmitAsync(client, NewName()));
        }
        var read = new List<long>();
        string? cursor = null;
        do
        {
            var page = await client.GetJsonAsync($"/api/v1/jobs?limit=3{(cursor is null ? "" : "&cursor=" + cursor)}");
            read.AddRange(page.GetProperty("items").EnumerateArray().Select(j => j.GetProperty("id").GetInt64()));
            cursor = page.GetProperty("next").GetString();
        } while (cursor is not null);
        Assert.Equal(made.OrderDescending(), read);
        Assert.Equal(
            7,
            (await client.GetJsonAsync("/api/v1/jobs?state=Queued&state=Running")).GetProperty("items").GetArrayLength()
        );
        Assert.Equal(0, (await client.GetJsonAsync("/api/v1/jobs?state=Failed")).GetProperty("items").GetArrayLength());
    }

    [Theory]
    [InlineData("/api/v1/clusters", "local")]
    [InlineData("/api/v1/hosts", "local")]
    [InlineData("/api/v1/images", "pytorch-cpu")]
    public async Task The_fleet_is_listed(string path, string name)
    {
        using var client = host.Admin();
        var list = await client.GetJsonAsync(path);
        Assert.Contains(list.GetProperty("items").EnumerateArray(), i => i.GetProperty("name").GetString() == name);
        Assert.Equal(JsonValueKind.Null, list.GetProperty("next").ValueKind);
    }

    [Fact]
    public async Task Overview_gpus_and_one_host_answer()
    {
        using var client = host.Admin();
        Assert.Equal(
            JsonValueKind.Array,
            (await client.GetJsonAsync("/api/v1/overview")).GetProperty("hosts").ValueKind
        );
        Assert.Equal(JsonValueKind.Array, (await client.GetJsonAsync("/api/v1/gpus")).GetProperty("items").ValueKind);
        Assert.Equal("local", (await client.GetJsonAsync("/api/v1/hosts/local")).GetProperty("name").GetString());
    }

    [Fact]
    public async Task The_document_describes_the_doors()
    {
        using var client = host.Admin();
        var document = await client.GetJsonAsync("/openapi/v1.json");
        var paths = document.GetProperty("paths");
        var submit = paths.GetProperty("/api/v1/jobs").GetProperty("post");
        var example = submit
            .GetProperty("requestBody")
            .GetProperty("content")
            .GetProperty("application/json")
            .GetProperty("example");
        // What is shown as an example is one
        Assert.Empty(SpecReader.Read(example.GetRawText()).Errors);
        Assert.True(submit.GetProperty("responses").TryGetProperty("422", out _));
        var logs = paths.GetProperty("/api/v1/jobs/{id}/logs").GetProperty("get");
        var names = logs.GetProperty("parameters")
            .EnumerateArray()
            .Select(p => p.GetProperty("name").GetString()!)
            .ToList();
        Assert.Contains("timestamps", names);
        Assert.All(names, n => Assert.True(char.IsLower(n[0]), n));
        Assert.True(document.GetProperty("components").GetProperty("securitySchemes").TryGetProperty("token", out _));
        using var page = await client.GetAsync("/openapi/index.html");
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        // The policy of pages forbids inline scripts
        Assert.DoesNotMatch("<script>", await page.Content.ReadAsStringAsync());
    }
}
