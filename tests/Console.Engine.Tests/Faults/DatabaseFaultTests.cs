using System.Diagnostics;
using System.Net;
using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// A database that answers, but badly: it takes no writes, it is slow, or every connection to it is in use. The doors say so and ask
/// to come back, the process goes on, jobs run on, and leadership does not depend on what others wait for.
/// </summary>
public sealed class DatabaseFaultTests(ITestOutputHelper output)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_database_that_takes_no_writes_is_still_read_and_ends_are_recorded_when_it_does()
    {
        await using var console = await StartAsync();
        var id = await console.SubmitAsync(ConsoleJobs.Body("sleep 5; echo done"), Ct);
        await console.UntilRunsAsync(id, Ct);
        await WritesAsync(console, allowed: false);

        await AssertComeBackAsync(console, HttpMethod.Post, "/api/v1/jobs");
        await AssertComeBackAsync(console, HttpMethod.Post, $"/api/v1/jobs/{id}/stop");
        Assert.Equal(HttpStatusCode.OK, (await console.GetAsync($"/api/v1/jobs/{id}", Ct)).Status);
        Assert.Equal(HttpStatusCode.OK, (await console.GetAsync("/health/live", Ct)).Status);
        // Past the job's end, and past the lease of leadership
        await Task.Delay(TimeSpan.FromSeconds(9), Ct);
        Assert.False(console.HasExited, console.Tail());
        Assert.Equal("Running", (string?)(await console.GetAsync($"/api/v1/jobs/{id}", Ct)).Body!["state"]);

        await WritesAsync(console, allowed: true);
        Assert.Equal("Succeeded", (string?)(await console.WaitForEndAsync(id, Ct))["state"]);
        var next = await console.SubmitAsync(ConsoleJobs.Body("echo again"), Ct);
        Assert.Equal("Succeeded", (string?)(await console.WaitForEndAsync(next, Ct))["state"]);
    }

    [Fact]
    public async Task When_every_connection_waits_callers_are_told_to_come_back_and_leadership_is_kept()
    {
        await using var console = await StartAsync();
        var id = await console.SubmitAsync(ConsoleJobs.Body("sleep 4; echo done"), Ct);
        await console.UntilRunsAsync(id, Ct);
        var epoch = await EpochAsync(console);
        List<Task<(HttpStatusCode Status, TimeSpan? RetryAfter)>> calls;
        await using (var holder = await console.Sql.OpenConnectionAsync(Ct))
        {
            await using var transaction = await holder.BeginTransactionAsync(Ct);
            await using (
                var hold = new NpgsqlCommand("lock table workloads in access exclusive mode", holder, transaction)
            )
            {
                await hold.ExecuteNonQueryAsync(Ct);
            }
            var began = Stopwatch.GetTimestamp();
            calls = [.. Enumerable.Range(0, 80).Select(_ => CallAsync(console, HttpMethod.Get, "/api/v1/jobs"))];
            // Twenty at least find no connection
            var told = calls.ToList();
            for (var i = 0; i < 20; i++)
            {
                var first = await Task.WhenAny(told);
                told.Remove(first);
                Assert.Equal(HttpStatusCode.ServiceUnavailable, (await first).Status);
            }
            output.WriteLine($"twenty were told within {Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s");
            Assert.Equal(HttpStatusCode.OK, (await console.GetAsync("/health/live", Ct)).Status);
            if (TimeSpan.FromSeconds(10) - Stopwatch.GetElapsedTime(began) is { Ticks: > 0 } left)
            {
                await Task.Delay(left, Ct);
            }
            Assert.Equal(epoch, await EpochAsync(console));
        }
        foreach (var (status, retryAfter) in await Task.WhenAll(calls))
        {
            Assert.True(
                status == HttpStatusCode.OK || (status == HttpStatusCode.ServiceUnavailable && retryAfter is not null),
                $"{status}, come back after {retryAfter}"
            );
        }
        Assert.Equal("Succeeded", (string?)(await console.WaitForEndAsync(id, Ct))["state"]);
        Assert.Equal(epoch, await EpochAsync(console));
        Assert.False(console.HasExited, console.Tail());
    }

    [Fact]
    public async Task A_database_that_takes_five_seconds_for_each_answer_brings_nothing_down()
    {
        await using var console = await ConsoleProcess.CreateAsync(Ct);
        await using var proxy = console.PutProxyBeforeDatabase();
        await console.StartAsync(Ct);
        await console.SignInAsync(Ct);
        var id = await console.SubmitAsync(ConsoleJobs.Body("sleep 3; echo done"), Ct);
        await console.UntilRunsAsync(id, Ct);
        proxy.DelayReplies(TimeSpan.FromSeconds(5));
        var answers = await Task.WhenAll(
            Enumerable.Range(0, 10).Select(_ => CallAsync(console, HttpMethod.Get, $"/api/v1/jobs/{id}"))
        );
        output.WriteLine(string.Join(", ", answers.Select(a => a.Status)));
        Assert.All(
            answers,
            a =>
                Assert.True(
                    a.Status == HttpStatusCode.OK
                        || (a.Status == HttpStatusCode.ServiceUnavailable && a.RetryAfter is not null),
                    $"{a.Status}, come back after {a.RetryAfter}"
                )
        );
        Assert.False(console.HasExited, console.Tail());
        proxy.Heal();
        Assert.Equal("Succeeded", (string?)(await console.WaitForEndAsync(id, Ct))["state"]);
        await console.UntilRestAsync(Ct);
    }

    private static async Task<ConsoleProcess> StartAsync()
    {
        var console = await ConsoleProcess.CreateAsync(Ct);
        await console.StartAsync(Ct);
        await console.SignInAsync(Ct);
        return console;
    }

    private static Task<long> EpochAsync(ConsoleProcess console) =>
        Invariants.ScalarAsync<long>(console.Sql, "select epoch from leadership", Ct);

    /// <summary>For every session from now on: those that were open end.</summary>
    private static async Task WritesAsync(ConsoleProcess console, bool allowed)
    {
        var name = new NpgsqlConnectionStringBuilder(console.Database).Database;
        await using var admin = NpgsqlDataSource.Create(ConsoleHarness.AdminDatabase);
        await using var command = admin.CreateCommand(
            $"""
            alter database {name} set default_transaction_read_only = {(allowed ? "off" : "on")};
            select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}' and usename = current_user;
            """
        );
        await command.ExecuteNonQueryAsync(Ct);
        NpgsqlConnection.ClearAllPools();
    }

    private static async Task AssertComeBackAsync(ConsoleProcess console, HttpMethod method, string path)
    {
        using var http = new HttpClient { BaseAddress = console.Address };
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = console.Authorization;
        request.Content = System.Net.Http.Json.JsonContent.Create(ConsoleJobs.Body("true"));
        using var answer = await http.SendAsync(request, Ct);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
    }

    private static async Task<(HttpStatusCode Status, TimeSpan? RetryAfter)> CallAsync(
        ConsoleProcess console,
        HttpMethod method,
        string path
    )
    {
        using var http = new HttpClient { BaseAddress = console.Address };
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = console.Authorization;
        using var answer = await http.SendAsync(request, Ct);
        return (answer.StatusCode, answer.Headers.RetryAfter?.Delta);
    }
}
