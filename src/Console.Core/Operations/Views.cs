using DeepLab.Core.Clusters;
using DeepLab.Core.Metrics;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations;

/// <summary>A page of a list. <see cref="Next"/> is an opaque cursor, null at the end.</summary>
public sealed record Page<T>(IReadOnlyList<T> Items, string? Next);

/// <summary>Which jobs, newest first. Null = any.</summary>
public sealed record JobFilter
{
    public IReadOnlyList<WorkloadState> States { get; init; } = [];

    /// <summary>Part of the name, or the id; case-insensitive.</summary>
    public string? Search { get; init; }
    public string? Owner { get; init; }
    public string? Host { get; init; }

    /// <summary>A search of the history, see <see cref="History.SearchQuery"/>; all of it and of the others is to be met.</summary>
    public string? Query { get; init; }
}

/// <summary>One line of a list of jobs.</summary>
public sealed record JobRow(
    long Id,
    string Name,
    string Owner,
    WorkloadState State,
    Reason Reason,
    string Message,
    int GpusAsked,
    int GpusHeld,
    string? Host,
    int Priority,
    DateTimeOffset SubmittedAt,
    DateTimeOffset QueuedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt
)
{
    /// <summary>Since when its work is not kept: its newest complete checkpoint, or its start; null unless it runs or ends.</summary>
    public DateTimeOffset? UnsavedSince { get; init; }
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>It stays in the history, however old it gets.</summary>
    public bool Pinned { get; init; }

    /// <summary>Models of the GPUs it held last, `A100, H100`; empty where it held none.</summary>
    public string GpuModels { get; init; } = "";
}

/// <summary>The job that another one was made from.</summary>
/// <param name="Exact">it runs the very image that that one ran; else it is a clone, whose image may have moved</param>
public sealed record OriginView(long Id, bool Exact);

public sealed record JobDetail(
    JobRow Row,
    string Cluster,
    string Image,
    string SpecJson,
    DesiredState Desired,
    int Restarts,
    int MaxRestarts,
    IReadOnlyList<WaitReason> Waits,
    int? QueuePosition,
    DateTimeOffset? EstimatedStart,
    string Team,
    bool Preemptible,
    bool Borrowing,
    bool Held,
    int Interruptions,
    int Preemptions,
    IReadOnlyList<ReplicaView> Replicas
)
{
    /// <summary>Of its newest complete checkpoint; null before there is one, and where its name tells no step.</summary>
    public long? CheckpointStep { get; init; }

    /// <summary>Seconds from one checkpoint to the next, as it went lately; null before there were two.</summary>
    public double? CheckpointSeconds { get; init; }

    /// <summary>It is to give way, and has until its next checkpoint or this time, whichever is first.</summary>
    public DateTimeOffset? YieldBy { get; init; }
    public string Notes { get; init; } = "";

    /// <summary>Null = its spec was written.</summary>
    public OriginView? Origin { get; init; }

    /// <summary>`name@sha256:…`, or an id of an image, that every replica runs; null where its image's name says it all, or before it is known.</summary>
    public string? PinnedImage { get; init; }

    /// <summary>The same of images that roles name for themselves, by the name that the spec has for each.</summary>
    public IReadOnlyDictionary<string, string> PinnedRoleImages { get; init; } = new Dictionary<string, string>();

    /// <summary>Those roles that name an image of their own.</summary>
    public IReadOnlyList<RoleImage> RoleImages { get; init; } = [];

    /// <summary>Versions of datasets that it mounts.</summary>
    public IReadOnlyList<DatasetMount> Datasets { get; init; } = [];

    /// <summary>A final test run: it is given the test files' lists.</summary>
    public bool Final { get; init; }

    /// <summary>Replicas of the present or last round of an elastic job; null = as many as were asked for.</summary>
    public int? RoundReplicas { get; init; }

    /// <summary>It gives way to itself, with more replicas.</summary>
    public bool Growing { get; init; }
}

/// <param name="Image">as the spec names it</param>
public sealed record RoleImage(string Role, string Image);

public sealed record ReplicaView(string Name, string Role, int Index, IReadOnlyList<AttemptView> Attempts);

public sealed record AttemptView(
    long Id,
    int Number,
    AttemptState State,
    Reason Reason,
    string Message,
    string Host,
    string? ContainerId,
    string ContainerName,
    int? ExitCode,
    bool OomKilled,
    DateTimeOffset LeasedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt,
    bool LogArchived,
    IReadOnlyList<LogFinding> Findings,
    IReadOnlyList<string> Gpus
)
{
    /// <summary>The checkpoint it began with; null = it started from the beginning.</summary>
    public string? ResumeFrom { get; init; }
    public long? ResumeStep { get; init; }

    /// <summary>`sha256:…`, what its container was made from; null before it ran.</summary>
    public string? ImageId { get; init; }

    /// <summary>Ports of its host that were leased for it; none where its job has a network of its own.</summary>
    public IReadOnlyList<PortView> Ports { get; init; } = [];
}

/// <param name="Name">`own`, `master`, `rendezvous` or `tensorflow`</param>
public sealed record PortView(string Name, string Address, int Port);

public sealed record EventView(
    int Seq,
    DateTimeOffset At,
    string Actor,
    string Kind,
    Reason Reason,
    string Message,
    string? Replica,
    int? Attempt
);

/// <param name="Position">in its cluster's queue, from 1</param>
/// <param name="EstimatedStart">null where nothing says when room will be</param>
/// <param name="Held">an admin keeps it from starting</param>
/// <param name="Moved">an admin gave it a place before all others</param>
public sealed record QueueRow(
    int Position,
    JobRow Job,
    IReadOnlyList<WaitReason> Waits,
    string Team,
    bool Preemptible,
    bool Held,
    bool Moved,
    DateTimeOffset? EstimatedStart
)
{
    internal static QueueRow Of(Placement.WaitingJob waiting, Workload w, JobRow row) =>
        new(
            waiting.Position,
            row,
            waiting.Waits,
            w.TeamName,
            w.Preemptible,
            w.Held,
            w.Rank is not null,
            waiting.EstimatedStart
        );
}

public sealed record GpuHolder(long WorkloadId, string WorkloadName, string Owner, string Replica);

/// <param name="HeldBy">null while free; the holder's names are shown only to whoever may see that workload</param>
public sealed record GpuView(
    string Uuid,
    string Host,
    int Index,
    string Model,
    long MemoryBytes,
    string DriverVersion,
    GpuHealth Health,
    string HealthMessage,
    bool Held,
    GpuHolder? HeldBy,
    GpuReading? Reading
);

public sealed record HostView(
    Guid Id,
    string Name,
    string Cluster,
    string Address,
    HostState State,
    string StateMessage,
    bool Simulated,
    IReadOnlyDictionary<string, string> Labels,
    string EngineVersion,
    string ApiVersion,
    string OperatingSystem,
    string KernelVersion,
    double Cpus,
    double CpusHeld,
    long MemoryBytes,
    long MemoryHeldBytes,
    DateTimeOffset? LastSeenAt,
    HostReading? Reading,
    IReadOnlyList<GpuView> Gpus,
    int RunningReplicas
)
{
    public HostWish Wish { get; init; }
    public DateTimeOffset? DrainDeadline { get; init; }
    public DateTimeOffset? UnreachableSince { get; init; }

    /// <summary>When its grace is over; null while it answers, and once it was given up.</summary>
    public DateTimeOffset? GivenUpFrom { get; init; }

    /// <summary>Since when its attempts are given up; their GPUs stay held until their containers are seen dead.</summary>
    public DateTimeOffset? LostAt { get; init; }
    public string NetworkAddress { get; init; } = "";

    /// <summary>Id of the Swarm's node that it is.</summary>
    public string? NodeId { get; init; }

    /// <summary>Null before the first.</summary>
    public PreflightReport? Preflight { get; init; }

    /// <summary>Images that its engine has.</summary>
    public int Images { get; init; }

    /// <summary>Why it takes no new work, as a sentence without its name; null where it does.</summary>
    public string? Closed { get; init; }

    /// <summary>Why networks to other hosts of its cluster are slow, as sentences; the slowest first, some at most.</summary>
    public IReadOnlyList<string> SlowPairs { get; init; } = [];
}

/// <summary>Two hosts that a job spanned, and the network between them as a short exchange found it.</summary>
/// <param name="MegabytesPerSecond">10^6 bytes, in the slower direction; null where it was never measured, as the next three</param>
/// <param name="Milliseconds">of a byte there and back</param>
/// <param name="TypicalMegabytesPerSecond">median of the last readings</param>
/// <param name="Slow">why the newest reading is a slow one, as a sentence without its subject; empty where it is none</param>
/// <param name="TriedAt">when it was to be measured last</param>
/// <param name="NotMeasured">why that gave nothing; empty where it did</param>
public sealed record PairView(
    IReadOnlyList<string> Hosts,
    double? MegabytesPerSecond,
    double? Milliseconds,
    double? TypicalMegabytesPerSecond,
    double? TypicalMilliseconds,
    int Readings,
    DateTimeOffset? MeasuredAt,
    string Slow,
    DateTimeOffset TriedAt,
    string NotMeasured
);

public sealed record ClusterView(Guid Id, string Name, int Hosts, int HostsReady, int Gpus, int GpusFree)
{
    /// <summary>Engine of its Swarm's manager; null where hosts are added one by one.</summary>
    public string? ManagerAddress { get; init; }
    public int? NodePort { get; init; }

    /// <summary>Its jobs may have their hosts' networks.</summary>
    public bool Trusted { get; init; }

    /// <summary>What is wrong with the manager; empty where nothing is.</summary>
    public string Trouble { get; init; } = "";
}

public sealed record OverviewView(
    IReadOnlyList<HostView> Hosts,
    int Queued,
    int Running,
    int SucceededToday,
    int FailedToday,
    IReadOnlyList<JobRow> RunningJobs,
    IReadOnlyList<QueueRow> Queue,
    IReadOnlyList<JobRow> RecentEnds
);

/// <param name="Features">what is inside, such as `jupyter`, `tensorboard`, `ssh`; none = nothing is known</param>
public sealed record ImageView(
    Guid Id,
    string Name,
    string Reference,
    string Framework,
    string FrameworkVersion,
    IReadOnlyList<string> Features,
    string Description
)
{
    public string Python { get; init; } = "";
    public string Cuda { get; init; } = "";
    public ImageOrigin Origin { get; init; }

    /// <summary>Null = the lab's.</summary>
    public string? Owner { get; init; }

    /// <summary>Everyone may use it; else its owner and admins alone.</summary>
    public bool Shared { get; init; } = true;

    /// <summary>The reader may share it, copy it and take it away.</summary>
    public bool Mine { get; init; }

    /// <summary>With all of its layers; null before a host told.</summary>
    public long? Bytes { get; init; }

    /// <summary>`name@sha256:…`: what is submitted now runs exactly that. Null where nothing is pinned yet.</summary>
    public string? Pinned { get; init; }

    /// <summary>Names of the hosts that have it, as of their last look, at most a minute ago.</summary>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    /// <summary>The environment that it is a snapshot of.</summary>
    public long? WorkloadId { get; init; }
    public DateTimeOffset CreatedAt { get; init; }
}

public sealed record TokenView(
    Guid Id,
    string Name,
    string Prefix,
    IReadOnlyList<string> Scopes,
    DateTimeOffset CreatedAt,
    DateTimeOffset ExpiresAt,
    DateTimeOffset? LastUsedAt,
    DateTimeOffset? RevokedAt
);

/// <summary>What submitting would do now.</summary>
/// <param name="StartsOn">the hosts it would start on at once; empty where it would wait</param>
/// <param name="Waits">why it would wait; empty when it starts at once</param>
public sealed record JobPreview(
    IReadOnlyList<SpecError> Errors,
    IReadOnlyList<string> StartsOn,
    IReadOnlyList<string> Gpus,
    IReadOnlyList<WaitReason> Waits
)
{
    /// <summary>With how many replicas it would start at once; 0 where it would wait.</summary>
    public int Replicas { get; init; }

    /// <summary>An elastic job may start with fewer.</summary>
    public int ReplicasAsked { get; init; }
}

/// <summary>What a verb answers that may be refused. Exactly one of its members.</summary>
public abstract record Outcome<T>
{
    private Outcome() { }

    public sealed record Done(T Value) : Outcome<T>;

    /// <summary>Nothing was changed; every error is here.</summary>
    public sealed record Refused(IReadOnlyList<SpecError> Errors) : Outcome<T>;

    /// <summary>No such thing, or not the actor's to see: the two look the same.</summary>
    public sealed record NotFound : Outcome<T>;

    /// <summary>The thing's present state does not allow it; the sentence says why.</summary>
    public sealed record Conflict(string Message) : Outcome<T>;
}
