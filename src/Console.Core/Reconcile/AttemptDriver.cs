using System.Threading.Channels;
using DeepLab.Core.Engines;
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

    /// <summary>Of the end of a log: a traceback of every worker, and some.</summary>
    private const int LinesSearched = 2000;

    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite }
    );
    private AttemptTelemetry? _telemetry;

    public long AttemptId => attemptId;

    public long WorkloadId { get; private set; }

    /// <summary>What the engine showed last; the full list wakes a driver that saw something else.</summary>
    public ContainerState? LastSeen { get; private set; }

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
            && !read.StopWanted
            && host.Knows(a.ContainerName) is false
                ? null
                : await host.Engine.InspectAsync(a.ContainerName, ct);
        LastSeen = seen?.State;
        var isOurs = LaunchPlan.IsOurs(seen, tools.InstallId, attemptId, w.SpecHash);
        if (_telemetry is { IsBroken: true })
        {
            await _telemetry.DisposeAsync();
            _telemetry = null;
        }
        if (seen is { StartedAt: not null } && isOurs && !a.LogArchived)
        {
            _telemetry ??= tools.Telemetry.Start(host, read, seen.Id, term);
        }
        switch (AttemptSteps.Next(read.Facts, seen, isOurs))
        {
            case Step.Create:
                await CreateAsync(read, ct);
                break;
            case Step.Start:
                await StartAsync(read, seen!.Id, ct);
                break;
            case Step.Cancel:
                await EndUnstartedAsync(read, null);
                break;
            case Step.Discard:
                await host.Engine.RemoveAsync(seen!.Id, force: true, ct);
                await EndUnstartedAsync(read, seen.Id);
                break;
            case Step.NoteRunning:
                await tools.Writes.RunningAsync(term, attemptId, seen!.Id, seen.StartedAt!.Value);
                tools.Failpoints.Hit(Failpoints.AfterRunningSaved);
                break;
            case Step.Stop:
                await tools.Writes.StopIntentAsync(term, attemptId);
                tools.Failpoints.Hit(Failpoints.AfterStopIntent);
                await host.Engine.StopAsync(seen!.Id, s_stopGrace, ct);
                tools.Failpoints.Hit(Failpoints.AfterStopSent);
                break;
            case Step.Evict:
                await host.Engine.StopAsync(seen!.Id, s_stopGrace, ct);
                break;
            case Step.Watch:
                await WaitAsync(s_look, ct);
                break;
            case Step.NoteExit:
                await NoteExitAsync(read, seen!, ct);
                break;
            case Step.NoteLost:
                await tools.Writes.EndedAsync(
                    term,
                    attemptId,
                    AttemptState.Lost,
                    (_, _) => (Reason.ContainerLost, "its container was removed from the engine by somebody else")
                );
                break;
            case Step.NameTaken:
                await tools.Writes.EndedAsync(
                    term,
                    attemptId,
                    AttemptState.Exited,
                    (_, _) =>
                        (
                            Reason.CreateFailed,
                            $"a container that is not ours has the name {a.ContainerName}; it was left alone"
                        )
                );
                break;
            case Step.Archive:
                await ArchiveAsync(read, ct);
                break;
            case Step.Remove:
                await host.Engine.RemoveAsync(seen!.Id, force: true, ct);
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

    private async Task CreateAsync(AttemptRead read, CancellationToken ct)
    {
        var files = await tools.Files.FindAsync(read.Spec, ct);
        if (files.Missing is { } missing)
        {
            await FailAsync(Reason.CodeMissing, missing);
            return;
        }
        var mounts = await tools.Mounts.FindAsync(tools.InstallId, read.Spec, ct);
        if (mounts.Missing is { } volume)
        {
            await FailAsync(Reason.VolumeMissing, volume);
            return;
        }
        var image = await tools.Images.ResolveAsync(read.Spec.Image, ct);
        var plan = LaunchPlan.Make(
            tools.InstallId,
            read.Workload,
            read.Spec,
            read.Attempt,
            image,
            files.ScriptCommand,
            read.Gpus,
            mounts.Mounts
        );
        tools.Failpoints.Hit(Failpoints.BeforeCreate);
        try
        {
            await tools.Networks.EnsureAsync(read.Workload, ct);
            var id = await CreateWithImageAsync(plan, ct);
            if (id is null)
            {
                return;
            }
            tools.Failpoints.Hit(Failpoints.AfterCreate);
            await StartAsync(read, id, ct);
        }
        catch (EngineException e) when (e.Kind == EngineErrorKind.NameTaken)
        {
            // A create whose reply was lost, or a foreign container: the next look tells
            host.Remember(plan.Name);
        }
        catch (EngineException e)
        {
            await FailAsync(
                e.Kind switch
                {
                    EngineErrorKind.ImageNotFound => Reason.ImageNotFound,
                    EngineErrorKind.DiskFull => Reason.DiskFull,
                    _ => Reason.CreateFailed,
                },
                $"the engine refused to create its container: {mounts.InWords(e.Message)}"
            );
        }
    }

    /// <summary>Creates at once, and pulls only where the engine says that it lacks the image. Null where the pull failed.</summary>
    private async Task<string?> CreateWithImageAsync(ContainerPlan plan, CancellationToken ct)
    {
        try
        {
            return await host.Engine.CreateAsync(plan, ct);
        }
        catch (EngineException e) when (e.Kind == EngineErrorKind.ImageNotFound)
        {
            if (!await ImagePull.RunAsync(this, host, tools, term, plan.Image, ct))
            {
                return null;
            }
            return await host.Engine.CreateAsync(plan, ct);
        }
    }

    private async Task StartAsync(AttemptRead read, string containerId, CancellationToken ct)
    {
        try
        {
            var mounts = await tools.Mounts.FindAsync(tools.InstallId, read.Spec, ct);
            await tools.Files.PutAsync(host.Engine, containerId, read.Spec, mounts.Owned, ct);
            tools.Failpoints.Hit(Failpoints.AfterCode);
            await host.Engine.StartAsync(containerId, ct);
            host.Remember(read.Attempt.ContainerName);
            LastSeen = ContainerState.Running;
            tools.Failpoints.Hit(Failpoints.AfterStart);
        }
        catch (EngineException e)
        {
            var reason = e.Kind switch
            {
                EngineErrorKind.CommandNotFound => Reason.CommandNotFound,
                EngineErrorKind.CommandNotExecutable => Reason.CommandNotExecutable,
                EngineErrorKind.DiskFull => Reason.DiskFull,
                _ => Reason.StartFailed,
            };
            host.Remember(read.Attempt.ContainerName);
            await FailAsync(reason, $"its container did not start: {e.Message}", containerId);
        }
    }

    private async Task NoteExitAsync(AttemptRead read, ContainerReport seen, CancellationToken ct)
    {
        tools.Failpoints.Hit(Failpoints.BeforeExitSaved);
        var outage = seen.FinishedAt is { } at && await tools.Hosts.WasOutageAsync(read.Attempt.HostId, at, ct);
        await tools.Writes.EndedAsync(
            term,
            attemptId,
            AttemptState.Exited,
            (w, a) =>
            {
                var stopped =
                    a.StopSentAt is not null
                    || (w.Desired == DesiredState.Stop && w.StopRequestedAt <= seen.FinishedAt);
                var role = read.Spec.RoleOf(a.ReplicaName);
                var told = ExitDiagnosis.Explain(
                    new ExitFacts(
                        seen.ExitCode,
                        seen.OomKilled,
                        seen.Error,
                        seen.StartedAt is not null,
                        stopped,
                        outage,
                        role.Resources.Memory
                    )
                );
                return told.Reason == Reason.StoppedByUser ? StopOf(w, told.Message) : told;
            },
            seen.Id,
            seen.ExitCode,
            seen.OomKilled,
            seen.StartedAt,
            seen.FinishedAt
        );
        tools.Failpoints.Hit(Failpoints.AfterExitSaved);
    }

    private async Task ArchiveAsync(AttemptRead read, CancellationToken ct)
    {
        if (_telemetry is null)
        {
            await tools.Writes.ArchivedAsync(
                term,
                attemptId,
                read.Attempt.StartedAt is null
                    ? "nothing to archive: it never ran"
                    : "its container was gone before its log was read to the end"
            );
        }
        else
        {
            var (lines, notices) = await _telemetry.CompleteAsync(ct);
            await tools.Writes.ArchivedAsync(
                term,
                attemptId,
                string.Join("; ", [$"log archived, {lines} {(lines == 1 ? "line" : "lines")}", .. notices]),
                await FindingsAsync(read.Attempt, ct)
            );
            await _telemetry.DisposeAsync();
            _telemetry = null;
        }
        tools.Failpoints.Hit(Failpoints.AfterArchive);
    }

    /// <summary>What the last lines of a log tell of why its program failed; what ended well or on request is not asked.</summary>
    private async Task<IReadOnlyList<LogFinding>> FindingsAsync(Attempt a, CancellationToken ct)
    {
        if (a.Reason is Reason.Completed or Reason.StoppedByUser or Reason.SiblingFailed or Reason.Preempted)
        {
            return [];
        }
        var cursor = await tools.Logs.FindCursorAsync(attemptId, ct);
        if (cursor is null)
        {
            return [];
        }
        var lines = await tools.Logs.ReadAsync(attemptId, Math.Max(0, cursor.Next - LinesSearched), LinesSearched, ct);
        return LogFindings.In(lines.Where(l => !l.IsGap).Select(l => (l.Number, l.Text)));
    }

    private Task EndUnstartedAsync(AttemptRead read, string? containerId) =>
        tools.Writes.EndedAsync(
            term,
            attemptId,
            AttemptState.Exited,
            (w, _) => StopOf(w, "it was stopped before it started"),
            containerId
        );

    private static (Reason, string) StopOf(Workload w, string message) =>
        w.Desired switch
        {
            DesiredState.Stop => (Reason.StoppedByUser, message),
            DesiredState.Requeue => (w.RequeueReason, message),
            _ => (Reason.SiblingFailed, "was stopped because another replica failed"),
        };

    internal Task FailAsync(Reason reason, string message, string? containerId = null) =>
        tools.Writes.EndedAsync(term, attemptId, AttemptState.Exited, (_, _) => (reason, message), containerId);

    internal Task SayAsync(Reason reason, string message, bool asEvent) =>
        tools.Writes.CreatingAsync(term, attemptId, reason, message, asEvent);

    internal async Task<bool> IsStopWantedAsync(CancellationToken ct) =>
        (await tools.Writes.ReadAsync(attemptId, ct)).StopWanted;

    /// <summary>Waits for a wake-up, or no longer than <paramref name="patience"/>.</summary>
    internal async Task WaitAsync(TimeSpan patience, CancellationToken ct)
    {
        using var timeout = new CancellationTokenSource(patience, tools.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        try
        {
            await _wake.Reader.ReadAsync(both.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            // Patience ran out: look again
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
