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
