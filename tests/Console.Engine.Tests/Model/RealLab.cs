using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using DeepLab.Core;
using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace DeepLab.Engine.Tests.Model;

/// <summary>The console as a process of its own, on three simulated hosts with real engines.</summary>
internal sealed class RealLab : ILab
{
    private readonly LabFleet _fleet;
    private readonly ConsoleProcess _console;
    private readonly LabDatabase _database;
    private readonly List<string> _hosts = [];

    /// <summary>How each host that is away comes back.</summary>
    private readonly Dictionary<string, Func<CancellationToken, Task>> _away = new(StringComparer.Ordinal);
    private string _install = "";

    /// <summary>The present process has a failpoint before it.</summary>
    private bool _isArmed;
    private long _closedSince;
    private TimeSpan _closedFor;

    private RealLab(LabFleet fleet, ConsoleProcess console) =>
        (_fleet, _console, _database) = (fleet, console, new LabDatabase(console.Database));

    public NpgsqlDataSource Sql => _database.Sql;
    public IReadOnlyList<string> Hosts => _hosts;
    public string Log => _console.Tail();

    public static async Task<RealLab> StartAsync(LabFleet fleet, CancellationToken ct)
    {
        await fleet.ReadyAsync(ct);
        var first = fleet.Hosts[0];
        var console = await ConsoleProcess.CreateAsync(
            ct,
            ("DOCKER_HOST", first.Address),
            ("DOCKER_CERT_PATH", first.TlsFolder),
            ("DEEPLAB_HOST_NAME", first.Name),
            ("DEEPLAB_HOST_GRACE", "8")
        );
        var lab = new RealLab(fleet, console);
        try
        {
            await console.StartAsync(ct);
            await console.SignInAsync(ct);
            lab._hosts.Add(first.Name);
            lab._install = await Invariants.ScalarAsync<string>(lab.Sql, "select install_id from installations", ct);
            foreach (var team in Commands.Teams)
            {
                await lab.AskAsync(HttpMethod.Post, "teams", new { name = team }, ct);
            }
            await lab.AddHostAsync(ct);
            await lab.HealAsync(ct);
            return lab;
        }
        catch
        {
            // It would run on, with nobody to end it
            await console.DisposeAsync();
            throw;
        }
    }

    public async Task<Answer> SubmitAsync(Wish wish, string key, CancellationToken ct) =>
        await AskAsync(HttpMethod.Post, "jobs", JsonNode.Parse(SpecWriter.Write(Specs.Of(wish, key))), ct, key);

    public Task<Answer> CloneAsync(long id, CancellationToken ct) =>
        AskAsync(HttpMethod.Post, $"jobs/{id}/clone", null, ct);

    public Task<Answer> StopAsync(long id, CancellationToken ct) =>
        AskAsync(HttpMethod.Post, $"jobs/{id}/stop", null, ct);

    public Task<Answer> DeleteAsync(long id, CancellationToken ct) =>
        AskAsync(HttpMethod.Delete, $"jobs/{id}", null, ct);

    public async Task<bool> DoAsync(Command command, CancellationToken ct)
    {
        switch (command)
        {
            case Command.Advance c:
                await PassAsync(TimeSpan.FromSeconds(c.Seconds), ct);
                break;
            case Command.EditQuota c:
                return (await EditQuotaAsync(c.Team, c.Gpus, ct)).Heard == Heard.Done;
            case Command.AddHost:
                await AddHostAsync(ct);
                break;
            case Command.TakeOut when _hosts.Count > 2:
                if ((await AskAsync(HttpMethod.Delete, $"hosts/{_hosts[^1]}", null, ct)).Heard == Heard.Done)
                {
                    _hosts.RemoveAt(_hosts.Count - 1);
                }
                break;
            case Command.Drain c:
                await OnHostAsync(
                    c.Which,
                    "drain",
                    c.Seconds is { } s ? new { deadline = TimeSpan.FromSeconds(s / 5).ToString("c") } : new { },
                    ct
                );
                break;
            case Command.Disable c:
                await OnHostAsync(c.Which, "disable", null, ct);
                break;
            case Command.Activate c:
                await OnHostAsync(c.Which, "activate", null, ct);
                break;
            case Command.Fence c:
                await OnHostAsync(c.Which, "fence", null, ct);
                break;
            case Command.Kill:
                await RestartAsync(null, ct);
                break;
            case Command.KillAt c:
                // A process learns its failpoint when it starts
                await RestartAsync(c.Failpoint, ct);
                break;
            case Command.CutDatabase:
                await _database.CutAsync(ct);
                _console.Sql.Clear();
                break;
            case Command.CloseDatabase c:
                (_closedSince, _closedFor) = (TimeProvider.System.GetTimestamp(), TimeSpan.FromSeconds(c.Seconds));
                await _database.CloseAsync(ct);
                _console.Sql.Clear();
                break;
            case Command.Vanish c when await RunningAsync(ct) is { Count: > 0 } all:
                var victim = all[c.Which % all.Count];
                await Fleet(victim.Host).DockerAsync(ct, "rm", "-f", victim.Id);
                break;
            default:
                return await OnMachineAsync(command, ct);
        }
        return true;
    }

    private async Task<bool> OnMachineAsync(Command command, CancellationToken ct)
    {
        switch (command)
        {
            case Command.Lose c when Present(c.Which) is { } host:
                await host.CutAsync(ct);
                _away[host.Name] = host.HealAsync;
                break;
            case Command.Return c when _away.Remove(_hosts[c.Which % _hosts.Count], out var comesBack):
                await comesBack(ct);
                break;
            case Command.StopEngine c when Present(c.Which) is { } host:
                await host.StopAsync(ct);
                if (c.ComesBack)
                {
                    await host.StartAsync(ct);
                }
                else
                {
                    _away[host.Name] = host.StartAsync;
                }
                break;
            case Command.KillEngine c when Present(c.Which) is { } host:
                await host.KillAsync(ct);
                await host.StartAsync(ct);
                break;
            // In place of a loss of power, which the kit does not know: an engine that hangs
            case Command.PowerCycle c when Present(c.Which) is { } host:
                await host.PauseAsync(ct);
                _away[host.Name] = host.ResumeAsync;
                break;
            default:
                return false;
        }
        return true;
    }

    public async Task PassAsync(TimeSpan time, CancellationToken ct)
    {
        await Task.Delay(time, ct);
        if (TimeProvider.System.GetElapsedTime(_closedSince) >= _closedFor)
        {
            await _database.OpenAsync(ct);
        }
        if (_console.HasExited)
        {
            await RestartAsync(null, ct);
        }
    }

    public async Task<IReadOnlyList<RunningContainer>> RunningAsync(CancellationToken ct)
    {
        var running = new List<RunningContainer>();
        foreach (var (host, attempt, report) in await ContainersAsync(ct))
        {
            if (report is { State: ContainerState.Running })
            {
                running.Add(new RunningContainer(host, report.Id, attempt, report.GpuUuids));
            }
        }
        return running;
    }

    public async Task<IReadOnlyList<string>> TroublesAsync(bool atRest, CancellationToken ct)
    {
        var troubles = new List<string>();
        var containers = await ContainersAsync(ct);
        foreach (var attempt in containers.GroupBy(c => c.Attempt).Where(g => atRest || g.Count() > 1))
        {
            troubles.Add($"{(atRest ? 4 : 3)}: {attempt.Count()} containers of attempt {attempt.Key}");
        }
        var twice = containers
            .Where(c => c.Report.State == ContainerState.Running)
            .SelectMany(c => c.Report.GpuUuids)
            .GroupBy(g => g)
            .Where(g => g.Count() > 1);
        troubles.AddRange(twice.Select(g => $"1: {g.Key} is in two running containers"));
        return troubles;
    }

    /// <summary>What was never placed has not ended, and is not placed after its stop.</summary>
    public Task<bool> MayHaveEndedAsync(long jobId, CancellationToken ct) =>
        Invariants.ScalarAsync<bool>(
            Sql,
            string.Create(
                CultureInfo.InvariantCulture,
                $"select exists (select from attempts where workload_id = {jobId})"
            ),
            ct
        );

    public async Task HealAsync(CancellationToken ct)
    {
        await _database.OpenAsync(ct);
        foreach (var comesBack in _away.Values)
        {
            await comesBack(ct);
        }
        _away.Clear();
        if (_isArmed || _console.HasExited)
        {
            await RestartAsync(null, ct);
        }
        foreach (var host in _hosts)
        {
            await UntilDoneAsync(() => AskAsync(HttpMethod.Post, $"hosts/{host}/activate", new { }, ct), ct);
        }
        foreach (var team in Commands.Teams)
        {
            await UntilDoneAsync(() => EditQuotaAsync(team, null, ct), ct);
        }
        await _console.UntilSqlAsync(
            $"(select count(*) from hosts where state = 'Ready' and preflight is not null) = {_hosts.Count}",
            "every host is ready",
            ct
        );
    }

    public Task ResetAsync(CancellationToken ct) => _database.ForgetJobsAsync(ct);

    public async ValueTask DisposeAsync()
    {
        var ct = CancellationToken.None;
        await _database.OpenAsync(ct);
        foreach (var comesBack in _away.Values)
        {
            await comesBack(ct);
        }
        if (!_console.HasExited)
        {
            await _console.KillAsync(ct);
        }
        foreach (var host in _fleet.Hosts)
        {
            await using var engine = Engine(host);
            await ConsoleHarness.ClearAsync(engine, _install, ct);
        }
        await _console.DisposeAsync();
        await _database.DisposeAsync();
    }

    private async Task<List<(string Host, long Attempt, ContainerReport Report)>> ContainersAsync(CancellationToken ct)
    {
        var found = new List<(string, long, ContainerReport)>();
        // A host whose engine is down or hangs shows nothing; of one that is cut off, its own socket tells
        foreach (var host in _fleet.Hosts.Where(h => !_away.TryGetValue(h.Name, out var way) || way == h.HealAsync))
        {
            await using var engine = Engine(host);
            foreach (var c in await engine.ListAsync(_install, ct))
            {
                if (
                    c.Labels.TryGetValue(Labels.Attempt, out var id)
                    && await engine.InspectAsync(c.Id, ct) is { } report
                )
                {
                    found.Add((host.Name, long.Parse(id, CultureInfo.InvariantCulture), report));
                }
            }
        }
        return found;
    }

    private static DockerEngine Engine(FleetHost host) =>
        new(
            new Uri(host.Socket),
            () => null,
            new EnginePolicy(),
            TimeProvider.System,
            NullLogger<DockerEngine>.Instance
        );

    private FleetHost Fleet(string name) => _fleet.Hosts.Single(h => h.Name == name);

    private FleetHost? Present(int which) =>
        _hosts[which % _hosts.Count] is var name && _away.ContainsKey(name) ? null : Fleet(name);

    private async Task AddHostAsync(CancellationToken ct)
    {
        if (_fleet.Hosts.FirstOrDefault(h => !_hosts.Contains(h.Name)) is not { } host)
        {
            return;
        }
        var credentials = _fleet.Credentials;
        await UntilDoneAsync(
            () =>
                AskAsync(
                    HttpMethod.Post,
                    "hosts",
                    new
                    {
                        name = host.Name,
                        cluster = ConsoleOptions.ClusterName,
                        address = host.Address,
                        ca = credentials.Ca,
                        certificate = credentials.Certificate,
                        key = credentials.Key,
                    },
                    ct
                ),
            ct,
            orRefused: true
        );
        _hosts.Add(host.Name);
    }

    private Task<Answer> EditQuotaAsync(string team, int? gpus, CancellationToken ct) =>
        AskAsync(HttpMethod.Patch, $"teams/{team}", new { quota = new { gpus } }, ct);

    private Task<Answer> OnHostAsync(int which, string verb, object? body, CancellationToken ct) =>
        AskAsync(HttpMethod.Post, $"hosts/{_hosts[which % _hosts.Count]}/{verb}", body, ct);

    private async Task<Answer> AskAsync(
        HttpMethod method,
        string path,
        object? body,
        CancellationToken ct,
        string? key = null
    )
    {
        try
        {
            var (status, answer) = await _console.SendAsync(method, $"/api/v1/{path}", body, ct, key);
            return (int)status switch
            {
                < 300 => new Answer(
                    Heard.Done,
                    // Hosts have ids too, of another form
                    answer is JsonObject o
                    && o["id"] is JsonValue id
                    && id.TryGetValue<long>(out var job)
                        ? job
                        : 0
                ),
                < 500 => new Answer(Heard.Refused, 0, $"{status} {answer}"),
                (int)HttpStatusCode.ServiceUnavailable => new Answer(Heard.Nothing),
                _ => throw new BrokenLawException($"{method} {path} was answered {status} {answer}"),
            };
        }
        catch (HttpRequestException)
        {
            return new Answer(Heard.Nothing);
        }
    }

    private async Task UntilDoneAsync(Func<Task<Answer>> ask, CancellationToken ct, bool orRefused = false)
    {
        for (var tries = 0; ; tries++)
        {
            var answer = await ask();
            if (answer.Heard == Heard.Done || (orRefused && answer.Heard == Heard.Refused && tries > 0))
            {
                return;
            }
            Assert.True(answer.Heard == Heard.Nothing && tries < 60, $"refused: {answer.Why}");
            await PassAsync(TimeSpan.FromMilliseconds(500), ct);
        }
    }

    /// <summary>SIGKILL, where it still runs, and a new start.</summary>
    private async Task RestartAsync(string? failpoint, CancellationToken ct)
    {
        if (!_console.HasExited)
        {
            await _console.KillAsync(ct);
        }
        await _database.OpenAsync(ct);
        await _console.StartAsync(ct, failpoint);
        _isArmed = failpoint is not null;
        if (_console.HasExited)
        {
            // Its recovery came by the failpoint
            await RestartAsync(null, ct);
        }
    }
}
