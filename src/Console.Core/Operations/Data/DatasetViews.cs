using DeepLab.Core.Volumes;

namespace DeepLab.Core.Operations.Data;

/// <param name="Team">who sees and mounts it beside its owner; null = everyone</param>
public sealed record DatasetInput(string Name, string? Description = null, string? Team = null);

/// <summary>What a new version is to be.</summary>
/// <param name="Volume">name of one that the actor may mount</param>
/// <param name="Folder">below it; null = all of it</param>
/// <param name="Split">null = it has no parts</param>
/// <param name="Cluster">whose hosts read it; null = one whose hosts have the volume</param>
/// <param name="Team">whose share the job uses; null = the actor's own</param>
public sealed record DatasetVersionInput(
    string Volume,
    string? Folder = null,
    DatasetSplit? Split = null,
    string? Cluster = null,
    string? Team = null
);

/// <param name="Number">of the version</param>
/// <param name="Job">that makes it</param>
public sealed record MadeVersion(int Number, long Job);

/// <param name="Team">null = everyone</param>
/// <param name="Versions">how many there are, whatever became of them</param>
/// <param name="Latest">number of the newest that is ready; null before there is one</param>
/// <param name="Mine">the reader may add versions, and delete it</param>
public sealed record DatasetView(
    string Name,
    string Description,
    string Owner,
    string? Team,
    int Versions,
    int? Latest,
    bool Mine,
    DateTimeOffset CreatedAt
)
{
    /// <summary>Files, and bytes, of the latest.</summary>
    public long Files { get; init; }
    public long Bytes { get; init; }

    /// <summary>Workloads that wait or run and mount one of its versions.</summary>
    public int InUse { get; init; }
}

/// <param name="Message">why it failed; else empty</param>
/// <param name="Volume">null where the reader may not mount it; then they do not see its files either</param>
/// <param name="Folder">below the volume; empty = all of it</param>
/// <param name="Digest">`sha256:…` of the list of all files; null before it is ready</param>
/// <param name="Parts">files of each; null without a split, and before it is ready</param>
/// <param name="Job">that made it</param>
public sealed record DatasetVersionView(
    int Number,
    DatasetState State,
    string Message,
    string? Volume,
    string Folder,
    long Files,
    long Bytes,
    string? Digest,
    DatasetSplit? Split,
    DatasetParts? Parts,
    long Job,
    string MadeBy,
    DateTimeOffset CreatedAt,
    DateTimeOffset? MadeAt
)
{
    /// <summary>Files whose lines are kept: the first of them.</summary>
    public long Kept => Math.Min(Files, DatasetManifest.MostKept);

    /// <summary>Workloads that wait or run and mount it.</summary>
    public int InUse { get; init; }
}

/// <param name="Versions">the newest first</param>
public sealed record DatasetDetail(DatasetView Dataset, IReadOnlyList<DatasetVersionView> Versions);
