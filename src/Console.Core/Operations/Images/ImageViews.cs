using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations.Images;

/// <summary>What an admin says of an entry of the catalogue.</summary>
/// <param name="Reference">where engines find it</param>
/// <param name="Features">what is inside, such as `jupyter`, `tensorboard`, `ssh`; none = nothing is known</param>
public sealed record ImageInput(
    string Name,
    string Reference,
    string Framework,
    string FrameworkVersion = "",
    string Python = "",
    string Cuda = "",
    IReadOnlyList<string>? Features = null,
    string Description = "",
    bool Shared = true
);

/// <param name="Version">letters, digits, `.`, `_` and `-`; part of the image's tag</param>
public sealed record SnapshotInput(string Name, string Version = "", string? Description = null);

/// <summary>What an admin has built.</summary>
/// <param name="Host">where it is built, and then is</param>
/// <param name="Code">digest of an uploaded archive: the files that the Dockerfile may copy</param>
public sealed record BuildInput(
    string Name,
    string Host,
    string Dockerfile,
    string Framework = "",
    string FrameworkVersion = "",
    string Python = "",
    string Cuda = "",
    IReadOnlyList<string>? Features = null,
    string Description = "",
    string? Code = null
);

/// <param name="Image">name of its entry, or the reference where it has none</param>
/// <param name="Fraction">0-1; null where it is not known</param>
/// <param name="By">who asked for it first</param>
public sealed record ImageTaskView(
    long Id,
    ImageTaskKind Kind,
    ImageTaskState State,
    string Image,
    string Reference,
    string Host,
    double? Fraction,
    string Message,
    string By,
    DateTimeOffset CreatedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt
);

/// <summary>An image of ours on a host that nothing names and nothing used lately.</summary>
/// <param name="LastUsedAt">when the last workload with it was there; null = none ever</param>
public sealed record PruneRow(string Reference, string Host, DateTimeOffset? LastUsedAt);
