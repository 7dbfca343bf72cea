namespace DeepLab.Core.Workloads;

/// <summary>
/// A checkpoint as the console saw it in a job's folder. The loop writes the row; users' verbs write only what they wish of it.
/// Nothing of its content is ever read.
/// </summary>
public sealed class Checkpoint
{
    public long Id { get; set; }
    public long WorkloadId { get; set; }

    /// <summary>The host it lies on; null = on a volume that each of its hosts has.</summary>
    public Guid? HostId { get; set; }

    /// <summary>Below the checkpoint folder, with `/`: a file, a folder, or what the names of its files have in common.</summary>
    public required string Path { get; set; }
    public CheckpointLayout Layout { get; set; }

    /// <summary>Null where its name tells none.</summary>
    public long? Step { get; set; }
    public long Bytes { get; set; }
    public int Files { get; set; }

    /// <summary>Replica and number of the attempt during which it was written last.</summary>
    public required string Replica { get; set; }
    public int Attempt { get; set; }

    /// <summary>By the host's clock, in whole seconds, and never after <see cref="ChangedAt"/>.</summary>
    public DateTimeOffset WrittenAt { get; set; }

    /// <summary>When it was first seen as it is now.</summary>
    public DateTimeOffset ChangedAt { get; set; }
    public bool Complete { get; set; }
    public bool Pinned { get; set; }

    /// <summary>A user wants it away, and when.</summary>
    public DateTimeOffset? DeleteRequestedAt { get; set; }

    /// <summary>When it was seen gone, whoever took it away.</summary>
    public DateTimeOffset? DeletedAt { get; set; }
}

public enum CheckpointLayout
{
    PyTorch,
    Lightning,
    TensorFlow,
    HuggingFace,

    /// <summary>Named by the job's own pattern.</summary>
    Pattern,
}

/// <summary>What the form of a file or a group of files tells of its end.</summary>
public enum CheckpointSeal
{
    /// <summary>Nothing: it is complete once it has stopped changing.</summary>
    None,

    /// <summary>What is written last is there.</summary>
    Whole,

    /// <summary>What is written last is missing.</summary>
    Broken,
}

/// <param name="Path">below the checkpoint folder, with `/`</param>
public readonly record struct CheckpointFile(string Path, long Bytes, DateTimeOffset WrittenAt, CheckpointSeal Seal);

/// <summary>What one look found.</summary>
/// <param name="WrittenAt">of its newest file</param>
public sealed record FoundCheckpoint(
    string Path,
    CheckpointLayout Layout,
    long? Step,
    long Bytes,
    int Files,
    DateTimeOffset WrittenAt,
    CheckpointSeal Seal
);
