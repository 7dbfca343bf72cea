using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Threading.Channels;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using DeepLab.Core.Reconcile.Pairs;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Everything the loop does with one host. Events wake its drivers, a full list every ten seconds repairs what events
/// missed. A host that stalls delays only its own attempts.
/// </summary>
internal sealed partial class HostWorker : IAsyncDisposable
{
    private static readonly TimeSpan s_listEvery = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_longestBackoff = TimeSpan.FromSeconds(5);

    private readonly DriverTools _tools;
    private readonly IDbContextFactory<ConsoleDb> _databases;
    private readonly ProbeStarter _probes;
    private readonly LeaderTerm _term;
    private readonly HostCheckup _checkup;
    private readonly HostLedger _ledger;
    private readonly ConcurrentDictionary<long, (AttemptDriver Driver, Task Run)> _drivers = new();
    private readonly ConcurrentDictionary<string, bool> _names = new(StringComparer.Ordinal);
    private readonly Channel<bool> _troubles = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite }
    );
    private readonly Lock _gate = new();
    private TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IReadOnlyDictionary<long, ContainerSummary> _byAttempt = new Dictionary<long, ContainerSummary>();
    private ProbeSight? _sight;
    private volatile HostWall _wall;
    private readonly TaskCompletionSource _firstLook = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _hasLooked;
    private bool _listed;

    public HostWorker(
        Host host,
        IContainerEngine engine,
        DriverTools tools,
        IDbContextFactory<ConsoleDb> databases,
        ProbeStarter probes,
        LeaderTerm term
    )
    {
        (Host, Engine, _tools, _databases, _probes, _term) = (host, engine, tools, databases, probes, term);
        _checkup = new HostCheckup(this, tools, databases, term);
        _ledger = new HostLedger(engine, host.Id, tools.Hosts, databases, term);
        _wall = new HostWall(this, tools);
    }

    /// <summary>As it was read last.</summary>
    public Host Host { get; private set; }
    public IContainerEngine Engine { get; }

    /// <summary>
    /// It has seen once in this term what the engine runs: before that nothing new is placed there, since GPUs may be in use that
    /// the database calls free.
    /// </summary>
    public bool HasLooked => _hasLooked;

    /// <summary>It has, or its engine did not answer.</summary>
    public Task FirstLook => _firstLook.Task;

    public Task WhenConnectedAsync(CancellationToken ct) => _connected.Task.WaitAsync(ct);

    /// <summary>May the engine have a container of this name? Null before its first full list.</summary>
    public bool? Knows(string containerName) => _listed ? _names.ContainsKey(containerName) : null;

    /// <summary>Id of the container that carries this attempt, as of the last full list; null where there was none.</summary>
    public string? ContainerOf(long attemptId) => _byAttempt.GetValueOrDefault(attemptId)?.Id;

    public void Remember(string containerName) => _names[containerName] = true;

    /// <summary>Its row changed, or was read again.</summary>
    public void Renew(Host host)
    {
        Host = host;
        if (host.Preflight is null or { Again: true })
        {
            _checkup.Ask();
        }
    }

    /// <summary>Returns when its GPUs were looked at after this call, or when the patience ran out.</summary>
    public Task GpusLookedAtAsync(TimeSpan patience, CancellationToken ct) =>
        _sight?.NextGpuRoundAsync(patience, _tools.Time, ct) ?? Task.CompletedTask;

    /// <summary>Of the session that is, or of the last one.</summary>
    public HostWall Wall => _wall;

    /// <summary>What may start now may not have before, and a report says how it stands.</summary>
    public void WallChanged()
    {
        _checkup.Ask();
        WakeAll();
    }

    /// <summary>A container lost the GPUs it was given, which happens to all of a host at once: a finding of the next report.</summary>
    public void NoteDevicesTaken(string container) => _checkup.NoteDevicesTaken(container);

    /// <summary>
    /// A call found the engine away: the session asks it, and breaks off where it does not answer. One container that an
    /// engine is stuck on is no reason to begin anew with the others.
    /// </summary>
    public void NoteTrouble() => _troubles.Writer.TryWrite(true);

    public void EnsureDriver(long attemptId)
    {
        if (_drivers.ContainsKey(attemptId))
        {
            return;
        }
        var driver = new AttemptDriver(attemptId, this, _tools, _term);
        if (_drivers.TryAdd(attemptId, (driver, Task.CompletedTask)))
        {
            _drivers[attemptId] = (driver, DriveAsync(attemptId, driver));
        }
    }

    public void WakeWorkload(long workloadId)
    {
        foreach (var (driver, _) in _drivers.Values)
        {
            if (driver.WorkloadId == workloadId)
            {
                driver.Wake();
            }
        }
    }

    public void WakeAll()
    {
        foreach (var (driver, _) in _drivers.Values)
        {
            driver.Wake();
        }
    }

    public async Task RunAsync()
    {
        var ct = _term.Ended;
        var (failures, shortSessions) = (0, 0);
        while (!ct.IsCancellationRequested)
        {
            var began = _tools.Time.GetTimestamp();
            using var session = CancellationTokenSource.CreateLinkedTokenSource(ct);
            try
            {
                await ConnectAsync(session.Token);
                failures = 0;
                await WatchAsync(session);
            }
            catch (Exception e)
                when (e is EngineUnreachableException or EngineException or IOException or ProbeDiedException
                    || DatabaseFaults.IsFault(e)
                )
            {
                _firstLook.TrySetResult();
                await TellLostAsync(e, ++failures);
            }
            finally
            {
                Disconnect();
            }
            // An engine that takes a connection and breaks it off at once is not asked again at full speed
            shortSessions = _tools.Time.GetElapsedTime(began) < s_longestBackoff ? shortSessions + 1 : 0;
            await Task.Delay(Backoff(Math.Max(failures, shortSessions)), _tools.Time, ct);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, run) in _drivers.Values)
        {
            await run.WaitAsync(CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task DriveAsync(long attemptId, AttemptDriver driver)
    {
        await Task.Yield();
        try
        {
            await driver.RunAsync();
        }
        catch (OperationCanceledException) when (_term.Ended.IsCancellationRequested)
        {
            // The term is over
        }
        finally
        {
            _drivers.TryRemove(attemptId, out _);
        }
    }

    private async Task ConnectAsync(CancellationToken ct)
    {
        var info = await Engine.InfoAsync(ct);
        await NoteOutageAsync(info, ct);
        // Before it takes work again: what a fenced host still runs goes first
        var containers = await ListAsync(ct);
        if (!HasLooked)
        {
            await _ledger.FirstLookAsync(containers, ct);
            _hasLooked = true;
            _firstLook.TrySetResult();
        }
        await _tools.Hosts.ReachedAsync(_term, Host.Id, info);
        // Its rules may have gone with the engine: nothing starts before they were seen again
        _wall = new HostWall(this, _tools);
        lock (_gate)
        {
            _connected.TrySetResult();
        }
        Log.Connected(_tools.Logger, Host.Name, info.EngineVersion, info.ApiVersion);
        WakeAll();
    }

    /// <summary>
    /// Our probe runs as long as its engine does. Found dead on a connect, it tells when the engine stopped its containers:
    /// their ends since then are interruptions. Kept before anybody starts the probe again.
    /// </summary>
    private async Task NoteOutageAsync(EngineInfo info, CancellationToken ct)
    {
        if (await FindDeadWitnessAsync(ct) is { FinishedAt: { } stopped } probe)
        {
            await _tools.Hosts.OutageAsync(_term, Host.Id, stopped, info.SystemTime);
            Log.Outage(_tools.Logger, Host.Name, stopped);
            await Engine.RemoveAsync(probe.Id, force: true, ct);
        }
    }

    /// <summary>
    /// Asked before an end is believed: an engine may have stopped its containers and be back before this console, which may
    /// have been frozen meanwhile, hears that its streams broke. Where it is true, the next connect keeps the outage.
    /// </summary>
    public async Task<bool> MayHaveStoppedAsync(CancellationToken ct) => await FindDeadWitnessAsync(ct) is not null;

    private async Task<ContainerReport?> FindDeadWitnessAsync(CancellationToken ct) =>
        await Engine.InspectAsync(_probes.WitnessOf(_tools.InstallId), ct)
            is { State: not ContainerState.Running, FinishedAt: not null } probe
            ? probe
            : null;

    private async Task WatchAsync(CancellationTokenSource session)
    {
        var events = WatchEventsAsync(session.Token);
        var sight = _sight = new ProbeSight();
        var lists = WatchListsAsync(sight, session.Token);
        var probes = _probes.RunAsync(this, sight, _tools, _term, session.Token);
        var wall = _wall.RunAsync(session.Token);
        var checkup = _checkup.RunAsync(sight, session.Token);
        var troubles = WatchTroublesAsync(session.Token);
        var first = await Task.WhenAny(events, lists, probes, wall, checkup, troubles);
        await session.CancelAsync();
        await Task.WhenAll(events, lists, probes, wall, checkup, troubles)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await first;
    }

    private async Task WatchEventsAsync(CancellationToken ct)
    {
        await foreach (var e in Engine.EventsAsync(_tools.InstallId, ct))
        {
            if (Labels.AttemptOf(e.Labels) is { } id && _drivers.TryGetValue(id, out var entry))
            {
                entry.Driver.Wake();
            }
        }
        throw new EngineUnreachableException("the stream of events ended");
    }

    private async Task WatchTroublesAsync(CancellationToken ct)
    {
        while (await _troubles.Reader.ReadAsync(ct))
        {
            await Engine.InfoAsync(ct);
        }
    }

    private async Task WatchListsAsync(ProbeSight sight, CancellationToken ct)
    {
        while (true)
        {
            await Task.Delay(s_listEvery, _tools.Time, ct);
            await _ledger.LookAsync(await ListAsync(ct), sight.View, ct);
            await _tools.Hosts.SeenAsync(_term, Host.Id);
        }
    }

    /// <summary>The full list: makes the drivers that are missing, wakes those that saw something else.</summary>
    public async Task<IReadOnlyList<ContainerSummary>> ListAsync(CancellationToken ct)
    {
        var containers = await Engine.ListAsync(_tools.InstallId, ct);
        var byAttempt = new Dictionary<long, ContainerSummary>();
        foreach (var c in containers)
        {
            Remember(c.Name);
            if (Labels.AttemptOf(c.Labels) is { } id)
            {
                byAttempt[id] = c;
            }
        }
        _byAttempt = byAttempt;
        _listed = true;
        await using var db = await _databases.CreateDbContextAsync(ct);
        var unfinished = await db
            .Attempts.Where(a => a.HostId == Host.Id && !a.ContainerRemoved)
            .Select(a => a.Id)
            .ToListAsync(ct);
        foreach (var id in unfinished)
        {
            EnsureDriver(id);
        }
        foreach (var (id, entry) in _drivers)
        {
            if (entry.Driver.LastSeen != byAttempt.GetValueOrDefault(id)?.State)
            {
                entry.Driver.Wake();
            }
        }
        await RemoveStaleAsync(byAttempt, [.. unfinished], ct);
        await RemoveMeasuresAsync(containers, ct);
        return containers;
    }

    /// <summary>What measured the network between hosts is taken away by whoever made it, unless that ended or a call came late.</summary>
    private async Task RemoveMeasuresAsync(IEnumerable<ContainerSummary> containers, CancellationToken ct)
    {
        foreach (var c in containers)
        {
            if (c.Labels.GetValueOrDefault(Labels.Probe) == PairPlans.Kind && !_tools.Pairs.Uses(c.Name))
            {
                try
                {
                    await Engine.RemoveAsync(c.Id, force: true, ct);
                }
                catch (EngineException e)
                {
                    // The next list finds it again
                    Log.Lost(_tools.Logger, Host.Name, e.Message);
                }
            }
        }
    }

    /// <summary>
    /// A container of an attempt that is over was made by a late call, or is of a time when the machine was given up and taken
    /// out: it goes. One of an attempt that this database never knew, of another host's, or with another spec than the attempt's,
    /// is left alone and told: the database may be an older copy, or somebody else made it.
    /// </summary>
    private async Task RemoveStaleAsync(
        Dictionary<long, ContainerSummary> byAttempt,
        HashSet<long> unfinished,
        CancellationToken ct
    )
    {
        var strangers = byAttempt.Keys.Where(id => !unfinished.Contains(id)).ToArray();
        if (strangers.Length == 0)
        {
            return;
        }
        await using var db = await _databases.CreateDbContextAsync(ct);
        var known = await db
            .Attempts.Where(a =>
                strangers.Contains(a.Id)
                && a.ContainerRemoved
                && (a.HostId == Host.Id || !db.Hosts.Any(h => h.Id == a.HostId))
            )
            .Join(
                db.Workloads,
                a => a.WorkloadId,
                w => w.Id,
                (a, w) =>
                    new
                    {
                        a.Id,
                        a.LeasedAt,
                        w.SpecHash,
                    }
            )
            .ToListAsync(ct);
        var over = known
            .Where(a =>
                LaunchPlan.IsOf(byAttempt[a.Id].Labels, a.Id, a.LeasedAt)
                && byAttempt[a.Id].Labels.GetValueOrDefault(Labels.SpecHash) == a.SpecHash
            )
            .Select(a => a.Id)
            .ToArray();
        foreach (var id in over)
        {
            Log.Stale(_tools.Logger, Host.Name, byAttempt[id].Name);
            await Engine.RemoveAsync(byAttempt[id].Id, force: true, ct);
        }
        var unknown = strangers.Except(over).ToArray();
        foreach (var id in unknown)
        {
            Log.Unknown(_tools.Logger, Host.Name, byAttempt[id].Name, id);
        }
        if (unknown.Length > 0)
        {
            await _tools.Hosts.PassOverIdsAsync(
                _term,
                unknown.Max(),
                unknown.Max(id =>
                    byAttempt[id].Labels.GetValueOrDefault(Labels.Workload) is { } w
                    && long.TryParse(w, CultureInfo.InvariantCulture, out var job)
                        ? job
                        : 0
                )
            );
        }
    }

    private async Task TellLostAsync(Exception e, int failures)
    {
        Log.Lost(_tools.Logger, Host.Name, e.Message);
        // One failed call is not yet an unreachable host
        if (failures < 2 || e is not EngineUnreachableException)
        {
            return;
        }
        try
        {
            await _tools.Hosts.UnreachableAsync(_term, Host.Id, $"the engine does not answer: {e.Message}");
        }
        catch (Exception fault) when (DatabaseFaults.IsFault(fault))
        {
            Log.Lost(_tools.Logger, Host.Name, fault.Message);
        }
    }

    private void Disconnect()
    {
        lock (_gate)
        {
            if (_connected.Task.IsCompleted)
            {
                _connected = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    private static TimeSpan Backoff(int failures)
    {
        var ceiling = Math.Min(s_longestBackoff.TotalMilliseconds, 200 * Math.Pow(2, Math.Min(failures, 10)));
        return TimeSpan.FromMilliseconds(ceiling / 2 + RandomNumberGenerator.GetInt32((int)(ceiling / 2) + 1));
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Host {Host}: connected to engine {Version}, API {Api}")]
        public static partial void Connected(ILogger logger, string host, string version, string api);

        [LoggerMessage(LogLevel.Warning, "Host {Host}: {Error}")]
        public static partial void Lost(ILogger logger, string host, string error);

        [LoggerMessage(LogLevel.Warning, "Host {Host}: its engine stopped its containers at {At}")]
        public static partial void Outage(ILogger logger, string host, DateTimeOffset at);

        [LoggerMessage(LogLevel.Warning, "Host {Host}: removes {Container}, left over from an attempt that is over")]
        public static partial void Stale(ILogger logger, string host, string container);

        [LoggerMessage(
            LogLevel.Error,
            "Host {Host}: {Container} carries attempt {Attempt}, which this database does not know so; it is left alone"
        )]
        public static partial void Unknown(ILogger logger, string host, string container, long attempt);
    }
}
