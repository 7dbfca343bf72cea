namespace DeepLab.Core.Engines;

public sealed record VolumeSummary(string Name, IReadOnlyDictionary<string, string> Labels);

/// <param name="Id">the Swarm's id of the node</param>
/// <param name="Address">IP address as the manager sees it</param>
/// <param name="IsDown">the manager gets no heartbeat from it</param>
/// <param name="Availability">`active`, `pause` or `drain`</param>
public sealed record SwarmNode(
    string Id,
    string Hostname,
    string Address,
    bool IsDown,
    string Availability,
    bool IsManager,
    IReadOnlyDictionary<string, string> Labels
);

public sealed record EngineInfo(
    string EngineId,
    string Name,
    string EngineVersion,
    string ApiVersion,
    string OperatingSystem,
    string KernelVersion,
    double Cpus,
    long MemoryBytes,
    bool HasNvidiaRuntime,
    bool LiveRestore,
    DateTimeOffset? SystemTime
)
{
    /// <summary>Empty where the engine does not say.</summary>
    public string RuncVersion { get; init; } = "";

    /// <summary>Its node's id; null where it is in no Swarm.</summary>
    public string? SwarmNodeId { get; init; }
}

public sealed record ImageInfo(string Id, string Reference, long Bytes, IReadOnlyDictionary<string, string> Labels)
{
    /// <summary>`name@sha256:…`, by which any host gets the same image; null where it came from no registry of that name.</summary>
    public string? Pinned { get; init; }

    /// <summary>What it starts whatever the command; empty = the command alone.</summary>
    public IReadOnlyList<string> Entrypoint { get; init; } = [];

    /// <summary>Its own command.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];
}

/// <summary>An image that an installation made.</summary>
/// <param name="References">`name:tag`; empty where nothing names it any more</param>
/// <param name="Bytes">with the layers that it shares with others</param>
public sealed record OwnImage(
    string Id,
    IReadOnlyList<string> References,
    long Bytes,
    DateTimeOffset CreatedAt,
    IReadOnlyDictionary<string, string> Labels
);

/// <summary>What stands at a path in a container; a link is not followed.</summary>
/// <param name="ChangedAt">of a folder: when an entry was last made or taken away in it, by its host's clock</param>
public sealed record PathStat(bool IsFolder, DateTimeOffset ChangedAt);

/// <param name="Fraction">0-1 over all layers that are known so far; null before any is</param>
public sealed record PullProgress(string Reference, double? Fraction, string Status);

/// <summary>Hears of progress at once, without a synchronization context in between.</summary>
public sealed class PullListener(Action<PullProgress> hear) : IProgress<PullProgress>
{
    public void Report(PullProgress value) => hear(value);
}

public enum ContainerState
{
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
}

public sealed record ContainerSummary(
    string Id,
    string Name,
    ContainerState State,
    IReadOnlyDictionary<string, string> Labels
);

/// <param name="GpuUuids">device ids of its device requests</param>
/// <param name="StartedAt">null where it never started</param>
/// <param name="FinishedAt">null while it runs or never ran</param>
public sealed record ContainerReport(
    string Id,
    string Name,
    string Image,
    ContainerState State,
    int Pid,
    int ExitCode,
    bool OomKilled,
    string Error,
    DateTimeOffset? StartedAt,
    DateTimeOffset? FinishedAt,
    IReadOnlyDictionary<string, string> Labels,
    IReadOnlyList<string> GpuUuids
)
{
    /// <summary>Limit in bytes, 0 = none; null where that is not told.</summary>
    public long? Memory { get; init; }

    /// <summary>Limit in cores, 0 = none; null where that is not told.</summary>
    public double? Cpus { get; init; }

    /// <summary>`sha256:…`, what its image's name meant when it was made; null where that is not told.</summary>
    public string? ImageId { get; init; }
}

/// <param name="Action">`start`, `die`, `oom`, `destroy`, `pause`, …</param>
public sealed record EngineEvent(
    string ContainerId,
    string Action,
    IReadOnlyDictionary<string, string> Labels,
    DateTimeOffset At
);

/// <summary>Counters are since the container's start; cpu in core-seconds, the rest in bytes.</summary>
public sealed record ContainerUsage(
    DateTimeOffset At,
    double CpuSeconds,
    long MemoryBytes,
    long MemoryLimitBytes,
    long NetworkReadBytes,
    long NetworkWriteBytes,
    long BlockReadBytes,
    long BlockWriteBytes,
    int Pids
);

public enum LogStream : byte
{
    Stdout = 1,
    Stderr = 2,
}

/// <param name="SinceUnixNanos">inclusive; null = from the first kept line</param>
/// <param name="Tail">only the last lines; null = all</param>
public sealed record LogQuery(bool Follow, long? SinceUnixNanos = null, int? Tail = null);

/// <summary>One frame: at most 16 KiB of one line. Only a line's last frame ends it.</summary>
/// <param name="UnixNanos">the engine's timestamp of the frame</param>
/// <param name="Text">bytes without timestamp and without the newline; overwritten when the next frame is asked for</param>
public readonly record struct LogFrame(LogStream Stream, long UnixNanos, ReadOnlyMemory<byte> Text, bool EndsLine);

public sealed record ExecResult(int ExitCode, string StderrHead);
