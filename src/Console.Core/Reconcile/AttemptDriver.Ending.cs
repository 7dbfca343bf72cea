using DeepLab.Core.Engines;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>From a container that ended, or must, to none.</summary>
internal sealed partial class AttemptDriver
{
    /// <summary>Of the end of a log: a traceback of every worker, and some.</summary>
    private const int LinesSearched = 2000;

    /// <summary>A probe that is found dead so often ended alone, and cannot be started again.</summary>
    private const int MostDoubts = 20;
    private int _doubts;

    private async Task NoteExitAsync(AttemptRead read, ContainerReport seen, CancellationToken ct)
    {
        if (seen.StartedAt is null && read.Spec.Environment is not null && PortErrors.SaysTaken(seen.Error))
        {
            await MovePortsAsync(seen.Id, seen.Error, ct);
            return;
        }
        if (_doubts < MostDoubts && await host.MayHaveStoppedAsync(ct))
        {
            _doubts++;
            await WaitAsync(s_retry, ct);
            return;
        }
        tools.Failpoints.Hit(Failpoints.BeforeExitSaved);
        var outage = seen.FinishedAt is { } at && await tools.Hosts.WasOutageAsync(read.Attempt.HostId, at, ct);
        var gpuTrouble = outage ? null : await GpuAutopsy.WhyAsync(host, tools, read, seen, ct);
        await EndAsync(
            AttemptState.Exited,
            (w, a) =>
            {
                var stopped =
                    a.StopSentAt is not null
                    || (w.Desired == DesiredState.Stop && w.StopRequestedAt <= seen.FinishedAt);
                if (
                    !stopped
                    && read.Spec.Environment is not null
                    && EnvironmentFiles.Explain(seen.ExitCode) is { } lacks
                )
                {
                    return (Reason.CommandNotFound, lacks);
                }
                if (!stopped && read.Spec.Topology == Topology.Mpi && seen.ExitCode == MpiFiles.NoSsh)
                {
                    return (Reason.CommandNotFound, "its image has no ssh and sshd, which MPI starts its ranks by");
                }
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
                    {
                        GpuTrouble = gpuTrouble,
                    }
                );
                return told.Reason == Reason.StoppedByUser ? StopOf(w, told.Message) : told;
            },
            seen.Id,
            seen.ExitCode,
            seen.OomKilled,
            seen.StartedAt,
            seen.FinishedAt,
            imageId: seen.ImageId
        );
        tools.Failpoints.Hit(Failpoints.AfterExitSaved);
    }

    /// <summary>Records an end that was seen on the host, and drives the attempt that takes its place there, if one does.</summary>
    private async Task EndAsync(
        AttemptState state,
        Func<Workload, Attempt, (Reason Reason, string Message)> explain,
        string? containerId = null,
        int? exitCode = null,
        bool oomKilled = false,
        DateTimeOffset? startedAt = null,
        DateTimeOffset? endedAt = null,
        string? imageId = null
    )
    {
        var next = await tools.Writes.EndedAsync(
            term,
            attemptId,
            state,
            explain,
            containerId,
            exitCode,
            oomKilled,
            startedAt,
            endedAt,
            imageId: imageId
        );
        // Where the answer is lost, the host's list finds it
        if (next is { } leased)
        {
            host.EnsureDriver(leased.AttemptId);
        }
    }

    private async Task ArchiveAsync(AttemptRead read, CancellationToken ct)
    {
        await LookBackAsync(read, ct);
        if (_telemetry is null)
        {
            const string Gone = "its container was gone before its log was read to the end";
            var hasGap = read.Attempt.MayHaveRun && await tools.Telemetry.CloseLogAsync(attemptId, Gone, ct);
            await tools.Writes.ArchivedAsync(
                term,
                attemptId,
                !read.Attempt.MayHaveRun ? "nothing to archive: it never ran"
                    : hasGap ? Gone
                    : "log archived"
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

    /// <summary>False where the engine refused: a pause, longer each time, has gone by.</summary>
    private async Task<bool> IsDoneAsync(Func<Task> ask, string what, CancellationToken ct)
    {
        try
        {
            await ask();
            return true;
        }
        catch (EngineException e)
        {
            await NoteRefusalAsync(what, e.Message, ct);
            return false;
        }
    }

    /// <summary>An engine that is at it already answers a second removal as if it were done: only a look tells that it is.</summary>
    private async Task RemoveAsync(ContainerReport seen, CancellationToken ct)
    {
        if (_removalAsked || seen.State == ContainerState.Removing)
        {
            await NoteRefusalAsync("removed", "the engine has not finished removing it", ct);
        }
        _removalAsked = await IsDoneAsync(() => host.Engine.RemoveAsync(seen.Id, force: true, ct), "removed", ct);
    }

    private async Task NoteRefusalAsync(string what, string why, CancellationToken ct)
    {
        if (++_refusals == RefusalsUntold)
        {
            AttemptNote note = new("cleanup-pending", $"its container cannot be {what} yet, and is tried again: {why}");
            await tools.Writes.TellAsync(term, attemptId, [note]);
        }
        await WaitAsync(Backoff.After(_refusals, s_longestBackoff), ct);
    }

    /// <summary>What the last lines of a log tell of why its program failed; what ended well or on request is not asked.</summary>
    private async Task<IReadOnlyList<LogFinding>> FindingsAsync(Attempt a, CancellationToken ct)
    {
        if (
            a.Reason
            is Reason.Completed
                or Reason.StoppedByUser
                or Reason.SiblingFailed
                or Reason.NoLongerNeeded
                or Reason.Preempted
                or Reason.Growing
        )
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
            _ when w.Reason == Reason.NoLongerNeeded => (w.Reason, "was stopped once all that decide had succeeded"),
            _ => (Reason.SiblingFailed, "was stopped because another replica failed"),
        };
}
