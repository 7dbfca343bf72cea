using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// A workload's state follows from its replicas' attempts of the present round. Runs inside the transaction that changed
/// an attempt.
/// </summary>
public static class Rollup
{
    /// <summary>Moves the workload where its attempts say it is, with one event a move.</summary>
    /// <param name="attempts">of the present round: the last of each replica says where it is</param>
    /// <param name="hosts">names of the round's hosts, where it spans several</param>
    public static void Apply(
        ConsoleDb db,
        Workload w,
        IReadOnlyList<Attempt> attempts,
        JobSpec spec,
        IReadOnlyDictionary<Guid, string> hosts,
        DateTimeOffset now
    )
    {
        if (w.State.IsTerminal() || attempts.Count == 0)
        {
            return;
        }
        var round = LastOfEach(attempts);
        var done = w.Desired != DesiredState.Stop && IsDone(round, spec);
        // Whatever befell the others since: those that the job needs have succeeded
        var failure = done ? null : round.Where(IsFailure).OrderBy(a => a.EndedAt).FirstOrDefault();
        if (round.All(a => a.State.IsTerminal()))
        {
            var before = FirstToGo(attempts.Except(round), hosts);
            End(db, w, round, failure, failure is null ? "" : Who(failure, hosts), before, spec, now);
            return;
        }
        var ending = w.Desired != DesiredState.Run || done || (failure is not null && spec.Topology != Topology.Array);
        if (ending)
        {
            if (w.State is WorkloadState.Starting or WorkloadState.Running)
            {
                var (reason, message) =
                    w.Desired != DesiredState.Run ? StopReason(w)
                    : done ? (Reason.NoLongerNeeded, "all that decide ended with exit code 0; the others are stopped")
                    : (
                        Reason.SiblingFailed,
                        $"{Who(failure!, hosts)} ended: {failure!.Message}; the others are stopped"
                    );
                Move(db, w, WorkloadState.Stopping, "stopping", reason, message, now);
            }
            return;
        }
        if (w.State == WorkloadState.Starting && round.All(a => a.State is AttemptState.Running or AttemptState.Exited))
        {
            if (
                spec.Environment is { Jupyter: true } or { IsBoard: true }
                && round.Any(a => a is { State: AttemptState.Running, ReadyAt: null })
            )
            {
                var (reason, what) = spec.Environment.IsBoard
                    ? (Reason.WaitingForTensorBoard, "waits for TensorBoard")
                    : (Reason.WaitingForJupyter, "waits for Jupyter");
                if (w.Reason != reason)
                {
                    w.Reason = reason;
                    w.Message = what;
                    db.AddEvent(w, now, "console", "waiting", w.Reason, w.Message);
                }
                return;
            }
            w.StartedAt ??= round.Min(a => a.StartedAt);
            w.Deadline ??= round.Min(a => Began(a, now)) + spec.MaxDuration;
            Move(db, w, WorkloadState.Running, "running", Reason.StartedRunning, $"runs on {w.HostName}", now);
        }
        else if (
            w is { State: WorkloadState.Running, Reason: Reason.RestartRequested }
            && round.All(a => a.State is AttemptState.Running || a.State.IsTerminal())
        )
        {
            w.Reason = Reason.StartedRunning;
            w.Message = $"runs on {w.HostName}{FirstToGo(attempts.Except(round), hosts)}";
            db.Tell(Feeds.ChangeKind.Workload, w.Id);
        }
    }

    /// <summary>Of each replica, the attempt that counts.</summary>
    public static IReadOnlyList<Attempt> LastOfEach(IEnumerable<Attempt> attempts) =>
        [.. attempts.GroupBy(a => a.ReplicaName, (_, of) => of.MaxBy(a => a.Number)!)];

    /// <summary>All that the job needs have succeeded.</summary>
    public static bool IsDone(IReadOnlyList<Attempt> round, JobSpec spec) =>
        round.All(a => a.Reason == Reason.Completed || !spec.Decides(a.ReplicaName));

    /// <summary>It ended, neither well nor for another's sake.</summary>
    public static bool IsFailure(Attempt a) =>
        a.State.IsTerminal() && a.Reason is not (Reason.Completed or Reason.SiblingFailed or Reason.NoLongerNeeded);

    /// <summary>Who was started again in place first, and why; empty where nobody was.</summary>
    private static string FirstToGo(IEnumerable<Attempt> replaced, IReadOnlyDictionary<Guid, string> hosts)
    {
        var all = replaced.OrderBy(a => a.EndedAt).ToArray();
        return all.Length == 0
            ? ""
            : $"; {Who(all[0], hosts)} {all[0].Message} and was started again alone"
                + (all.Length > 1 ? $", the first of {all.Length}" : "");
    }

    /// <summary>The engine's word for when it started, as far as it can be: its clock may be wrong, and a limit runs by ours.</summary>
    private static DateTimeOffset? Began(Attempt attempt, DateTimeOffset now) =>
        attempt.StartedAt is not { } told ? null
        : told > now ? now
        : told < attempt.LeasedAt ? attempt.LeasedAt
        : told;

    public static (Reason Reason, string Message) StopReason(Workload w) =>
        w.Desired == DesiredState.Requeue
            ? (
                w.RequeueReason,
                w.RequeueReason switch
                {
                    Reason.HostDrained => "its host is drained",
                    Reason.Growing => "it goes on with more replicas",
                    Reason.RestartRequested => $"{w.StopRequestedBy} asked to start it anew",
                    _ => "another job has its place",
                }
            )
        : w.StopRequestedBy == IdleActor ? (Reason.IdleCulled, "nobody used it for as long as it may be idle")
        : w.StopRequestedBy == MaxDurationActor ? (Reason.MaxDurationReached, "it ran for its longest allowed duration")
        : (Reason.StoppedByUser, $"{w.StopRequestedBy} asked to stop it");

    /// <summary>How a workload ends that was to stop, wherever it was by then: one that is over its limit did not do what it was for.</summary>
    public static WorkloadState StopEnd(Reason reason) =>
        reason == Reason.MaxDurationReached ? WorkloadState.Failed : WorkloadState.Stopped;

    /// <summary>Who asked for a stop when nobody did: the job's own limit.</summary>
    public const string MaxDurationActor = "console (max duration)";

    /// <summary>Who asked for a stop when nobody did: an environment's idleness.</summary>
    public const string IdleActor = "console (idle)";

    private static void End(
        ConsoleDb db,
        Workload w,
        IReadOnlyList<Attempt> round,
        Attempt? failure,
        string who,
        string before,
        JobSpec spec,
        DateTimeOffset now
    )
    {
        w.StartedAt ??= round.Min(a => a.StartedAt);
        var endless = spec.Environment is not null;
        if (w.Desired == DesiredState.Stop && (failure is not null || endless))
        {
            var (reason, message) = StopReason(w);
            Finish(db, w, StopEnd(reason), reason, message, now);
        }
        else if (failure is null && endless && w.Desired == DesiredState.Run)
        {
            // It has no end of its own: somebody ended its program, maybe in Jupyter's own menu
            Finish(db, w, WorkloadState.Stopped, Reason.Completed, "its program was ended from within", now);
        }
        else if (failure is null && !endless)
        {
            // Attempts that never ran cannot be Completed: all that decide ended by themselves with exit code 0
            Finish(db, w, WorkloadState.Succeeded, Reason.Completed, Completed(round, spec) + before, now);
        }
        else if (w.Desired == DesiredState.Requeue)
        {
            if (w.RequeueReason is not (Reason.RestartRequested or Reason.Growing))
            {
                w.Preemptions++;
            }
            var (reason, message) = StopReason(w);
            var next = reason == Reason.Growing ? "" : "; it waits for another";
            Requeue(db, w, round, spec, reason, message + next, now);
        }
        else if (Restart.After(w, spec, failure!.Reason) is { } restart)
        {
            restart.Charge(w);
            w.NotBefore = now + restart.Pause;
            Requeue(
                db,
                w,
                round,
                spec,
                restart.IsInterruption ? failure.Reason : Reason.RestartRequested,
                $"{who} {failure.Message}; {restart.InWords}",
                now
            );
        }
        else
        {
            var whose = round.Count > 1 ? $"{who}: " : "";
            Finish(
                db,
                w,
                WorkloadState.Failed,
                failure.Reason,
                spec.Topology == Topology.Array ? FailedTasks(round, spec) : whose + failure.Message,
                now
            );
        }
    }

    private static string Who(Attempt a, IReadOnlyDictionary<Guid, string> hosts) =>
        hosts.TryGetValue(a.HostId, out var host) ? $"{a.ReplicaName} on {host}" : a.ReplicaName;

    /// <summary>The loop's own wish: end what runs, and take a place in the queue again. Never counted as a failure.</summary>
    public static void AskToRequeue(ConsoleDb db, Workload w, Reason reason, string message, DateTimeOffset now)
    {
        w.Desired = DesiredState.Requeue;
        w.RequeueReason = reason;
        w.StopRequestedAt = now;
        db.AddEvent(w, now, "console", "requeue-requested", reason, message);
    }

    /// <summary>
    /// A new round: every replica is placed again, as a job that came just now. But for the tasks of an array that have
    /// succeeded: nobody waits for what they know already.
    /// </summary>
    private static void Requeue(
        ConsoleDb db,
        Workload w,
        IReadOnlyList<Attempt> round,
        JobSpec spec,
        Reason reason,
        string message,
        DateTimeOffset now
    )
    {
        if (spec.Topology == Topology.Array)
        {
            w.RoundTasks =
            [
                .. round
                    .Where(a => a.Reason != Reason.Completed)
                    .Select(a => Topologies.IndexOf(a.ReplicaName))
                    .Order(),
            ];
        }
        w.Round++;
        w.QueuedAt = now;
        w.HostName = null;
        w.HostNames = [];
        w.Borrowing = false;
        w.Deadline = null;
        w.YieldBy = null;
        w.Desired = DesiredState.Run;
        w.StopRequestedAt = null;
        w.LastActiveAt = null;
        w.CullAt = null;
        w.CullWarned = false;
        w.FirstEstimate = null;
        w.EstimatedStart = null;
        Move(db, w, WorkloadState.Restarting, "restarting", reason, message, now);
        Move(db, w, WorkloadState.Queued, "queued", Reason.WaitingForResources, "waits for the next plan", now);
        db.Tell(Feeds.ChangeKind.Queue);
    }

    /// <summary>A program that dies with every host it meets is no bad luck any more.</summary>
    public const int MostInterruptions = 10;

    private static string FailedTasks(IReadOnlyList<Attempt> round, JobSpec spec)
    {
        const int Told = 8;
        var failed = round.Where(a => a.Reason != Reason.Completed).ToArray();
        return $"{failed.Length} of {spec.Roles[0].Replicas} tasks did not succeed: "
            + string.Join("; ", failed.Take(Told).Select(a => $"{a.ReplicaName}: {a.Message}"))
            + (failed.Length > Told ? $"; and {failed.Length - Told} more" : "");
    }

    private static string Completed(IReadOnlyList<Attempt> round, JobSpec spec)
    {
        var others = round.Count(a => a.Reason != Reason.Completed);
        if (others > 0)
        {
            return $"{round.Count - others} of {round.Count} replicas ended with exit code 0; the others decide nothing";
        }
        var warnings = round.Where(a => a.OomKilled).Select(a => $"{a.ReplicaName} {a.Message}").ToArray();
        var all = spec.Roles.Sum(r => r.Replicas);
        var earlier = all > round.Count ? $", {all - round.Count} of them in earlier rounds" : "";
        return warnings.Length > 0 ? string.Join("; ", warnings)
            : all == 1 ? "ended with exit code 0"
            : $"all {all} replicas ended with exit code 0{earlier}";
    }

    private static void Finish(
        ConsoleDb db,
        Workload w,
        WorkloadState to,
        Reason reason,
        string message,
        DateTimeOffset now
    )
    {
        w.EndedAt = now;
        w.YieldBy = null;
        w.CullAt = null;
        w.Waits = [];
        Move(db, w, to, "ended", reason, message, now);
        db.Tell(Feeds.ChangeKind.Queue);
    }

    public static void Move(
        ConsoleDb db,
        Workload w,
        WorkloadState to,
        string kind,
        Reason reason,
        string message,
        DateTimeOffset now
    )
    {
        w.MoveTo(to, reason, message);
        db.AddEvent(w, now, "console", kind, reason, to.IsTerminal() ? $"{to}: {message}" : message);
    }
}
