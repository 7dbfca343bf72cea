using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>What each replica of one role needs.</summary>
/// <param name="Role">index of the role in the job's roles</param>
/// <param name="Kinds">which kinds of GPU suit; null = any</param>
internal sealed record Need(int Role, int Replicas, ResourcesSpec Asked, bool[]? Kinds)
{
    public int Gpus { get; } = Asked.Gpus;
    public double Cpus { get; } = Asked.Cpus;
    public long Memory { get; } = Asked.Memory;
}

/// <summary>Some replicas of a job, all of them on one host.</summary>
/// <param name="Counts">replicas by <see cref="Shape.Needs"/></param>
internal sealed record Part(int[] Counts, int Replicas, int Gpus, double Cpus, long Memory)
{
    public static Part Of(Need[] needs, ReadOnlySpan<int> counts)
    {
        var (replicas, gpus, cpus, memory) = (0, 0, 0.0, 0L);
        for (var i = 0; i < needs.Length; i++)
        {
            replicas += counts[i];
            gpus += counts[i] * needs[i].Gpus;
            cpus += counts[i] * needs[i].Cpus;
            memory += counts[i] * needs[i].Memory;
        }
        return new Part(counts.ToArray(), replicas, gpus, cpus, memory);
    }
}

/// <summary>
/// What jobs that ask for the same have in common. Within a pass room only shrinks and reservations only grow: where one
/// of a shape found no place, no other of it will that runs as long.
/// </summary>
internal sealed class Shape
{
    public required int Cluster { get; init; }

    /// <summary>By role, those that few GPUs suit first: what is left serves the others.</summary>
    public required Need[] Needs { get; init; }
    public required Part Whole { get; init; }

    /// <summary>One replica of each need.</summary>
    public required Part[] Singles { get; init; }
    public required PlacementSpec Placement { get; init; }

    /// <summary>There is a network by which its replicas could meet from several hosts.</summary>
    public required bool MaySpan { get; init; }

    /// <summary>All replicas go to one host: by the job's own wish, or since its cluster cannot give more.</summary>
    public required bool OneHost { get; init; }
    public required bool AnyGpuSuits { get; init; }

    /// <summary>By host; null = all.</summary>
    public required bool[]? Allowed { get; init; }

    /// <summary>By family of hosts, whether they have GPUs that suit; null = all.</summary>
    public required bool[]? Families { get; init; }

    /// <summary>Ticks of the shortest duration that found no place in this pass; null while each found one.</summary>
    public long? FailedFrom { get; set; }

    /// <summary>Every host that it could wait for is reserved by others, or none could ever hold it.</summary>
    public bool NothingToReserve { get; set; }

    public bool Allows(int host) => Allowed is null || Allowed[host];
}

/// <summary>A job of the queue with what the pass needs of it at hand.</summary>
/// <param name="WithImage">by host, whether it has the job's image; null where that tells none from another</param>
/// <param name="User">-1 for one without a quota</param>
internal sealed record Asker(JobRequest Job, Shape Shape, bool[]? WithImage, int Team, int User)
{
    /// <summary>How long it holds its place at most, ticks.</summary>
    public long Duration => Job.MaxDuration?.Ticks ?? long.MaxValue;
}
