using System.Net;
using System.Text;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Workloads;

public sealed class JobLogsTests(ApiHost host)
{
    private static readonly DateTimeOffset s_start = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private static long Nanos(int line) =>
        (s_start.AddSeconds(line) - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;

    private static string Line(int i) => $"line {i} \u00e9\r{(i % 10 == 7 ? "NEEDLE" : "hay")}";

    private async Task<long> SubmitAsync(HttpClient client)
    {
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync(
            "/api/v1/jobs",
            Answers.Json("""{"name":"logs","image":"base","roles":[{"name":"worker","command":["true"]}]}""")
        );
        return (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
    }

    /// <summary>As the control loop would; it does not run here.</summary>
    private async Task<long> AddAttemptAsync(long job)
    {
        await using var db = await host.DbAsync();
        var replica = await db.Replicas.SingleAsync(r => r.WorkloadId == job);
        var attempt = new Attempt
        {
            WorkloadId = job,
            ReplicaId = replica.Id,
            ReplicaName = replica.Name,
            Number = 1,
            HostId = await db.Hosts.Where(h => h.Name == "local").Select(h => h.Id).SingleAsync(),
            ContainerName = $"dl-{job}-worker-0-1",
            State = AttemptState.Running,
            LeasedAt = s_start,
        };
        db.Attempts.Add(attempt);
        await db.SaveChangesAsync();
        return attempt.Id;
    }

    private async Task AppendAsync(long attempt, int from, int count, bool complete)
    {
        var open = new OpenBlock(attempt, from);
        for (var i = from; i < from + count; i++)
        {
            open.Add(LogStream.Stdout, Nanos(i), Encoding.UTF8.GetBytes(Line(i)), isGap: false);
        }
        await host
            .Services.GetRequiredService<ILogStore>()
            .AppendAsync(
                [open.Snapshot()],
                new LogCursor(attempt, Nanos(from + count - 1), 1, from + count, 1, 0, complete),
                CancellationToken.None
            );
    }

    private static string Text(int from, int to) =>
        string.Concat(Enumerable.Range(from, to - from).Select(i => Line(i) + "\n"));

    [Fact]
    public async Task A_log_is_read_by_range_tail_time_and_search()
    {
        using var client = host.Admin();
        var job = await SubmitAsync(client);
        Assert.Equal("", await client.GetStringAsync($"/api/v1/jobs/{job}/logs"));
        await AppendAsync(await AddAttemptAsync(job), 0, 100, complete: true);
        using var whole = await client.GetAsync($"/api/v1/jobs/{job}/logs");
        Assert.Equal("text/plain", whole.Content.Headers.ContentType!.MediaType);
        Assert.Equal(Text(0, 100), await whole.Content.ReadAsStringAsync());
        async Task IsAsync(string expected, string query) =>
            Assert.Equal(expected, await client.GetStringAsync($"/api/v1/jobs/{job}/logs?{query}"));
        await IsAsync(Text(90, 100), "from=90");
        await IsAsync("", "from=100");
        await IsAsync(Text(97, 100), "tail=3");
        await IsAsync("", "tail=0");
        await IsAsync(Text(0, 100), "tail=1000&replica=worker-0&attempt=1");
        await IsAsync(Text(95, 100), "since=" + Uri.EscapeDataString(s_start.AddSeconds(95).ToString("O")));
        await IsAsync(Text(0, 100), "follow=true");
        await IsAsync(string.Concat(Enumerable.Range(0, 10).Select(i => Line((10 * i) + 7) + "\n")), "search=needle");
        await IsAsync("2026-01-02T03:05:44.0000000Z " + Text(99, 100), "tail=1&timestamps=true");

        using var file = await client.GetAsync($"/api/v1/jobs/{job}/logs/download?follow=true");
        Assert.Equal(
            $"attachment; filename=\"job-{job}-worker-0-1.log\"",
            file.Content.Headers.ContentDisposition!.ToString()
        );
        Assert.Equal(["nosniff"], file.Headers.GetValues("X-Content-Type-Options"));
        Assert.Equal(Text(0, 100), await file.Content.ReadAsStringAsync());
    }

    /// <summary>A console that slept while another one read the log to its end finds the container gone, and would tell a gap.</summary>
    [Fact]
    public async Task A_log_that_is_complete_takes_nothing_more()
    {
        using var client = host.Admin();
        var job = await SubmitAsync(client);
        var attempt = await AddAttemptAsync(job);
        await AppendAsync(attempt, 0, 3, complete: true);
        await AppendAsync(attempt, 0, 4, complete: true);
        await AppendAsync(attempt, 4, 1, complete: false);
        Assert.Equal(Text(0, 3), await client.GetStringAsync($"/api/v1/jobs/{job}/logs"));
    }

    [Theory]
    [InlineData("from=-1", "from")]
    [InlineData("from=1&tail=2", "from")]
    [InlineData("tail=-1", "tail")]
    [InlineData("search=", "search")]
    [InlineData("search=a&follow=true", "search")]
    public async Task Contradictions_are_400(string query, string path)
    {
        using var client = host.Admin();
        using var answer = await client.GetAsync("/api/v1/jobs/1/logs?" + query);
        Assert.Equal([path], (await answer.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
    }

    [Theory]
    [InlineData("replica=worker-9")]
    [InlineData("attempt=7")]
    public async Task A_replica_or_attempt_that_is_not_there_is_404(string query)
    {
        using var client = host.Admin();
        var job = await SubmitAsync(client);
        using var answer = await client.GetAsync($"/api/v1/jobs/{job}/logs?{query}");
        await answer.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Following_begins_before_the_first_attempt_and_ends_with_the_log()
    {
        using var client = host.Admin();
        var job = await SubmitAsync(client);
        using var answer = await client.GetAsync(
            $"/api/v1/jobs/{job}/logs?follow=true",
            HttpCompletionOption.ResponseHeadersRead
        );
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
        var attempt = await AddAttemptAsync(job);
        await AppendAsync(attempt, 0, 3, complete: false);
        await TellAsync(job);
        var text = new char[Text(0, 3).Length];
        await reader.ReadBlockAsync(text);
        Assert.Equal(Text(0, 3), new string(text));
        await AppendAsync(attempt, 3, 2, complete: true);
        Assert.Equal(Text(3, 5), await reader.ReadToEndAsync());
    }

    private async Task TellAsync(long job)
    {
        await using var db = await host.DbAsync();
        await db
            .Database.CreateExecutionStrategy()
            .ExecuteAsync(async () =>
            {
                await using var transaction = await db.Database.BeginTransactionAsync();
                db.Tell(Core.Feeds.ChangeKind.Workload, job);
                await db.CommitAsync(CancellationToken.None);
            });
    }

    [Fact]
    public async Task Events_carry_numbers_that_resume()
    {
        using var client = host.Admin();
        var job = await SubmitAsync(client);
        await AppendAsync(await AddAttemptAsync(job), 0, 5, complete: true);
        client.DefaultRequestHeaders.Add("Accept", "text/event-stream");
        using var whole = await client.GetAsync($"/api/v1/jobs/{job}/logs?follow=true");
        Assert.Equal("text/event-stream", whole.Content.Headers.ContentType!.MediaType);
        var events = (await whole.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(6, events.Length);
        Assert.Equal(
            "id: 2\ndata: {\"line\":2,\"at\":\"2026-01-02T03:04:07Z\",\"stream\":\"Stdout\",\"text\":\"line 2 \u00e9\\rhay\"}",
            events[2]
        );
        Assert.Equal("event: end\ndata: {}", events[5]);
        client.DefaultRequestHeaders.Add("Last-Event-ID", "2");
        var rest = await client.GetStringAsync($"/api/v1/jobs/{job}/logs?follow=true&tail=1");
        Assert.Equal(string.Join("\n\n", events[3..]) + "\n\n", rest);
    }

    [Fact]
    public async Task A_session_that_ends_cuts_its_followed_log_within_ten_seconds()
    {
        using var admin = host.Admin();
        var job = await SubmitAsync(admin);
        await AppendAsync(await AddAttemptAsync(job), 0, 1, complete: false);
        using var client = host.Client(await host.SignInAsync("admin", ApiHost.Password));
        using var answer = await client.GetAsync(
            $"/api/v1/jobs/{job}/logs?follow=true",
            HttpCompletionOption.ResponseHeadersRead
        );
        await using var stream = await answer.Content.ReadAsStreamAsync();
        var buffer = new byte[1024];
        Assert.True(await stream.ReadAsync(buffer) > 0);
        using var gone = await client.DeleteAsync("/api/v1/session");
        Assert.Equal(HttpStatusCode.NoContent, gone.StatusCode);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await Assert.ThrowsAnyAsync<IOException>(async () =>
        {
            while (await stream.ReadAsync(buffer, patience.Token) > 0) { }
        });
    }
}
