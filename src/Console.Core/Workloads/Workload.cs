namespace DeepLab.Core.Workloads;

/// <summary>Anything a user asks to run. Users' verbs write the desired half, the loop writes the observed half.</summary>
public sealed class Workload
{
    public long Id { get; set; }
    public WorkloadKind Kind { get; set; }
    public required string Name { get; set; }
    public Guid OwnerId { get; set; }
    public required string OwnerName { get; set; }
    public Guid ClusterId { get; set; }
    public Guid TeamId { get; set; }
    public string TeamName { get; set; } = "";

    /// <summary>The spec as normalised JSON.</summary>
    public required string SpecJson { get; set; }

    /// <summary>Hex SHA-256 of <see cref="SpecJson"/>; every container of the workload carries it as a label.</summary>
    public required string SpecHash { get; set; }
    public int Priority { get; set; }
    public int GpusAsked { get; set; }
    public int GpusHeld { get; set; }

    /// <summary>As its spec has it.</summary>
    public bool HostNetwork { get; set; }
    public DesiredState Desired { get; set; }
    public string? StopRequestedBy { get; set; }
    public DateTimeOffset? StopRequestedAt { get; set; }
    public WorkloadState State { get; set; }
    public Reason Reason { get; set; }
    public string Message { get; set; } = "";

    /// <summary>The reasons of the last plan, in order, while queued.</summary>
    public List<WaitReason> Waits { get; set; } = [];

    /// <summary>Names of the hosts the replicas run or ran on, for people: `gpu1, gpu2`.</summary>
    public string? HostName { get; set; }
    public string[] HostNames { get; set; } = [];

    /// <summary>Models of the GPUs of the last round that had any, for people: `A100, H100`; empty where none was held.</summary>
    public string GpuModels { get; set; } = "";

    /// <summary>As they are now; the spec has those it was submitted with. See <see cref="SetLabels"/>.</summary>
    public Dictionary<string, string> Labels { get; private set; } = [];

    /// <summary>`name` and `name=text` of every label.</summary>
    public string[] LabelTerms { get; private set; } = [];
    public string Notes { get; set; } = "";

    /// <summary>It stays in the history, however old it gets.</summary>
    public bool Pinned { get; set; }

    /// <summary>The job whose spec this one was made from; null = it was written.</summary>
    public long? OriginId { get; set; }

    /// <summary>It runs the very image that its origin ran.</summary>
    public bool OriginExact { get; set; }

    /// <summary>Number of the present round of attempts, from 1.</summary>
    public int Round { get; set; } = 1;

    /// <summary>Rounds, and replicas that are started again alone, that failed by themselves, against the spec's `maxRestarts`.</summary>
    public int Restarts { get; set; }

    /// <summary>Those that a host, an engine or an operator ended; a budget apart, since they are no failures of the program.</summary>
    public int Interruptions { get; set; }

    /// <summary>Times it was stopped for another job or a drain; never counted as a failure.</summary>
    public int Preemptions { get; set; }

    /// <summary>Why <see cref="DesiredState.Requeue"/> was set: preempted or drained.</summary>
    public Reason RequeueReason { get; set; }
    public bool Preemptible { get; set; }

    /// <summary>It runs above its team's quota, on GPUs that another team may want back.</summary>
    public bool Borrowing { get; set; }

    /// <summary>An admin keeps it from starting.</summary>
    public bool Held { get; set; }

    /// <summary>Place that an admin gave it before all others: the least first; null = its own place.</summary>
    public double? Rank { get; set; }

    /// <summary>When the last plan expects it to start; null where nothing says.</summary>
    public DateTimeOffset? EstimatedStart { get; set; }

    /// <summary>The first estimate of this stay in the queue and what it was off by in the end, seconds; kept to tell how good estimates are.</summary>
    public DateTimeOffset? FirstEstimate { get; set; }
    public double? EstimateErrorSeconds { get; set; }

    /// <summary>Median duration of jobs of this name and owner when it started, seconds; null where none had succeeded.</summary>
    public double? ExpectedSeconds { get; set; }

    /// <summary>
    /// The image that every replica of every round runs, wherever its tag has moved meanwhile: as the catalogue had it when the
    /// workload came, or as its first replica found it, `name@sha256:…`. Null before that, and where it came from no registry.
    /// </summary>
    public string? PinnedImage { get; set; }

    /// <summary>The same of images that roles name for themselves, by the name that the spec has for each.</summary>
    public Dictionary<string, string> PinnedRoleImages { get; private set; } = [];

    /// <summary>How far the pull of its image is, 0-1; null while none is known.</summary>
    public double? PullFraction { get; set; }

    /// <summary>
    /// Where the home volume of an environment lies: it starts nowhere else. Null before its first start, where it has none,
    /// and once the home is gone.
    /// </summary>
    public Guid? HomeHostId { get; set; }

    /// <summary>It was deleted, and its home is to go with it.</summary>
    public bool HomeDiscarded { get; set; }

    /// <summary>When somebody last used the environment, as far as was seen in this round; null before it is ready.</summary>
    public DateTimeOffset? LastActiveAt { get; set; }

    /// <summary>When it is stopped unless somebody uses it; null where it is not.</summary>
    public DateTimeOffset? CullAt { get; set; }

    /// <summary>The present stretch of idleness was warned of.</summary>
    public bool CullWarned { get; set; }

    /// <summary>Replicas of the present or last round of an elastic job; null = as many as were asked for.</summary>
    public int? RoundReplicas { get; set; }

    /// <summary>Numbers of the tasks that the present or last round of an array has: those that had not succeeded. Null = all, as its first.</summary>
    public int[]? RoundTasks { get; set; }

    /// <summary>Name of the network across hosts of the present round; null where one host holds it all.</summary>
    public string? NetworkName { get; set; }
    public DateTimeOffset SubmittedAt { get; set; }
    public DateTimeOffset QueuedAt { get; set; }
    public DateTimeOffset? PlacedAt { get; set; }

    /// <summary>It pauses until then before its next round; null where it does not.</summary>
    public DateTimeOffset? NotBefore { get; set; }
    public DateTimeOffset? StartedAt { get; set; }
    public DateTimeOffset? EndedAt { get; set; }

    /// <summary>When its newest complete checkpoint was written, and its step; null before there is one.</summary>
    public DateTimeOffset? CheckpointAt { get; set; }
    public long? CheckpointStep { get; set; }

    /// <summary>Seconds from one checkpoint to the next, as it went lately; null before there were two.</summary>
    public double? CheckpointSeconds { get; set; }

    /// <summary>It is to give way, and is left alone until its next checkpoint or this time, whichever is first.</summary>
    public DateTimeOffset? YieldBy { get; set; }

    /// <summary>For what it gives way.</summary>
    public string YieldMessage { get; set; } = "";

    /// <summary>When its longest allowed duration is over; null before it runs, or where it has no limit.</summary>
    public DateTimeOffset? Deadline { get; set; }

    /// <summary>The user removed it from the lists; the row goes once its containers and archives are gone.</summary>
    public DateTimeOffset? DeletedAt { get; set; }

    /// <summary>Number of the last event, so that a workload's events are contiguous.</summary>
    public int LastEventSeq { get; set; }

    /// <summary>
    /// Since when its work is not kept: its newest complete checkpoint, or the start of the present round where that is later;
    /// null where it does nothing.
    /// </summary>
    public DateTimeOffset? UnsavedSince =>
        State is WorkloadState.Starting or WorkloadState.Running or WorkloadState.Stopping
            ? UnsavedFrom(Round, StartedAt, PlacedAt, CheckpointAt)
            : null;

    /// <param name="startedAt">of its first round</param>
    public static DateTimeOffset? UnsavedFrom(
        int round,
        DateTimeOffset? startedAt,
        DateTimeOffset? placedAt,
        DateTimeOffset? checkpointAt
    ) =>
        (round == 1 ? startedAt ?? placedAt : placedAt) is not { } began ? null
        : checkpointAt > began ? checkpointAt
        : began;

    /// <summary>What an image that the spec names is to this workload; null where that is not known yet.</summary>
    public string? PinOf(JobSpec spec, string image) =>
        image == spec.Image ? PinnedImage : PinnedRoleImages.GetValueOrDefault(image);

    public void Pin(JobSpec spec, string image, string pinned)
    {
        if (image == spec.Image)
        {
            PinnedImage = pinned;
        }
        else
        {
            // A new one: that something was added to the old would go unnoticed
            PinnedRoleImages = new(PinnedRoleImages) { [image] = pinned };
        }
    }

    public void SetLabels(IReadOnlyDictionary<string, string> labels)
    {
        Labels = labels.OrderBy(l => l.Key, StringComparer.Ordinal).ToDictionary();
        LabelTerms = [.. Labels.SelectMany(l => (string[])[l.Key, $"{l.Key}={l.Value}"])];
    }

    public void MoveTo(WorkloadState to, Reason reason, string message)
    {
        Transitions.Require(Kind, State, to);
        State = to;
        Reason = reason;
        Message = message;
    }
}

/// <summary>One member of a role. Has at most one live attempt.</summary>
public sealed class Replica
{
    public long Id { get; set; }
    public long WorkloadId { get; set; }
    public required string Role { get; set; }
    public int Index { get; set; }
    public string Name => $"{Role}-{Index}";
}

/// <summary>One try at running a replica: exactly one container. Numbered from 1, never reused.</summary>
public sealed class Attempt
{
    public long Id { get; set; }
    public long WorkloadId { get; set; }
    public long ReplicaId { get; set; }

    /// <summary>`worker-0`, kept here so that logs and labels need no join.</summary>
    public required string ReplicaName { get; set; }
    public int Number { get; set; }

    /// <summary>Of its workload. A replica that was started again in place has several attempts in one round; the last counts.</summary>
    public int Round { get; set; } = 1;
    public Guid HostId { get; set; }
    public required string ContainerName { get; set; }
    public string? ContainerId { get; set; }
    public AttemptState State { get; set; }
    public Reason Reason { get; set; }
    public string Message { get; set; } = "";
    public double Cpus { get; set; }
    public long MemoryBytes { get; set; }
    public DateTimeOffset LeasedAt { get; set; }

    /// <summary>Its container is not made before; null = at once. The replica failed just now.</summary>
    public DateTimeOffset? NotBefore { get; set; }
    public DateTimeOffset? StartedAt { get; set; }
    public DateTimeOffset? EndedAt { get; set; }
    public int? ExitCode { get; set; }
    public bool OomKilled { get; set; }

    /// <summary>`sha256:…`, what its container was made from; null before it ran, and where that is not known.</summary>
    public string? ImageId { get; set; }

    /// <summary>An environment's: when its doors were seen open.</summary>
    public DateTimeOffset? ReadyAt { get; set; }

    /// <summary>Where to resume was decided: <see cref="ResumeFrom"/> says it.</summary>
    public bool ResumeDecided { get; set; }

    /// <summary>Path of the checkpoint it begins with, below the checkpoint folder; null = it starts from the beginning.</summary>
    public string? ResumeFrom { get; set; }
    public long? ResumeStep { get; set; }

    /// <summary>We asked the engine to stop it, and when: an end after that is ours.</summary>
    public DateTimeOffset? StopSentAt { get; set; }
    public bool LogArchived { get; set; }

    /// <summary>What its log tells of why it failed; empty where it did not.</summary>
    public List<LogFinding> Findings { get; set; } = [];

    /// <summary>The container was seen gone from its engine.</summary>
    public bool ContainerRemoved { get; set; }

    /// <summary>One that was given up before anybody saw it run may have been started, and have written a log.</summary>
    public bool MayHaveRun => StartedAt is not null || State == AttemptState.Lost;

    public void MoveTo(AttemptState to, Reason reason, string message)
    {
        Transitions.Require(State, to);
        State = to;
        Reason = reason;
        Message = message;
    }
}

/// <summary>One GPU held by one attempt. A unique index over unreleased rows refuses a second.</summary>
public sealed class Lease
{
    public long Id { get; set; }
    public required string GpuUuid { get; set; }
    public Guid HostId { get; set; }
    public long AttemptId { get; set; }
    public long WorkloadId { get; set; }
    public DateTimeOffset LeasedAt { get; set; }
    public DateTimeOffset? ReleasedAt { get; set; }
}

/// <summary>One line of a workload's history. (WorkloadId, Seq) is the key; Seq is contiguous from 1.</summary>
public sealed class WorkloadEvent
{
    public long WorkloadId { get; set; }
    public int Seq { get; set; }
    public DateTimeOffset At { get; set; }

    /// <summary>A user's name, or `console`.</summary>
    public required string Actor { get; set; }

    /// <summary>`submitted`, `placed`, `pulling`, `created`, `started`, `exited`, `archived`, `stop-requested`, …</summary>
    public required string Kind { get; set; }
    public Reason Reason { get; set; }
    public required string Message { get; set; }
    public string? Replica { get; set; }
    public int? Attempt { get; set; }
}

public enum WaitKind
{
    NoHostReady,
    NotEnoughGpus,
    NotEnoughGpusOfModel,
    NotEnoughCpus,
    NotEnoughMemory,
    BehindInQueue,
    PlannerBehind,
    Held,
    NoHostMatches,
    CannotSpanHosts,
    QuotaReached,
    WaitingForPreemption,
    WouldDelay,

    /// <summary>It failed or was interrupted just now.</summary>
    Pausing,

    /// <summary>Its image came from no registry, and only the named hosts have it.</summary>
    ImageElsewhere,

    /// <summary>Its row was edited by hand, or written by a newer console.</summary>
    SpecUnreadable,
}

/// <summary>Why a queued workload waits: typed, with numbers, and the sentence that says it.</summary>
/// <param name="Needed">GPUs, CPUs or bytes, by kind</param>
/// <param name="Free">on <paramref name="Host"/>, the best host</param>
/// <param name="Total">on <paramref name="Host"/></param>
/// <param name="HeldBy">workloads that hold what is missing, at most 20</param>
public sealed record WaitReason(
    WaitKind Kind,
    string Message,
    double Needed = 0,
    double Free = 0,
    double Total = 0,
    string? Host = null,
    IReadOnlyList<long>? HeldBy = null
);

/// <summary>An uploaded tar.gz, kept by content digest under the data folder.</summary>
public sealed class CodeArchive
{
    /// <summary>`sha256:…` of the compressed bytes</summary>
    public required string Digest { get; set; }
    public long Bytes { get; set; }
    public long UnpackedBytes { get; set; }
    public int Entries { get; set; }
    public Guid OwnerId { get; set; }
    public DateTimeOffset CreatedAt { get; set; }
    public DateTimeOffset LastUsedAt { get; set; }
}
