using System.Collections.Frozen;
using System.Collections.Immutable;
using DeepLab.Core.Clusters;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <param name="Healthy">all witnesses agree on it: see <see cref="GpuHealth"/></param>
/// <param name="HeldBy">the workload that holds it, or null</param>
public sealed record GpuSlot(string Uuid, string Model, long MemoryBytes, bool Healthy, long? HeldBy)
{
    public bool IsFree => Healthy && HeldBy is null;
}

/// <summary>What a host has and what is held of it: by every attempt whose container was not seen dead.</summary>
public sealed record HostSlot(
    Guid Id,
    string Name,
    Guid ClusterId,
    HostState State,
    double Cpus,
    double CpusHeld,
    long MemoryBytes,
    long MemoryHeldBytes,
    ImmutableArray<GpuSlot> Gpus,
    ImmutableArray<long> HeldBy
)
{
    /// <summary>Why it takes no new work although it is Ready, as in `failed its preflight: …`; null where it does.</summary>
    public string? Closed { get; init; }
    public IReadOnlyDictionary<string, string> Labels { get; init; } = FrozenDictionary<string, string>.Empty;

    /// <summary>References of images it has: a hint, maybe a minute old.</summary>
    public IReadOnlySet<string> Images { get; init; } = FrozenSet<string>.Empty;

    public bool TakesWork => State == HostState.Ready && Closed is null;
    public double CpusFree => Cpus - CpusHeld;
    public long MemoryFreeBytes => MemoryBytes - MemoryHeldBytes;
}

/// <param name="SpansHosts">a job's replicas may run on several hosts, over a network of their own</param>
/// <param name="Trusted">so may those of a job that has its hosts' networks</param>
public sealed record ClusterSlot(Guid Id, string Name, bool SpansHosts, bool Trusted = false);

/// <summary>
/// A job that waits, as the planner sees it: all replicas of all roles are placed, or none; of an elastic one a number of them
/// that is no smaller than its least.
/// </summary>
public sealed record JobRequest(long Id, Guid ClusterId, int Priority, ImmutableArray<RoleSpec> Roles)
{
    public PlacementSpec Placement { get; init; } = new();

    /// <summary>It has the networks of its hosts.</summary>
    public bool HostNetwork { get; init; }

    /// <summary>Numbers of an array's tasks that are left, as many as its role has replicas; empty = from 0 on.</summary>
    public ImmutableArray<int> Tasks { get; init; } = [];
    public string Team { get; init; } = "";
    public Guid OwnerId { get; init; }

    /// <summary>Since when it waits; its age counts from here.</summary>
    public DateTimeOffset QueuedAt { get; init; }
    public bool Preemptible { get; init; }
    public TimeSpan? MaxDuration { get; init; }

    /// <summary>Resolved reference of its image.</summary>
    public string Image { get; init; } = "";

    /// <summary>Resolved references of the images that roles name for themselves.</summary>
    public ImmutableArray<string> OtherImages { get; init; } = [];

    /// <summary>Names of the only hosts that have its images; null = any may pull it. <see cref="Placement"/> is narrowed to them already.</summary>
    public ImmutableArray<string>? ImageHosts { get; init; }

    /// <summary>An admin keeps it from starting.</summary>
    public bool Held { get; init; }

    /// <summary>Why its stored spec cannot be read, in one sentence; it waits, and keeps nobody else from starting. Null = it can.</summary>
    public string? Unreadable { get; init; }

    /// <summary>Place that an admin gave it before all others, the least first; null = its own place.</summary>
    public double? Rank { get; init; }

    /// <summary>It pauses until then; null = it may start now.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>It may start with fewer replicas than it asks for; it has one role then.</summary>
    public bool IsElastic => Roles is [{ MinReplicas: { } least, Replicas: var all }] && least < all;

    /// <summary>As it asks for when it is content with its least.</summary>
    public JobRequest AtLeast() => IsElastic ? WithReplicas(Roles[0].MinReplicas!.Value) : this;

    /// <summary>As it was placed, with as many replicas as it was given.</summary>
    public JobRequest As(JobPlacement placement) => IsElastic ? WithReplicas(placement.Replicas.Length) : this;

    internal JobRequest WithReplicas(int count) => this with { Roles = [Roles[0] with { Replicas = count }] };

    public int Replicas => Roles.Sum(r => r.Replicas);
    public int Gpus => Roles.Sum(r => r.Replicas * r.Resources.Gpus);
    public double Cpus => Roles.Sum(r => r.Replicas * r.Resources.Cpus);
    public long MemoryBytes => Roles.Sum(r => r.Replicas * r.Resources.Memory);
}

/// <summary>What a running job holds on one host.</summary>
public sealed record Holding(Guid HostId, double Cpus, long MemoryBytes, ImmutableArray<string> Gpus);

/// <summary>A job that holds something: it runs, starts or ends.</summary>
public sealed record RunningJob(long Id, Guid ClusterId, int Priority, ImmutableArray<Holding> Holdings)
{
    public string Team { get; init; } = "";
    public Guid OwnerId { get; init; }
    public bool Preemptible { get; init; }

    /// <summary>It runs above its team's quota and may be stopped for a team that is below its own.</summary>
    public bool Borrowing { get; init; }

    /// <summary>It was told to end already: what it holds is about to be free.</summary>
    public bool IsEnding { get; init; }
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When its longest allowed duration is over; null where it has none. A promise: backfill may build on it.</summary>
    public DateTimeOffset? EndsBy { get; init; }

    /// <summary>When jobs like it ended so far; null where nothing is known. A guess: estimates only.</summary>
    public DateTimeOffset? ExpectedEnd { get; init; }

    /// <summary>Work that a stop would lose: since its start, or since its last checkpoint where that is known.</summary>
    public TimeSpan Unsaved { get; init; }
    public int Gpus => Holdings.Sum(h => h.Gpus.Length);
}

/// <param name="Weight">share of the lab while others want theirs; 2 gets twice what 1 gets</param>
/// <param name="RecentGpuSeconds">what it lately used, decayed; GPU-seconds</param>
public sealed record TeamSlot(string Name, double Weight, Quota Quota, double RecentGpuSeconds);

public sealed record UserSlot(Guid Id, string Name, Quota Quota);

/// <summary>All that a plan is made from, apart from the queue itself.</summary>
public sealed record FleetSnapshot(ImmutableArray<HostSlot> Hosts)
{
    public ImmutableArray<ClusterSlot> Clusters { get; init; } = [];
    public ImmutableArray<RunningJob> Running { get; init; } = [];
    public ImmutableArray<TeamSlot> Teams { get; init; } = [];

    /// <summary>Users with a quota of their own; who is not here has none.</summary>
    public ImmutableArray<UserSlot> Users { get; init; } = [];
}

/// <param name="Gpus">UUIDs</param>
public sealed record ReplicaPlacement(
    string Role,
    int Index,
    Guid HostId,
    string HostName,
    ImmutableArray<string> Gpus
);

/// <param name="Replicas">every replica that the round has, in the order of the roles and their index</param>
/// <param name="Borrowing">it goes above its team's quota</param>
public sealed record JobPlacement(long JobId, ImmutableArray<ReplicaPlacement> Replicas, bool Borrowing)
{
    /// <summary>Names of the hosts, each once, in order.</summary>
    public IReadOnlyList<string> HostNames =>
        [.. Replicas.Select(r => r.HostName).Distinct().Order(StringComparer.Ordinal)];
}

/// <summary>Stop this running job and give it a place in the queue again.</summary>
/// <param name="For">the job that is to have its place</param>
public sealed record Preemption(long JobId, long For, string Message);

/// <param name="Position">in its cluster's queue, from 1</param>
/// <param name="Waits">in order; never empty</param>
/// <param name="EstimatedStart">null where running jobs have neither limits nor a history</param>
public sealed record WaitingJob(
    long JobId,
    int Position,
    ImmutableArray<WaitReason> Waits,
    DateTimeOffset? EstimatedStart
);

/// <summary>What starts now, what is stopped for it, and for everything else why it waits, in queue order.</summary>
public sealed record QueuePlan(
    ImmutableArray<JobPlacement> Placements,
    ImmutableArray<Preemption> Preemptions,
    ImmutableArray<WaitingJob> Waiting
)
{
    public static QueuePlan Empty { get; } = new([], [], []);
}
