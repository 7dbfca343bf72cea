using System.Threading.Channels;
using DeepLab.Core.Engines;
using DeepLab.Core.Reconcile.Pairs;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Walks one attempt from its lease to its removed container: reads the row, looks at the engine, takes the one step
/// that follows, and looks again. After any crash another driver goes on from whatever it finds.
/// </summary>
internal sealed partial class AttemptDriver(long attemptId, HostWorker host, DriverTools tools, LeaderTerm term)
{
    private static readonly TimeSpan s_stopGrace = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(60);

    /// <summary>What a name takes from one host of a Swarm to all others, with some to spare.</summary>
    private static readonly TimeSpan s_gossip = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_longestBackoff = TimeSpan.FromSeconds(30);

    /// <summary>An engine that is busy for a second is no news.</summary>
    private const int RefusalsUntold = 4;

    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite }
    );
    private AttemptTelemetry? _telemetry;
    private NetworkWait? _network;
    private EnvironmentWatch? _environment;

    /// <summary>As it was told last; null where another driver may have told.</summary>
    private IReadOnlyList<AttemptNote>? _drift;

    /// <summary>Times that the engine did not end or remove the container as asked.</summary>
    private int _refusals;
    private bool _removalAsked;

    public long AttemptId => attemptId;

    public long WorkloadId { get; private set; }

    private NetworkWait Network => _network ??= new NetworkWait(this, host, tools);

    /// <summary>What the engine showed last; the full list wakes a driver that saw something else.</summary>
    public ContainerState? LastSeen { get; private set; }

    /// <summary>
    /// The container that was seen started, or was asked to start so that it may have: no second one is made for this attempt,
    /// and one that is gone was removed by somebody else.
    /// </summary>
    private (string ContainerId, DateTimeOffset At)? _started;

    /// <summary>Whom its container was told of last, once all had started, and until when it is told of changes.</summary>
    private IReadOnlyList<string>? _others;
    private DateTimeOffset? _othersUntil;

    /// <summary>Until when its program may wait for a look at the network; null before it waits.</summary>
    private DateTimeOffset? _measuredBy;

    /// <summary>Its image has no shell: nothing can hold it.</summary>
    private bool _hasNoShell;

    public void Wake()
    {
        _wake.Writer.TryWrite(true);
        _telemetry?.Nudge();
    }

    public async Task RunAsync()
    {
        var ct = term.Ended;
        try
        {
            while (!ct.IsCancellationRequested)
            {
                try
                {
                    if (!await AdvanceAsync(ct))
                    {
                        return;
                    }
                }
                catch (EngineUnreachableException e)
                {
                    Log.Unreachable(tools.Logger, attemptId, e.Message);
                    host.NoteTrouble();
                    await WaitAsync(s_retry, ct);
                }
                catch (Exception e) when (DatabaseFaults.IsFault(e))
                {
                    Log.NoDatabase(tools.Logger, attemptId, e.Message);
                    await WaitAsync(s_retry, ct);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    // One broken attempt must not end the loop of the others: told, and tried again
                    Log.Broken(tools.Logger, e, attemptId);
                    await WaitAsync(TimeSpan.FromSeconds(5), ct);
                }
            }
        }
        finally
        {
            if (_telemetry is not null)
            {
                await _telemetry.DisposeAsync();
            }
        }
    }

    /// <summary>One look and one step. False when there is nothing left to do, ever.</summary>
    private async Task<bool> AdvanceAsync(CancellationToken ct)
    {
        await host.WhenConnectedAsync(ct);
        var read = await tools.Writes.ReadAsync(attemptId, ct);
        WorkloadId = read.Workload.Id;
        var (a, w) = (read.Attempt, read.Workload);
        // A fresh lease has no container: creating it finds out, and saves the launch a call
        var seen =
            a.State == AttemptState.Leased
            && LastSeen is null
            && _started is null
            && !read.StopWanted
            && host.Knows(a.ContainerName) is false
            && host.ContainerOf(attemptId) is null
                ? null
                : await LookAsync(a, ct);
        LastSeen = seen?.State;
        var isOurs = LaunchPlan.IsOurs(seen, tools.InstallId, a, w.SpecHash);
        if (isOurs && seen is { StartedAt: { } at })
        {
            _started = (seen.Id, at);
        }
        if (_telemetry is { IsBroken: true })
        {
            await _telemetry.DisposeAsync();
            _telemetry = null;
        }
        if (seen is { StartedAt: not null } && isOurs && !a.LogArchived)
        {
            _telemetry ??= tools.Telemetry.Start(host, read, seen.Id, term);
        }
        switch (AttemptSteps.Next(read.Facts with { HasStarted = _started is not null }, seen, isOurs))
        {
            case Step.Create or Step.Start when !host.Wall.View.IsOpen:
                await AwaitWallAsync(read, ct);
                break;
            case Step.Create when a.NotBefore - tools.Time.GetUtcNow() is { Ticks: > 0 } pause:
                await WaitAsync(pause, ct);
                break;
            case Step.Create:
                await CreateAsync(read, ct);
                break;
            case Step.Start:
                await StartAsync(read, seen!.Id, await tools.Mounts.FindAsync(tools.InstallId, read.Spec, ct), ct);
                break;
            case Step.Cancel:
                await EndUnstartedAsync(read, null);
                break;
            case Step.Discard:
                if (await IsDoneAsync(() => host.Engine.RemoveAsync(seen!.Id, force: true, ct), "removed", ct))
                {
                    await EndUnstartedAsync(read, seen!.Id);
                }
                break;
            case Step.AwaitGone:
                await WaitAsync(s_retry, ct);
                break;
            case Step.NoteRunning:
                await tools.Writes.RunningAsync(term, attemptId, seen!.Id, seen.StartedAt!.Value, seen.ImageId);
                _drift ??= Drift.None;
                tools.Failpoints.Hit(Failpoints.AfterRunningSaved);
                break;
            case Step.Stop:
                await tools.Writes.StopIntentAsync(term, attemptId);
                tools.Failpoints.Hit(Failpoints.AfterStopIntent);
                await IsDoneAsync(() => host.Engine.StopAsync(seen!.Id, s_stopGrace, ct), "ended", ct);
                tools.Failpoints.Hit(Failpoints.AfterStopSent);
                break;
            case Step.Evict:
                await IsDoneAsync(() => host.Engine.StopAsync(seen!.Id, s_stopGrace, ct), "ended", ct);
                break;
            case Step.Watch:
                if (
                    Muster.IsFor(read.Spec)
                    && w.State != WorkloadState.Starting
                    && (
                        !await IsNetworkMeasuredAsync(w, a, ct)
                        || !await IsDoneAsync(() => TellOthersAsync(read, seen!.Id, ct), "told of the others", ct)
                    )
                )
                {
                    break;
                }
                await TellDriftAsync(read, seen!);
                await WaitAsync(await PauseAsync(read, ct), ct);
                break;
            case Step.NoteExit:
                await NoteExitAsync(read, seen!, ct);
                break;
            case Step.NoteLost:
                await EndAsync(
                    AttemptState.Lost,
                    (_, _) => (Reason.ContainerLost, "its container was removed from the engine by somebody else"),
                    _started?.ContainerId,
                    startedAt: _started?.At
                );
                break;
            case Step.NameTaken:
                await EndAsync(
                    AttemptState.Exited,
                    (_, _) =>
                        (
                            Reason.NameTaken,
                            $"found a container that is not ours under its name, {a.ContainerName}, and left it alone"
                        )
                );
                break;
            case Step.Archive:
                await ArchiveAsync(read, ct);
                break;
            case Step.Remove:
                await RemoveAsync(seen!, ct);
                tools.Failpoints.Hit(Failpoints.AfterRemove);
                break;
            case Step.NoteRemoved:
                await tools.Writes.RemovedAsync(term, attemptId);
                break;
            case Step.Done:
                return false;
        }
        return true;
    }

    /// <summary>By its id where one is known: somebody may have renamed it. By its name after a lost reply.</summary>
    private async Task<ContainerReport?> LookAsync(Attempt a, CancellationToken ct)
    {
        if (
            (a.ContainerId ?? host.ContainerOf(attemptId)) is { } id
            && await host.Engine.InspectAsync(id, ct) is { } known
        )
        {
            return known;
        }
        return a.ContainerId is null ? await host.Engine.InspectAsync(a.ContainerName, ct) : null;
    }

    /// <summary>Until it is to be looked at again; an environment's doors and its idleness are looked at first.</summary>
    private async Task<TimeSpan> PauseAsync(AttemptRead read, CancellationToken ct)
    {
        if (read.Spec.Environment is not { } environment)
        {
            return s_look;
        }
        _environment ??= new EnvironmentWatch(this, host, tools, term);
        try
        {
            return await _environment.LookAsync(read, environment, ct);
        }
        catch (EngineException e)
        {
            await NoteRefusalAsync("looked at", e.Message, ct);
            return s_retry;
        }
    }

    private async Task TellDriftAsync(AttemptRead read, ContainerReport seen)
    {
        if (
            seen.State == ContainerState.Paused
            && await tools.Environments.IsBeingKeptAsync(attemptId, tools.Time.GetUtcNow(), term.Ended)
        )
        {
            return;
        }
        var drift = Drift.Of(seen, read.Attempt, read.Spec.RoleOf(read.Attempt.ReplicaName).Resources);
        if (_drift is null || !drift.SequenceEqual(_drift))
        {
            await tools.Writes.TellAsync(term, attemptId, drift);
            _drift = drift;
        }
    }

    /// <summary>False while the network between the round's hosts is measured: look again, a stop may be wanted meanwhile.</summary>
    private async Task<bool> IsNetworkMeasuredAsync(Workload w, Attempt a, CancellationToken ct)
    {
        if (_others is not null || w.NetworkName is null || w.HostNames.Length < 2)
        {
            return true;
        }
        var measured = tools.Pairs.Of(term, w, a.Round);
        if (_measuredBy is null)
        {
            _measuredBy = tools.Time.GetUtcNow() + PairChecks.Longest;
            _ = WakeAfterAsync(measured);
        }
        if (measured.IsCompleted || tools.Time.GetUtcNow() > _measuredBy)
        {
            return true;
        }
        await WaitAsync(PairChecks.Longest, ct);
        return measured.IsCompleted;
    }

    private async Task WakeAfterAsync(Task measured)
    {
        await measured;
        Wake();
    }

    /// <summary>
    /// All of its round have started: who of them runs is for its program to find. It hears of those that end meanwhile: they have
    /// no name any more. After a crash it is told again.
    /// </summary>
    private async Task TellOthersAsync(AttemptRead read, string containerId, CancellationToken ct)
    {
        if (tools.Time.GetUtcNow() > _othersUntil)
        {
            return;
        }
        if (_others is null && read.Workload.HostNames.Length > 1)
        {
            // The name of one that ends at once would be gone before others had it
            await Task.Delay(s_gossip, tools.Time, ct);
        }
        var running = await tools.Writes.RunningBesideAsync(read.Attempt, ct);
        if (_others?.SequenceEqual(running) == true)
        {
            return;
        }
        await tools.Files.PutAsync(
            host.Engine,
            containerId,
            read.Spec with
            {
                Code = null,
                Script = null,
            },
            [],
            [Muster.Told(running)],
            ct
        );
        _others = running;
        _othersUntil ??= tools.Time.GetUtcNow() + Muster.Longest;
    }

    internal Task FailAsync(Reason reason, string message, string? containerId = null) =>
        EndAsync(AttemptState.Exited, (_, _) => (reason, message), containerId);

    /// <param name="pull">how far the pull of its image is, 0-1</param>
    internal Task SayAsync(Reason reason, string message, bool asEvent, double? pull = null) =>
        tools.Writes.CreatingAsync(term, attemptId, reason, message, asEvent, pull);

    internal async Task<bool> IsStopWantedAsync(CancellationToken ct) =>
        (await tools.Writes.ReadAsync(attemptId, ct)).StopWanted;

    /// <summary>Waits for a wake-up, or no longer than <paramref name="patience"/>. Answers whether it was woken.</summary>
    internal async Task<bool> WaitAsync(TimeSpan patience, CancellationToken ct)
    {
        if (patience <= TimeSpan.Zero)
        {
            return false;
        }
        using var timeout = new CancellationTokenSource(patience, tools.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        try
        {
            await _wake.Reader.ReadAsync(both.Token);
            return true;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            // Patience ran out: look again
            return false;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Attempt {Attempt}: its engine does not answer: {Error}")]
        public static partial void Unreachable(ILogger logger, long attempt, string error);

        [LoggerMessage(LogLevel.Warning, "Attempt {Attempt}: the database does not answer: {Error}")]
        public static partial void NoDatabase(ILogger logger, long attempt, string error);

        [LoggerMessage(LogLevel.Error, "Attempt {Attempt}: a step failed; it is tried again")]
        public static partial void Broken(ILogger logger, Exception e, long attempt);
    }
}
