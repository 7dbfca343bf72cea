namespace DeepLab.Core.Workloads;

public enum ImageTaskKind
{
    /// <summary>From its registry to a host.</summary>
    Pull,

    /// <summary>From one host to another, through the console.</summary>
    Copy,

    /// <summary>An environment's files become an image.</summary>
    Snapshot,
    Build,

    /// <summary>Taken off a host.</summary>
    Remove,
}

public enum ImageTaskState
{
    Waiting,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

/// <summary>
/// Work with an image on one host that takes a while. The row stands before the work begins; whoever finds it running after a
/// crash does it again: each kind finds what the first try left.
/// </summary>
public sealed class ImageTask
{
    public long Id { get; set; }
    public ImageTaskKind Kind { get; set; }
    public ImageTaskState State { get; set; }

    /// <summary>Of the image: what is pulled, moved or taken away, or what will have been made. Empty before a made one has its id.</summary>
    public required string Reference { get; set; }

    /// <summary>The host where it happens.</summary>
    public Guid HostId { get; set; }
    public required string HostName { get; set; }

    /// <summary>The host that a copy comes from.</summary>
    public Guid? FromHostId { get; set; }

    /// <summary>0-1; null where it is not known.</summary>
    public double? Fraction { get; set; }

    /// <summary>A sentence for people: what it does, or why it failed.</summary>
    public string Message { get; set; } = "";

    /// <summary>What a build said, its last part where it said too much.</summary>
    public string Log { get; set; } = "";

    /// <summary>The entry that a snapshot or a build makes; null for the others.</summary>
    public ImageWish? Wish { get; set; }
    public Guid ActorId { get; set; }
    public required string ActorName { get; set; }
    public bool CancelWanted { get; set; }
    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>When it was last handed to a worker; null before.</summary>
    public DateTimeOffset? HandedAt { get; set; }
    public DateTimeOffset? StartedAt { get; set; }
    public DateTimeOffset? EndedAt { get; set; }

    public bool IsOver => State is ImageTaskState.Succeeded or ImageTaskState.Failed or ImageTaskState.Cancelled;

    /// <summary>One that nobody has begun.</summary>
    public static ImageTask Waiting(
        ImageTaskKind kind,
        string reference,
        (Guid Id, string Name) host,
        (Guid Id, string Name) actor,
        DateTimeOffset now
    ) =>
        new()
        {
            Kind = kind,
            Reference = reference,
            HostId = host.Id,
            HostName = host.Name,
            ActorId = actor.Id,
            ActorName = actor.Name,
            Message = "waits for its turn",
            CreatedAt = now,
        };
}

/// <summary>An entry that is to be in the catalogue once its image is made.</summary>
/// <param name="AttemptId">whose container a snapshot is taken of</param>
/// <param name="Dockerfile">of a build</param>
/// <param name="Code">digest of the archive whose files a build sees; null = none</param>
public sealed record ImageWish(
    string Name,
    string Framework,
    string Version,
    string Python,
    string Cuda,
    IReadOnlyList<string> Features,
    string Description,
    long? WorkloadId = null,
    long? AttemptId = null,
    string? Dockerfile = null,
    string? Code = null
);

/// <summary>What opens a registry: an admin entered it; it goes to no other.</summary>
public sealed class RegistryLogin
{
    /// <summary>Host and port as references name it, such as `registry.example.org:5000`.</summary>
    public required string Registry { get; set; }
    public required string UserName { get; set; }
    public required string SealedPassword { get; set; }

    /// <summary>Where the registry may send for tokens, if not to itself; the password goes there too.</summary>
    public string? TokenHost { get; set; }

    /// <summary>It has no TLS.</summary>
    public bool PlainHttp { get; set; }
    public DateTimeOffset CreatedAt { get; set; }

    public static string Purpose(string registry) => $"registry/{registry}";
}
