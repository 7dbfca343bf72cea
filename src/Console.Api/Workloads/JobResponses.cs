using System.Text.Json;
using DeepLab.Core.Operations;
using DeepLab.Core.Workloads;

namespace DeepLab.Api.Workloads;

/// <param name="Url">where the job is</param>
/// <param name="Replayed">the Idempotency-Key had been used with the same body: this is that job</param>
public sealed record SubmittedResponse(long Id, string Url, bool Replayed)
{
    public static SubmittedResponse Of(Core.Operations.Jobs.Submitted submitted) =>
        new(submitted.Id, $"/api/v1/jobs/{submitted.Id}", submitted.Replayed);
}

/// <summary>One job, flat, so that a script reads `.state`.</summary>
/// <param name="Waits">why it waits, in order; empty unless queued</param>
/// <param name="Spec">as it was understood, every default spelled out</param>
public sealed record JobResponse(
    long Id,
    string Name,
    string Owner,
    string Cluster,
    WorkloadState State,
    Reason Reason,
    string Message,
    DesiredState Desired,
    string Image,
    int GpusAsked,
    int GpusHeld,
    string? Host,
    int Priority,
    int Restarts,
    int MaxRestarts,
    int? QueuePosition,
    DateTimeOffset? EstimatedStart,
    string Team,
    bool Preemptible,
    bool Borrowing,
    bool Held,
    int Interruptions,
    int Preemptions,
    IReadOnlyList<WaitReason> Waits,
    DateTimeOffset SubmittedAt,
    DateTimeOffset QueuedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt,
    IReadOnlyList<ReplicaView> Replicas,
    JsonElement Spec
)
{
    /// <summary>Since when its work is not kept; null unless it runs or ends.</summary>
    public DateTimeOffset? UnsavedSince { get; init; }

    /// <summary>Of its newest complete checkpoint.</summary>
    public long? CheckpointStep { get; init; }

    /// <summary>Seconds from one checkpoint to the next, as it went lately.</summary>
    public double? CheckpointSeconds { get; init; }

    /// <summary>It is to give way, and has until its next checkpoint or this time.</summary>
    public DateTimeOffset? YieldBy { get; init; }
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();
    public string Notes { get; init; } = "";

    /// <summary>It stays in the history, however old it gets.</summary>
    public bool Pinned { get; init; }

    /// <summary>A final test run, which alone is given the lists of test files.</summary>
    public bool Final { get; init; }

    /// <summary>The job that it was made from; null = its spec was written.</summary>
    public OriginView? Origin { get; init; }

    /// <summary>The very image that every replica runs; null before it is known, and where the spec's image says it all.</summary>
    public string? PinnedImage { get; init; }

    /// <summary>The same of images that roles name for themselves, by the name that the spec has for each.</summary>
    public IReadOnlyDictionary<string, string> PinnedRoleImages { get; init; } = new Dictionary<string, string>();

    /// <summary>Replicas of the present or last round of an elastic job; null = as many as were asked for.</summary>
    public int? RoundReplicas { get; init; }

    /// <summary>Models of the GPUs it held last; empty where it held none.</summary>
    public string GpuModels { get; init; } = "";

    public static JobResponse Of(JobDetail job)
    {
        var r = job.Row;
        using var spec = JsonDocument.Parse(job.SpecJson);
        return new JobResponse(
            r.Id,
            r.Name,
            r.Owner,
            job.Cluster,
            r.State,
            r.Reason,
            r.Message,
            job.Desired,
            job.Image,
            r.GpusAsked,
            r.GpusHeld,
            r.Host,
            r.Priority,
            job.Restarts,
            job.MaxRestarts,
            job.QueuePosition,
            job.EstimatedStart,
            job.Team,
            job.Preemptible,
            job.Borrowing,
            job.Held,
            job.Interruptions,
            job.Preemptions,
            job.Waits,
            r.SubmittedAt,
            r.QueuedAt,
            r.StartedAt,
            r.EndedAt,
            job.Replicas,
            spec.RootElement.Clone()
        )
        {
            UnsavedSince = r.UnsavedSince,
            CheckpointStep = job.CheckpointStep,
            CheckpointSeconds = job.CheckpointSeconds,
            YieldBy = job.YieldBy,
            RoundReplicas = job.RoundReplicas,
            Labels = r.Labels,
            Notes = job.Notes,
            Pinned = r.Pinned,
            Final = job.Final,
            Origin = job.Origin,
            PinnedImage = job.PinnedImage,
            PinnedRoleImages = job.PinnedRoleImages,
            GpuModels = r.GpuModels,
        };
    }
}
