using System.Text.RegularExpressions;

namespace DeepLab.Core.Workloads;

/// <summary>How an image came into the catalogue.</summary>
public enum ImageOrigin
{
    /// <summary>An admin wrote it, or the console came with it.</summary>
    Listed,

    /// <summary>Somebody kept an environment as it was.</summary>
    Snapshot,

    /// <summary>An admin had it built here.</summary>
    Build,
}

/// <summary>An entry of the image catalogue.</summary>
public sealed class CatalogueImage
{
    public Guid Id { get; set; }

    /// <summary>Short name used in specs, such as `pytorch-cpu`.</summary>
    public required string Name { get; set; }
    public required string Reference { get; set; }
    public required string Framework { get; set; }
    public required string FrameworkVersion { get; set; }

    /// <summary>Empty where it has none, or nothing is known.</summary>
    public string Python { get; set; } = "";

    /// <summary>Empty where it has none, or nothing is known.</summary>
    public string Cuda { get; set; } = "";
    public string[] Features { get; set; } = [];
    public string Description { get; set; } = "";
    public ImageOrigin Origin { get; set; }

    /// <summary>Whose it is; null = the lab's.</summary>
    public Guid? OwnerId { get; set; }
    public string OwnerName { get; set; } = "";

    /// <summary>Everyone sees and uses it; else its owner and admins alone.</summary>
    public bool Shared { get; set; } = true;

    /// <summary>Bytes with all of its layers, as a host told; null before one did.</summary>
    public long? Bytes { get; set; }

    /// <summary>`name@sha256:…` as the last pull found it: what is submitted from then on runs exactly that. Null where none did.</summary>
    public string? Pinned { get; set; }

    /// <summary>The environment that it is a snapshot of.</summary>
    public long? WorkloadId { get; set; }
    public DateTimeOffset CreatedAt { get; set; }

    public bool IsVisibleTo(Guid userId, bool isAdmin) => Shared || isAdmin || OwnerId == userId;
}

/// <summary>
/// References of images that are made here, by snapshot or build. No registry has them: they run where they lie. A tag is never
/// given twice, so such a reference means one image for ever.
/// </summary>
public static partial class MadeImages
{
    public const string Root = "deeplab-made/";

    /// <param name="name">of the catalogue</param>
    /// <param name="task">id of the task that makes it: the tag is this one's alone</param>
    public static string Reference(string name, string version, long task) =>
        string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"{Root}{name}:{(version.Length == 0 ? "" : version + "-")}{task}"
        );

    /// <summary>However it is spelled: a registry that engines ask by default is none here.</summary>
    public static bool IsMade(string reference) =>
        ImageReference.TryParse(reference, out var parsed, out _)
        && parsed.Registry is null or "docker.io" or "index.docker.io" or "registry-1.docker.io"
        && parsed!.Path.StartsWith(Root, StringComparison.Ordinal);

    /// <summary>The id of an image on engines, `sha256:…`: what a run is pinned to whose image came from no registry.</summary>
    public static bool IsId(string reference) => Id().IsMatch(reference);

    /// <summary>It runs where it lies, or nowhere.</summary>
    public static bool HasNoRegistry(string reference) => IsId(reference) || IsMade(reference);

    /// <summary>A name that is part of a reference, as engines take it.</summary>
    public static bool IsName(string name) => name.Length <= 63 && Name().IsMatch(name);

    public static bool IsVersion(string version) => Version().IsMatch(version);

    [GeneratedRegex(@"^[a-z0-9]+(?:(?:\.|_|-)[a-z0-9]+)*\z", RegexOptions.NonBacktracking)]
    private static partial Regex Name();

    [GeneratedRegex(@"^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,31})?\z", RegexOptions.NonBacktracking)]
    private static partial Regex Version();

    [GeneratedRegex(@"^sha256:[0-9a-f]{64}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Id();
}
