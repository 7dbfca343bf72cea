using System.Globalization;

namespace DeepLab.Core.Engines;

/// <summary>
/// One Docker Engine. The one seam that tests may fake. Every call is bounded in time by the implementation; a caller's
/// token cancels earlier. A lost reply is not a failure: the caller looks with <see cref="InspectAsync"/>.
/// </summary>
/// <exception cref="EngineException">The engine answered with an error; see its kind.</exception>
/// <exception cref="EngineUnreachableException">No answer: nothing is known about the outcome.</exception>
public interface IContainerEngine : IAsyncDisposable
{
    Task<EngineInfo> InfoAsync(CancellationToken ct);

    /// <summary>Null where the engine does not have the image.</summary>
    Task<ImageInfo?> FindImageAsync(string reference, CancellationToken ct);

    /// <summary>Returns when the image is there. One pull per reference is in flight, however many ask.</summary>
    Task PullAsync(string reference, IProgress<PullProgress>? progress, CancellationToken ct);

    /// <summary>Answers the new container's id; a name that is taken is <see cref="EngineErrorKind.NameTaken"/>.</summary>
    Task<string> CreateAsync(ContainerPlan plan, CancellationToken ct);

    /// <summary>Starting what already runs is fine. About four starts are in flight a host; the rest wait here.</summary>
    Task StartAsync(string id, CancellationToken ct);

    /// <summary>SIGTERM, then SIGKILL after <paramref name="grace"/>. Returns when the engine says it is stopped.</summary>
    Task StopAsync(string id, TimeSpan grace, CancellationToken ct);

    /// <summary>Removes it, running or not (<paramref name="force"/>); one that is gone already is fine.</summary>
    Task RemoveAsync(string id, bool force, CancellationToken ct);

    /// <summary>Null where the engine has no such container. Takes an id or a name.</summary>
    Task<ContainerReport?> InspectAsync(string idOrName, CancellationToken ct);

    /// <summary>All containers, in any state, that carry our label of this installation.</summary>
    Task<IReadOnlyList<ContainerSummary>> ListAsync(string installId, CancellationToken ct);

    /// <summary>
    /// Events of containers of this installation that change how a container stands, until cancelled; throws when the stream
    /// breaks. Looking into one, by an exec or its archive, is none.
    /// </summary>
    IAsyncEnumerable<EngineEvent> EventsAsync(string installId, CancellationToken ct);

    /// <summary>One sample about every second while the container runs; ends when it ends or does not run.</summary>
    IAsyncEnumerable<ContainerUsage> StatsAsync(string id, CancellationToken ct);

    /// <summary>Frames of the container's log as the engine sends them, in order.</summary>
    IAsyncEnumerable<LogFrame> LogsAsync(string id, LogQuery query, CancellationToken ct);

    /// <summary>Runs argv in the running container and streams stdout; answers the exit code and the first 4 KiB of stderr.</summary>
    Task<ExecResult> ExecAsync(
        string id,
        IReadOnlyList<string> argv,
        Func<ReadOnlyMemory<byte>, ValueTask> onOutput,
        CancellationToken ct
    );

    /// <summary>
    /// Runs argv in the running container on a terminal of its own: as the container's user, in its folder, with its variables and
    /// <paramref name="env"/>. A program that is not there is told as what came out, with exit code 126 or 127.
    /// </summary>
    Task<IEngineTerminal> OpenTerminalAsync(
        string id,
        IReadOnlyList<string> argv,
        IReadOnlyDictionary<string, string> env,
        CancellationToken ct
    );

    /// <summary>Unpacks an uncompressed tar below <paramref name="path"/>; numeric owners are kept.</summary>
    Task PutArchiveAsync(string id, string path, Stream tar, CancellationToken ct);

    /// <summary>
    /// What stands at <paramref name="path"/>, of a running or an ended container; null where nothing does, or where the
    /// container is gone. Costs the engine a hundredth of an exec.
    /// </summary>
    Task<PathStat?> StatAsync(string id, string path, CancellationToken ct);

    /// <summary>
    /// A tar of what stands at <paramref name="path"/>, of a running or an ended container; null where nothing stands
    /// there. Reading it throws <see cref="IOException"/> when the connection breaks.
    /// </summary>
    Task<Stream?> GetArchiveAsync(string id, string path, CancellationToken ct);

    /// <summary>
    /// Keeps what a container's files are now, without its volumes, as an image of this reference; a running one is paused
    /// meanwhile. The image's configuration is that of the image the container was made from: nothing of the container's own
    /// environment, command or labels is in it, but the labels given here.
    /// </summary>
    Task<ImageInfo> CommitAsync(
        string container,
        string reference,
        IReadOnlyDictionary<string, string> labels,
        CancellationToken ct
    );

    /// <summary>The image as a tar, with all of its layers; reading it throws <see cref="IOException"/> when the connection breaks.</summary>
    Task<Stream> SaveImageAsync(string reference, CancellationToken ct);

    /// <summary>Takes images from such a tar, which is read once, to its end.</summary>
    Task LoadImageAsync(Stream tar, CancellationToken ct);

    /// <summary>
    /// Builds an image from an uncompressed tar that holds a `Dockerfile`. What the build does wrong is an
    /// <see cref="EngineException"/>; cancelling ends the build on the engine too.
    /// </summary>
    /// <param name="onText">what the build says, in pieces</param>
    Task BuildImageAsync(
        Stream context,
        string reference,
        IReadOnlyDictionary<string, string> labels,
        Action<string> onText,
        CancellationToken ct
    );

    /// <summary>Takes a reference away, and with the last one the image. Gone already is fine; one that a container has is <see cref="EngineErrorKind.Conflict"/>.</summary>
    Task RemoveImageAsync(string reference, CancellationToken ct);

    /// <summary>Images that this installation made, by their label.</summary>
    Task<IReadOnlyList<OwnImage>> OwnImagesAsync(string installId, CancellationToken ct);

    /// <summary>References (`name:tag`) of the images it has.</summary>
    Task<IReadOnlyList<string>> ImagesAsync(CancellationToken ct);

    /// <summary>Asks the registry of an image, from the engine's own place in the network: null where it answers, else why not.</summary>
    Task<string?> WhyNoRegistryAsync(string reference, CancellationToken ct);

    /// <summary>Nodes of the Swarm that this engine manages; null where it manages none.</summary>
    Task<IReadOnlyList<SwarmNode>?> NodesAsync(CancellationToken ct);

    /// <summary>
    /// Makes an attachable overlay network of this name, or finds the one that is there, and sees that the Swarm gave it
    /// addresses; where it has none left, <see cref="EngineErrorKind.NetworkNotReady"/>. Managers only.
    /// </summary>
    Task EnsureNetworkAsync(string name, IReadOnlyDictionary<string, string> labels, CancellationToken ct);

    /// <summary>
    /// Makes this network on the host, or finds the one that is there; one of that name that is not so is
    /// <see cref="EngineErrorKind.NameTaken"/>. Where no subnet is free, <see cref="EngineErrorKind.NetworkNotReady"/>.
    /// </summary>
    Task EnsureBridgeAsync(BridgePlan plan, CancellationToken ct);

    /// <summary>One that is gone already is fine; one that is still in use is <see cref="EngineErrorKind.Conflict"/>.</summary>
    Task RemoveNetworkAsync(string name, CancellationToken ct);

    /// <summary>Volumes that carry our label of this installation.</summary>
    Task<IReadOnlyList<VolumeSummary>> VolumesAsync(string installId, CancellationToken ct);

    /// <summary>One that is gone already is fine; one that a container still has is <see cref="EngineErrorKind.Conflict"/>.</summary>
    Task RemoveVolumeAsync(string name, CancellationToken ct);

    /// <summary>Names of networks that carry our label of this installation.</summary>
    Task<IReadOnlyList<string>> NetworksAsync(string installId, CancellationToken ct);
}

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

public enum EngineErrorKind
{
    NotFound,
    NameTaken,
    ImageNotFound,
    CommandNotFound,
    CommandNotExecutable,
    NoSuchDevice,
    DiskFull,

    /// <summary>A network is not there on this host, or not yet, or has no addresses.</summary>
    NetworkNotReady,

    /// <summary>A port of the host that it was to publish is taken.</summary>
    PortTaken,
    BadRequest,
    Conflict,
    Other,
}

public sealed class EngineException(EngineErrorKind kind, string message, Exception? inner = null)
    : Exception(message, inner)
{
    public EngineErrorKind Kind { get; } = kind;
}

public sealed class EngineUnreachableException(string message, Exception? inner = null) : Exception(message, inner);

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

/// <summary>
/// Everything a container is made from, in typed values. <see cref="HostConfigs"/> turns it into the engine's own
/// structure; nothing a user wrote reaches the engine by another way.
/// </summary>
public sealed record ContainerPlan
{
    public required string Name { get; init; }
    public required string Image { get; init; }
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>In place of the image's; empty = the image's.</summary>
    public IReadOnlyList<string> Entrypoint { get; init; } = [];
    public required IReadOnlyDictionary<string, string> Env { get; init; }
    public required IReadOnlyDictionary<string, string> Labels { get; init; }
    public required double Cpus { get; init; }

    /// <summary>bytes</summary>
    public required long Memory { get; init; }

    /// <summary>bytes</summary>
    public required long Shm { get; init; }
    public IReadOnlyList<string> GpuUuids { get; init; } = [];
    public string? WorkingDirectory { get; init; }
    public string Hostname { get; init; } = "";

    /// <summary>The network that it joins first and only; null = the engine's own bridge, or its host's.</summary>
    public string? Network { get; init; }

    /// <summary>Name by which others on <see cref="Network"/> find it; null = none.</summary>
    public string? NetworkAlias { get; init; }

    /// <summary>Name of the console's own volume for checkpoints, made with the container where the engine lacks it; null = none.</summary>
    public string? CheckpointVolume { get; init; }

    /// <summary>Where <see cref="CheckpointVolume"/> is mounted.</summary>
    public string CheckpointPath { get; init; } = "";

    /// <summary>Name of an environment's home volume, made with the container where the engine lacks it; null = none.</summary>
    public string? HomeVolume { get; init; }

    /// <summary>Where <see cref="HomeVolume"/> is mounted.</summary>
    public string HomePath { get; init; } = "";

    /// <summary>Event files of jobs: its own to write, or those of others to read.</summary>
    public IReadOnlyList<PlannedEventFiles> EventFiles { get; init; } = [];

    /// <summary>Ports of the container that its host publishes.</summary>
    public IReadOnlyList<PublishedPort> Ports { get; init; } = [];

    /// <summary>Volumes of the lab.</summary>
    public IReadOnlyList<PlannedMount> Mounts { get; init; } = [];

    /// <summary>`uid:gid`; null = the policy's own non-root user.</summary>
    public string? User { get; init; }
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Probes only: sees every GPU of its host.</summary>
    public bool AllGpus { get; init; }

    /// <summary>Probes only: sees its host's processes.</summary>
    public bool HostPids { get; init; }

    /// <summary>It has its host's network in place of <see cref="Network"/>.</summary>
    public bool HostNetwork { get; init; }

    /// <summary>
    /// The wall only: rules its host's network, as root with that one capability. A plan with anybody's workload in it that
    /// asks for this is refused.
    /// </summary>
    public bool RulesNetwork { get; init; }

    /// <summary>Names that it knows beside those of its network, each with an IP address.</summary>
    public IReadOnlyList<(string Name, string Address)> KnownHosts { get; init; } = [];

    /// <summary>Bytes after which the engine rotates its log file; null = the policy's own.</summary>
    public long? LogMaxSize { get; init; }
}

/// <summary>A volume of the lab, as a container sees it.</summary>
/// <param name="Source">name of the engine's own volume, or the path that an admin approved on the host</param>
/// <param name="Target">absolute path in the container</param>
public sealed record PlannedMount(string Name, string Source, bool IsPath, string Target, bool ReadOnly);

/// <summary>The console's own volume for a job's event files, made with the container where the engine lacks it.</summary>
/// <param name="WorkloadId">the job that they are of</param>
/// <param name="Target">absolute path in the container</param>
public sealed record PlannedEventFiles(string Source, long WorkloadId, string Target, bool ReadOnly);

/// <param name="Address">IP address of the host: published there and nowhere else</param>
/// <param name="Port">of the host</param>
/// <param name="ContainerPort">TCP port inside</param>
public sealed record PublishedPort(string Address, int Port, int ContainerPort);

public static class Labels
{
    public const string Install = "deeplab.install";
    public const string Workload = "deeplab.workload";
    public const string Attempt = "deeplab.attempt";
    public const string Replica = "deeplab.replica";
    public const string SpecHash = "deeplab.spec";

    /// <summary>When its attempt was leased: a database that was put back to an older copy gives the same ids to others.</summary>
    public const string Leased = "deeplab.leased";

    /// <summary>Name of the lab's volume that an engine's own volume is.</summary>
    public const string Volume = "deeplab.volume";

    /// <summary>Id of the environment whose home an engine's volume is.</summary>
    public const string Home = "deeplab.home";

    /// <summary>Installation, on the network of a host that all its single containers are on.</summary>
    public const string Lab = "deeplab.lab";

    /// <summary>`gpu`, `host`, `wall` or `pair` on the console's own containers, which carry no attempt.</summary>
    public const string Probe = "deeplab.probe";

    /// <summary>Id of the attempt that a container says it is of; null where it names none.</summary>
    public static long? AttemptOf(IReadOnlyDictionary<string, string> labels) =>
        labels.TryGetValue(Attempt, out var text) && long.TryParse(text, CultureInfo.InvariantCulture, out var id)
            ? id
            : null;
}

/// <summary>
/// Where an image of ours comes from. Names of their own: a container has its image's labels too, and one that somebody starts
/// by hand must not look like an attempt of ours.
/// </summary>
public static class ImageLabels
{
    /// <summary>Id of the installation that made it.</summary>
    public const string Install = "deeplab.image";
    public const string Workload = "deeplab.image.workload";
    public const string Attempt = "deeplab.image.attempt";
    public const string By = "deeplab.image.by";

    /// <summary>ISO 8601, UTC.</summary>
    public const string At = "deeplab.image.at";
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

/// <summary>
/// A program on a terminal of its own. One reads and one writes at a time. Disposing leaves it, and the program goes on: an engine
/// tells it nothing.
/// </summary>
/// <exception cref="EngineException">The engine answered with an error.</exception>
/// <exception cref="EngineUnreachableException">The connection broke.</exception>
public interface IEngineTerminal : IDisposable
{
    /// <summary>Raw bytes of what it says, at least one; 0 when it has ended. The engine waits for who does not read.</summary>
    Task<int> ReadAsync(ArraySegment<byte> into, CancellationToken ct);

    /// <summary>Returns when the engine took it all, which a program that does not read may put off for ever.</summary>
    Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken ct);

    Task ResizeAsync(int columns, int rows, CancellationToken ct);

    /// <summary>Null while it runs, and where the engine does not know any more.</summary>
    Task<int?> ExitCodeAsync(CancellationToken ct);
}

/// <summary>Makes and keeps one engine client per address.</summary>
public interface IEngineFactory
{
    /// <param name="address">`unix:///path` or `tcp://address:port`</param>
    /// <param name="sealedCredentials">CA, client certificate and key, sealed; null for a socket on this machine</param>
    IContainerEngine Get(string address, string? sealedCredentials = null);
}
