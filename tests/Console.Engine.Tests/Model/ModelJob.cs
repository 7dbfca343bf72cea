using DeepLab.Core.Workloads;

namespace DeepLab.Engine.Tests.Model;

/// <summary>What was asked of one job and what befell it, as far as its end may depend on that. Pure.</summary>
internal sealed class ModelJob(string key, Wish wish)
{
    /// <summary>Its Idempotency-Key.</summary>
    public string Key { get; } = key;
    public Wish Wish { get; } = wish;

    /// <summary>Null until an answer arrived: it may or may not have been taken in.</summary>
    public long? Id { get; set; }
    public bool StopMayHaveArrived { get; set; }

    /// <summary>A stop was acknowledged, and no program of it had ended by itself before that.</summary>
    public bool StoppedInTime { get; set; }
    public bool IsDeleted { get; set; }
    public bool DeleteMayHaveArrived { get; set; }

    /// <summary>It has the name of the job that it is a clone of, and no key.</summary>
    public bool IsClone { get; init; }

    /// <summary>A machine or an operator may have ended a round of it.</summary>
    public bool WasDisturbed { get; set; }

    /// <summary>Another job may have taken its place, or a drain.</summary>
    public bool MayHaveMoved => WasDisturbed || Wish.Preemptible;

    /// <summary>How it may end, given what befell it.</summary>
    public IReadOnlySet<WorkloadState> Ends
    {
        get
        {
            var ends = new HashSet<WorkloadState>();
            var (fails, tries) = (Wish.Script.Fails, Wish.MaxRestarts);
            if (StopMayHaveArrived)
            {
                ends.Add(WorkloadState.Stopped);
            }
            if (!StoppedInTime)
            {
                // A round that ended otherwise is not counted against the tries and brings a better one nearer
                if (Wish.MaxSeconds is null && (fails <= tries || MayHaveMoved))
                {
                    ends.Add(WorkloadState.Succeeded);
                }
                if (fails > tries || (WasDisturbed && tries == 0))
                {
                    ends.Add(WorkloadState.Failed);
                }
            }
            if (Wish.MaxSeconds is not null)
            {
                ends.Add(WorkloadState.Failed);
                if (WasDisturbed)
                {
                    // Nobody may have been there to stop it in time
                    ends.Add(WorkloadState.Succeeded);
                }
            }
            return ends;
        }
    }
}
