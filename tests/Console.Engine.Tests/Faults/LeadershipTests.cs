using System.Diagnostics;
using System.Globalization;
using System.Net;
using DeepLab.Core.Engines;
using DeepLab.Engine.Tests.Engines;
using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// Two consoles on one database: a leader that loses its lease, dies, or is frozen and wakes. One leads, both serve, and who led
/// before acts no more.
/// </summary>
public sealed class LeadershipTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const string LeaseOf = "(select holder from leadership where expires_at > clock_timestamp())";

    /// <summary>A lease lasts 7 s; a frozen leader sleeps through two of them.</summary>
    private static readonly TimeSpan s_twoLeases = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan s_quickMove = TimeSpan.FromSeconds(10);

    private ConsoleProcess _first = null!;
    private ConsoleProcess _second = null!;
    private DockerEngine _engine = null!;
    private WriterWatch _watch = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Both_consoles_serve_and_leadership_moves_within_ten_seconds_of_a_kill()
    {
        var id = await _first.SubmitAsync(ConsoleJobs.Body("sleep 12; echo done", gpus: 1), Ct);
        await _first.UntilRunsAsync(id, Ct);
        Assert.Equal(HttpStatusCode.OK, (await _second.GetAsync($"/api/v1/jobs/{id}", Ct)).Status);
        // Whoever does not lead takes work all the same
        var other = await _second.SubmitAsync(ConsoleJobs.Body("echo short"), Ct);
        Assert.Equal("Succeeded", (string?)(await _second.WaitForEndAsync(other, Ct))["state"]);

        await _first.KillAsync(Ct);
        await UntilLeadsAsync(_second, "a killed leader");

        Assert.Equal("Succeeded", (string?)(await _second.WaitForEndAsync(id, Ct))["state"]);
        await RestAsync(_second, id, other);
    }

    [Fact]
    public async Task Terminated_lease_connections_leave_one_leader_whose_term_goes_on()
    {
        var id = await _first.SubmitAsync(ConsoleJobs.Body("sleep 6; echo done", gpus: 2), Ct);
        await _first.UntilRunsAsync(id, Ct);
        var epoch = await EpochAsync();
        // It asks each two seconds: each time over a connection that is gone, then over a new one
        var terminated = 0L;
        for (var i = 0; i < 4; i++)
        {
            terminated += await TerminateAsync("first-lease");
            await Task.Delay(TimeSpan.FromSeconds(1), Ct);
        }
        Assert.InRange(terminated, 2, 8);
        // All that the leader had, the rest of its connections too
        await TerminateAsync("first");
        Assert.Equal("Succeeded", (string?)(await _second.WaitForEndAsync(id, Ct))["state"]);
        await _first.UntilSqlAsync($"{LeaseOf} in ('{_first.Identity}', '{_second.Identity}')", "somebody leads", Ct);
        // Each lost connection was replaced before the lease ran out: nobody had a reason to take over
        Assert.Equal(epoch, await EpochAsync());
        await RestAsync(_second, id);
    }

    [Fact]
    public async Task A_leader_cut_off_from_the_database_acts_no_more_and_another_leads()
    {
        await using var proxy = await ReplaceFirstByOneBehindAProxyAsync();
        var running = await _second.SubmitAsync(ConsoleJobs.Body("sleep 20; echo done", gpus: 1), Ct);
        await _second.UntilRunsAsync(running, Ct);
        proxy.Cut();
        await UntilLeadsAsync(_second, "a leader that was cut off");
        var later = await _second.SubmitAsync(ConsoleJobs.Body("echo later", gpus: 1), Ct);
        Assert.Equal("Succeeded", (string?)(await _second.WaitForEndAsync(later, Ct))["state"]);
        proxy.Heal();
        Assert.Equal("Succeeded", (string?)(await _second.WaitForEndAsync(running, Ct))["state"]);
        // It is back as one that serves
        await UntilAnswersAsync(_first, running);
        await _second.UntilSqlAsync($"{LeaseOf} = '{_second.Identity}'", "the second still leads", Ct);
        await RestAsync(_second, running, later);
    }

    [Fact]
    public async Task A_leader_that_wakes_after_two_leases_writes_nothing_and_changes_nothing()
    {
        // One ends while it sleeps, one goes on, both log all the time: it falls asleep with lines in its hands
        var ends = await _first.SubmitAsync(ConsoleJobs.Body(Counting(400), gpus: 1), Ct);
        var goesOn = await _first.SubmitAsync(ConsoleJobs.Body(Counting(1500), gpus: 1), Ct);
        await _first.UntilRunsAsync(ends, Ct);
        await _first.UntilRunsAsync(goesOn, Ct);
        var epoch = await EpochAsync();

        await _first.FreezeAsync(Ct);
        var frozen = Stopwatch.GetTimestamp();
        await UntilLeadsAsync(_second, "a frozen leader");
        var during = await _second.SubmitAsync(ConsoleJobs.Body("echo during", gpus: 1), Ct);
        Assert.Equal("Succeeded", (string?)(await _second.WaitForEndAsync(during, Ct))["state"]);
        Assert.Equal("Succeeded", (string?)(await _second.WaitForEndAsync(ends, Ct))["state"]);
        await _second.UntilSqlAsync(
            $"bool_and(log_archived and container_removed) from attempts where workload_id = {ends}",
            "what ended is archived",
            Ct
        );
        if (s_twoLeases - Stopwatch.GetElapsedTime(frozen) is { Ticks: > 0 } left)
        {
            await Task.Delay(left, Ct);
        }
        await _first.ThawAsync(Ct);

        await UntilAnswersAsync(_first, goesOn);
        var after = await _first.SubmitAsync(ConsoleJobs.Body("echo after", gpus: 1), Ct);
        Assert.Equal("Succeeded", (string?)(await _first.WaitForEndAsync(after, Ct))["state"]);
        Assert.Equal("Succeeded", (string?)(await _second.WaitForEndAsync(goesOn, Ct))["state"]);
        await RestAsync(_second, ends, goesOn, during, after);
        await AssertCountedAsync(ends, 400);
        await AssertCountedAsync(goesOn, 1500);
        Assert.Equal(epoch + 1, await EpochAsync());
    }

    [Fact]
    public async Task A_leader_frozen_in_the_middle_of_a_write_does_not_keep_others_from_leading()
    {
        long id;
        await using (var holder = await _first.Sql.OpenConnectionAsync(Ct))
        {
            await using var transaction = await holder.BeginTransactionAsync(Ct);
            // The next job's place in the queue can be written by nobody, and so the leader waits in its transaction
            await ExecuteAsync(holder, "lock table attempts in share mode");
            id = await _second.SubmitAsync(ConsoleJobs.Body("echo done", gpus: 1), Ct);
            await _first.UntilSqlAsync(
                "exists (select from pg_stat_activity where application_name = 'first' and wait_event_type = 'Lock')",
                "the leader waits in a write",
                Ct
            );
            await _first.FreezeAsync(Ct);
            await transaction.RollbackAsync(Ct);
        }
        await UntilLeadsAsync(_second, "a leader frozen in a transaction", s_quickMove + TimeSpan.FromSeconds(5));
        Assert.Equal("Succeeded", (string?)(await _second.WaitForEndAsync(id, Ct))["state"]);
        await _first.ThawAsync(Ct);
        await UntilAnswersAsync(_first, id);
        await RestAsync(_second, id);
    }

    public async ValueTask InitializeAsync()
    {
        _first = await ConsoleProcess.CreateAsync(Ct);
        _second = _first.Beside();
        _engine = TestEngine.Make(new EnginePolicy());
        _first.NameConnections("first");
        _second.NameConnections("second");
        await _first.StartAsync(Ct);
        await _first.SignInAsync(Ct);
        await _first.UntilSqlAsync("count(*) >= 2 from gpus", "an inventory of two GPUs", Ct);
        await _second.StartAsync(Ct);
        await _second.SignInAsync(Ct);
        await _first.UntilSqlAsync($"{LeaseOf} = '{_first.Identity}'", "the first leads", Ct);
        _watch = new WriterWatch(_first.Sql);
        await _watch.BeginAsync(Ct, ("first", _first.Identity), ("second", _second.Identity));
    }

    public async ValueTask DisposeAsync()
    {
        await _second.DisposeAsync();
        await _first.DisposeAsync();
        await _engine.DisposeAsync();
    }

    /// <summary>A line each 10 ms or so; the last one tells how many.</summary>
    private static string Counting(int lines) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo line $i; sleep 0.01; done"
        );

    private async Task AssertCountedAsync(long id, int lines)
    {
        var log = await _second.TextAsync($"/api/v1/jobs/{id}/logs", Ct);
        Assert.Equal(
            Enumerable.Range(1, lines).Select(i => $"line {i}"),
            log.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        );
    }

    private async Task UntilLeadsAsync(ConsoleProcess console, string after, TimeSpan? within = null)
    {
        var began = Stopwatch.GetTimestamp();
        await console.UntilSqlAsync($"{LeaseOf} = '{console.Identity}'", "leadership moved", Ct);
        var took = Stopwatch.GetElapsedTime(began);
        output.WriteLine($"leadership moved {took.TotalSeconds:0.0} s after {after}");
        Assert.True(took < (within ?? s_quickMove), $"leadership moved only after {took}");
    }

    private static async Task UntilAnswersAsync(ConsoleProcess console, long id)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        while ((await console.GetAsync($"/api/v1/jobs/{id}", patience.Token)).Status != HttpStatusCode.OK)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), patience.Token);
        }
    }

    private async Task RestAsync(ConsoleProcess console, params long[] jobs)
    {
        await console.UntilRestAsync(Ct);
        await Invariants.AtRestAsync(console.Sql, _engine, jobs, Ct);
        await _watch.AssertNoLateWriteAsync(Ct);
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string statement)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = statement;
        await command.ExecuteNonQueryAsync(Ct);
    }

    private Task<long> EpochAsync() => Invariants.ScalarAsync<long>(_first.Sql, "select epoch from leadership", Ct);

    /// <summary>How many connections of that name there were.</summary>
    private Task<long> TerminateAsync(string name) =>
        Invariants.ScalarAsync<long>(
            _first.Sql,
            $"""
            select count(pg_terminate_backend(pid)) from pg_stat_activity
            where application_name = '{name}' and datname = current_database()
            """,
            Ct
        );

    private async Task<ByteProxy> ReplaceFirstByOneBehindAProxyAsync()
    {
        await _first.KillAsync(Ct);
        var proxy = _first.PutProxyBeforeDatabase();
        await _first.StartAsync(Ct);
        // Its own lease, which it takes again at once; the second may have been quicker only if the start took longer than a lease
        if (!await IsLeaderAsync(_first))
        {
            await _second.KillAsync(Ct);
            await _first.UntilSqlAsync($"{LeaseOf} = '{_first.Identity}'", "the first leads again", Ct);
            await _second.StartAsync(Ct);
        }
        return proxy;
    }

    private static Task<bool> IsLeaderAsync(ConsoleProcess console) =>
        Invariants.ScalarAsync<bool>(console.Sql, $"select coalesce({LeaseOf} = '{console.Identity}', false)", Ct);
}
