using DeepLab.Core;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Accounts;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Streams;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Npgsql;

namespace DeepLab.Engine.Tests.Model;

/// <summary>The real loop on a real database of its own, with engines and a clock in memory.</summary>
internal sealed class FakeLab : ILab
{
    /// <summary>The clock goes on by so much when the console has nothing left to do at the moment.</summary>
    private static readonly TimeSpan s_slice = TimeSpan.FromMilliseconds(500);

    /// <summary>Real time that it is waited for at most.</summary>
    private static readonly TimeSpan s_longestSlice = TimeSpan.FromMilliseconds(50);

    /// <summary>A call of an engine in memory takes a few hops from thread to thread, and the next one follows it.</summary>
    private const int Hops = 30;
    private static readonly int[] s_gpus = [4, 2, 1];
    private const int MostHosts = 5;

    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());
    private readonly Book _book = new();
    private readonly FakeMachines _machines;
    private readonly RecentLog _log;
    private readonly ConsoleOptions _options;
    private readonly NpgsqlDataSource _shared;
    private readonly LabDatabase _database;
    private FakeConsole _console = null!;
    private readonly Activity _activity = new();
    private DateTimeOffset _opensAt;

    private FakeLab()
    {
        _log = new RecentLog(_clock);
        _machines = new FakeMachines(_clock, _book, _log);
        _options = new ConsoleOptions
        {
            Database = new NpgsqlConnectionStringBuilder(ConsoleHarness.AdminDatabase)
            {
                Database = $"m_{Guid.CreateVersion7():N}",
            }.ConnectionString,
            DataFolder = Directory.CreateTempSubdirectory("deeplab-model-").FullName,
            HostName = "h1",
            DockerHost = "unix:///fake/h1",
            HostGrace = TimeSpan.FromSeconds(40),
        };
        _shared = Database.CreateDataSource(_options.Database);
        _database = new LabDatabase(_options.Database);
    }

    public NpgsqlDataSource Sql => _database.Sql;
    public IReadOnlyList<string> Hosts => _machines.Entered;
    public string Log => _log.ToString();

    public static async Task<FakeLab> StartAsync(CancellationToken ct)
    {
        var lab = new FakeLab();
        await lab._database.CreateAsync(ct);
        lab._machines.Make(s_gpus[0]);
        await lab.BootAsync(ct);
        await lab.LookAtHostsAsync(ct);
        foreach (var team in Commands.Teams)
        {
            await lab.AskAsync<TeamVerbs, string>(
                v => v.CreateAsync(ConsoleHarness.Admin, team, new TeamChange(1, Quota.None, []), ct),
                _ => 0
            );
        }
        foreach (var gpus in s_gpus[1..])
        {
            await lab.AddHostAsync(gpus, ct);
        }
        await lab.HealAsync(ct);
        return lab;
    }

    public Task<Answer> SubmitAsync(Wish wish, string key, CancellationToken ct) =>
        AskAsync<SubmitJob, Submitted>(
            v => v.RunAsync(ConsoleHarness.Admin, Specs.Of(wish, key), new Idempotency(key, key), ct),
            s => s.Id
        );

    public Task<Answer> CloneAsync(long id, CancellationToken ct) =>
        AskAsync<CloneJob, Submitted>(v => v.RunAsync(ConsoleHarness.Admin, id, ct), s => s.Id);

    public Task<Answer> StopAsync(long id, CancellationToken ct) =>
        AskAsync<StopWorkload, long>(v => v.RunAsync(ConsoleHarness.Admin, id, ct), i => i);

    public Task<Answer> DeleteAsync(long id, CancellationToken ct) =>
        AskAsync<DeleteWorkload, long>(v => v.RunAsync(ConsoleHarness.Admin, id, ct), i => i);

    public async Task<bool> DoAsync(Command command, CancellationToken ct)
    {
        switch (command)
        {
            case Command.Advance c:
                await PassAsync(TimeSpan.FromSeconds(c.Seconds), ct);
                break;
            case Command.EditQuota c:
                return (await EditQuotaAsync(c.Team, c.Gpus, ct)).Heard == Heard.Done;
            case Command.AddHost c:
                await AddHostAsync(c.Gpus, ct);
                break;
            // The first host is the environment's own and comes back at each start
            case Command.TakeOut c when Hosts.Count > s_gpus.Length:
                await TakeOutAsync(Hosts[s_gpus.Length + c.Which % (Hosts.Count - s_gpus.Length)], ct);
                break;
            case Command.Drain c:
                await OnHostAsync<DrainHost>(
                    c.Which,
                    (v, name) => v.RunAsync(ConsoleHarness.Admin, name, Span(c.Seconds), ct)
                );
                break;
            case Command.Disable c:
                await OnHostAsync<DisableHost>(c.Which, (v, name) => v.RunAsync(ConsoleHarness.Admin, name, ct));
                break;
            case Command.Activate c:
                await OnHostAsync<ActivateHost>(c.Which, (v, name) => v.RunAsync(ConsoleHarness.Admin, name, ct));
                break;
            case Command.Fence c:
                await OnHostAsync<FenceHost>(c.Which, (v, name) => v.RunAsync(ConsoleHarness.Admin, name, ct));
                break;
            case Command.Kill:
                await RebootAsync(ct);
                break;
            case Command.KillAt c:
                _console.Failpoints.Arm(c.Failpoint);
                break;
            case Command.CutDatabase:
                await _database.CutAsync(ct);
                // Those that nobody used are broken too, and each would cost whoever finds it EF Core's pause of a second
                _shared.Clear();
                break;
            case Command.CloseDatabase c:
                _opensAt = _clock.GetUtcNow() + TimeSpan.FromSeconds(c.Seconds);
                _book.Closed(_clock.GetUtcNow(), _opensAt);
                await _database.CloseAsync(ct);
                _shared.Clear();
                break;
            default:
                return _machines.Do(command);
        }
        return true;
    }

    private static TimeSpan? Span(int? seconds) => seconds is { } s ? TimeSpan.FromSeconds(s) : null;

    private Task<Answer> OnHostAsync<TVerb>(int which, Func<TVerb, string, Task<Outcome<string>>> ask)
        where TVerb : notnull
    {
        var name = Hosts[which % Hosts.Count];
        return AskAsync<TVerb, string>(v => ask(v, name), _ => 0);
    }

    public async Task PassAsync(TimeSpan time, CancellationToken ct)
    {
        for (var left = time; left > TimeSpan.Zero; left -= s_slice)
        {
            _clock.Advance(left < s_slice ? left : s_slice);
            await QuietAsync(ct);
            if (_opensAt <= _clock.GetUtcNow())
            {
                await _database.OpenAsync(ct);
            }
            if (_console.IsDead)
            {
                await RebootAsync(ct);
            }
        }
    }

    public Task<IReadOnlyList<RunningContainer>> RunningAsync(CancellationToken ct) =>
        Task.FromResult<IReadOnlyList<RunningContainer>>([.. _machines.Running]);

    public async Task<IReadOnlyList<string>> TroublesAsync(bool atRest, CancellationToken ct)
    {
        var troubles = new List<string>();
        if (_console.HasCollapsed)
        {
            troubles.Add("the console ended by an error of its own");
        }
        troubles.AddRange(_machines.Troubles(atRest));
        if (atRest)
        {
            troubles.AddRange(await _book.TroublesAsync(Sql, _console.Services.GetRequiredService<LogReader>(), ct));
        }
        return troubles;
    }

    /// <summary>A program that ended ended before its end could be recorded, so this is never too late.</summary>
    public Task<bool> MayHaveEndedAsync(long jobId, CancellationToken ct) => Task.FromResult(_book.HasEnded(jobId));

    public async Task HealAsync(CancellationToken ct)
    {
        _console.Failpoints.Arm(null);
        await _database.OpenAsync(ct);
        await LookAtHostsAsync(ct);
        _machines.Mend();
        foreach (var host in Hosts)
        {
            await UntilDoneAsync(
                () => AskAsync<ActivateHost, string>(v => v.RunAsync(ConsoleHarness.Admin, host, ct), _ => 0),
                ct
            );
        }
        foreach (var team in Commands.Teams)
        {
            await UntilDoneAsync(() => EditQuotaAsync(team, null, ct), ct);
        }
        await UntilAsync(
            $"(select count(*) from hosts where state = 'Ready' and preflight is not null) = {Hosts.Count}"
                + $" and (select count(*) from gpus) = {_machines.Gpus}",
            ct
        );
    }

    public async Task ResetAsync(CancellationToken ct)
    {
        foreach (var host in Hosts.Skip(s_gpus.Length).ToArray())
        {
            var answer = await TakeOutAsync(host, ct);
            Assert.True(answer.Heard == Heard.Done, $"{host} could not be taken out at rest: {answer.Why}");
        }
        await _database.ForgetJobsAsync(ct);
        _book.Forget();
        _machines.Forget();
    }

    public async ValueTask DisposeAsync()
    {
        await _database.OpenAsync(CancellationToken.None);
        await EndConsoleAsync();
        await _shared.DisposeAsync();
        await _database.DropAsync();
        await _database.DisposeAsync();
        Directory.Delete(_options.DataFolder, recursive: true);
    }

    private async Task<Answer> AddHostAsync(int gpus, CancellationToken ct)
    {
        if (Hosts.Count >= MostHosts)
        {
            return new Answer(Heard.Refused);
        }
        var machine = _machines.FindOrMake(gpus);
        var host = new NewHost(
            machine.Name,
            ConsoleOptions.ClusterName,
            machine.Address,
            new CredentialInput(null, null, null),
            new Dictionary<string, string>(),
            ""
        );
        var answer = await AskAsync<AddHost, string>(v => v.RunAsync(ConsoleHarness.Admin, host, ct), _ => 0);
        await LookAtHostsAsync(ct);
        if (machine.IsAway && Hosts.Contains(machine.Name))
        {
            machine.Return();
        }
        return answer;
    }

    private async Task<Answer> TakeOutAsync(string host, CancellationToken ct)
    {
        var answer = await AskAsync<RemoveHost, string>(v => v.RunAsync(ConsoleHarness.Admin, host, ct), _ => 0);
        await LookAtHostsAsync(ct);
        return answer;
    }

    /// <summary>Which are entered, whether or not an answer came.</summary>
    private async Task LookAtHostsAsync(CancellationToken ct) =>
        _machines.Enter(await Invariants.ColumnAsync(Sql, "select name from hosts order by created_at, name", ct));

    private Task<Answer> EditQuotaAsync(string team, int? gpus, CancellationToken ct) =>
        AskAsync<TeamVerbs, string>(
            v => v.ChangeAsync(ConsoleHarness.Admin, team, new TeamChange(null, new Quota(gpus), null), ct),
            _ => 0
        );

    private async Task<Answer> AskAsync<TVerb, T>(Func<TVerb, Task<Outcome<T>>> ask, Func<T, long> id)
        where TVerb : notnull
    {
        try
        {
            return await ask(_console.Services.GetRequiredService<TVerb>()) switch
            {
                Outcome<T>.Done d => new Answer(Heard.Done, id(d.Value)),
                Outcome<T>.Conflict c => new Answer(Heard.Refused, 0, c.Message),
                Outcome<T>.Refused r => new Answer(Heard.Refused, 0, string.Join("; ", r.Errors)),
                _ => new Answer(Heard.Refused, 0, "not found"),
            };
        }
        catch (Exception e) when (DatabaseFaults.IsFault(e))
        {
            _log.Add($"no answer: {e.Message}");
            return new Answer(Heard.Nothing);
        }
    }

    /// <summary>Broken connections that lie in the pool are found by who uses them.</summary>
    private async Task UntilDoneAsync(Func<Task<Answer>> ask, CancellationToken ct)
    {
        for (var tries = 0; ; tries++)
        {
            var answer = await ask();
            if (answer.Heard == Heard.Done)
            {
                return;
            }
            Assert.True(answer.Heard == Heard.Nothing && tries < 100, $"refused: {answer.Why}");
            await PassAsync(s_slice, ct);
        }
    }

    private async Task UntilAsync(string condition, CancellationToken ct)
    {
        var began = TimeProvider.System.GetTimestamp();
        // Connections and their retries take their own time, which the lab's clock does not make shorter
        for (
            var slices = 0;
            slices < 2000 || TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromSeconds(20);
            slices++
        )
        {
            if (slices % 4 == 0 && await Invariants.ScalarAsync<bool>(Sql, $"select {condition}", ct))
            {
                return;
            }
            await PassAsync(s_slice, ct);
        }
        var there = await Invariants.ColumnAsync(
            Sql,
            """
            select concat_ws(' ', h.name, h.state, h.state_message, 'preflight', h.preflight is not null) from hosts h
            union all select concat_ws(' ', 'GPU', g.uuid, h.name, g.health) from gpus g left join hosts h on h.id = g.host_id
            """,
            ct
        );
        Assert.Fail(
            $"{condition} did not come true{Environment.NewLine}{string.Join(Environment.NewLine, there)}{Environment.NewLine}{Log}"
        );
    }

    /// <summary>Until the console seems to wait for the clock, or for so long.</summary>
    private async Task QuietAsync(CancellationToken ct)
    {
        var began = TimeProvider.System.GetTimestamp();
        for (var quiet = 0; quiet < Hops && TimeProvider.System.GetElapsedTime(began) < s_longestSlice; )
        {
            if (_activity.IsQuiet)
            {
                quiet++;
                await Task.Yield();
            }
            else
            {
                quiet = 0;
                await Task.Delay(1, ct);
            }
        }
    }

    /// <summary>Tried again for as long as broken connections lie in the pool, as a process that failed to start is.</summary>
    private async Task BootAsync(CancellationToken ct)
    {
        await _database.OpenAsync(ct);
        for (var tries = 0; ; tries++)
        {
            try
            {
                _activity.Reset();
                _book.Booted(_clock.GetUtcNow());
                _console = await FakeConsole.BootAsync(_options, _shared, _machines, _clock, _activity, _log, ct);
                return;
            }
            catch (Exception e) when (DatabaseFaults.IsFault(e) && tries < 100)
            {
                _log.Add($"the console does not start: {e.Message}");
            }
        }
    }

    private async Task RebootAsync(CancellationToken ct)
    {
        _log.Add("the console is killed");
        await EndConsoleAsync();
        await BootAsync(ct);
    }

    private async Task EndConsoleAsync()
    {
        var reachable = _machines.Reachable;
        foreach (var machine in reachable)
        {
            machine.Engine.GoAway();
        }
        var end = _console.EndAsync();
        while (!end.IsCompleted)
        {
            // Some of what must come to its end waits by the clock
            _clock.Advance(TimeSpan.FromMilliseconds(200));
            await Task.WhenAny(end, Task.Delay(1));
        }
        await end;
        foreach (var machine in reachable)
        {
            machine.Engine.Return();
        }
    }
}
