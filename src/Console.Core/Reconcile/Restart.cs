using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>One more start after an end, of the job or of one replica, within the job's budget for ends of that class. Pure.</summary>
/// <param name="IsInterruption">the end is nobody's failure but a machine's or an operator's</param>
/// <param name="Number">from 1, of <paramref name="Most"/></param>
public sealed record Restart(bool IsInterruption, int Number, int Most)
{
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMinutes(5);

    /// <summary>What ends so soon after another on its host, for the same reason, ended by the same.</summary>
    private static readonly TimeSpan s_blow = TimeSpan.FromSeconds(30);

    /// <summary>A program that fails at once must not keep its host busy with restarts: each pause is twice the last.</summary>
    public TimeSpan Pause =>
        TimeSpan.FromSeconds(Math.Min(s_longestPause.TotalSeconds, Math.Pow(2, Math.Min(Number - 1, 20))));

    public string InWords =>
        IsInterruption ? $"interruption {Number} of at most {Most}" : $"restart {Number} of {Most}";

    /// <summary>Null where the job is not to be tried again.</summary>
    public static Restart? After(Workload w, JobSpec spec, Reason end)
    {
        var most = spec.Restart.MaxRestarts;
        if (IsInterrupted(end))
        {
            return (most > 0 || spec.Environment is not null) && w.Interruptions < Rollup.MostInterruptions
                ? new Restart(true, w.Interruptions + 1, Rollup.MostInterruptions)
                : null;
        }
        return w.Restarts < most && MayMend(end) ? new Restart(false, w.Restarts + 1, most) : null;
    }

    /// <summary>
    /// As <see cref="After"/>, of that replica alone, where it was. Null where its role's scope is the gang, where nobody waits for
    /// it any more, and where its place had part in the end: then its job goes the gang's way.
    /// </summary>
    /// <param name="round">all attempts of the round, <paramref name="ended"/> among them</param>
    public static Restart? InPlace(Workload w, JobSpec spec, IReadOnlyCollection<Attempt> round, Attempt ended) =>
        ended.Reason is not (Reason.HostLost or Reason.GpuFailed or Reason.NetworkFailed)
            ? Alone(w, spec, round, ended)
            : null;

    /// <summary>As <see cref="InPlace"/>, wherever that is.</summary>
    public static Restart? Alone(Workload w, JobSpec spec, IReadOnlyCollection<Attempt> round, Attempt ended) =>
        spec.RoleOf(ended.ReplicaName).RestartScope != RestartScope.Replica
        || w is not { Desired: DesiredState.Run, State: WorkloadState.Starting or WorkloadState.Running }
        || !Rollup.IsFailure(ended)
        || Rollup.IsDone(Rollup.LastOfEach(round), spec)
            ? null
        : IsOfOneBlow(round, ended) ? new Restart(true, w.Interruptions, Rollup.MostInterruptions)
        : After(w, spec, ended.Reason);

    /// <summary>One blow to a host that ends many replicas is one interruption of their job.</summary>
    private static bool IsOfOneBlow(IReadOnlyCollection<Attempt> round, Attempt ended) =>
        IsInterrupted(ended.Reason)
        && round.Any(a =>
            a.ReplicaId != ended.ReplicaId
            && a.HostId == ended.HostId
            && a.Reason == ended.Reason
            && (a.EndedAt - ended.EndedAt)?.Duration() <= s_blow
            // It was started again, and counted
            && round.Any(b => b.ReplicaId == a.ReplicaId && b.Number > a.Number)
        );

    public void Charge(Workload w)
    {
        if (IsInterruption)
        {
            w.Interruptions = Number;
        }
        else
        {
            w.Restarts = Number;
        }
    }

    private static bool IsInterrupted(Reason end) =>
        end
            is Reason.HostLost
                or Reason.EngineStopped
                or Reason.ContainerLost
                or Reason.NameTaken
                or Reason.GpuFailed
                or Reason.NetworkFailed;

    /// <summary>What another try cannot mend is not tried again.</summary>
    private static bool MayMend(Reason end) =>
        end
            is not (
                Reason.ImageNotFound
                or Reason.CommandNotFound
                or Reason.CommandNotExecutable
                or Reason.CodeMissing
                or Reason.VolumeMissing
                or Reason.CreateFailed
                or Reason.CheckpointsUnusable
            );
}
