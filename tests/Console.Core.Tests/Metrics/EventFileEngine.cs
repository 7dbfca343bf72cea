using System.Formats.Tar;
using System.Text;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Tests.Metrics;

/// <summary>An engine with one container, which answers the collector's script and its wish for the folder's tar.</summary>
internal sealed class EventFileEngine : IContainerEngine
{
    public SortedDictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>Called before each round; may change the files, cut the answer or throw.</summary>
    public Func<int, int?> OnRound { get; set; } = _ => null;
    public bool HasFolder { get; set; } = true;
    public int Rounds { get; private set; }

    /// <summary>Called before each look at the folder; answers what stands there.</summary>
    public Func<int, PathStat?> OnStat { get; set; } = _ => new PathStat(IsFolder: true, DateTimeOffset.UtcNow);
    public int Stats { get; private set; }
    public ExecResult Result { get; set; } = new(0, "");

    public async Task<ExecResult> ExecAsync(
        string id,
        IReadOnlyList<string> argv,
        Func<ReadOnlyMemory<byte>, ValueTask> onOutput,
        CancellationToken ct
    )
    {
        ct.ThrowIfCancellationRequested();
        var cut = OnRound(++Rounds);
        using var output = new MemoryStream();
        var left = int.Parse(argv[5]);
        foreach (var (name, bytes) in Files.Where(_ => Result.ExitCode == 0))
        {
            var at = argv.Skip(8).ToList().IndexOf(name);
            var start = at < 0 ? 0 : long.Parse(argv[8 + at + 1]);
            if (left == 0 || start >= bytes.Length)
            {
                continue;
            }
            var length = (int)Math.Min(left, bytes.Length - start);
            output.Write(Encoding.UTF8.GetBytes($"./{name}\n{start} {length}\n"));
            output.Write(bytes, (int)start, length);
            left -= length;
        }
        foreach (var piece in output.ToArray().Take(cut ?? int.MaxValue).Chunk(30_000))
        {
            await onOutput(piece);
        }
        return Result;
    }

    public Task<PathStat?> StatAsync(string id, string path, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        return Task.FromResult(OnStat(++Stats));
    }

    public async Task<Stream?> GetArchiveAsync(string id, string path, CancellationToken ct)
    {
        if (!HasFolder)
        {
            return null;
        }
        var tar = new MemoryStream();
        await using (var writer = new TarWriter(tar, leaveOpen: true))
        {
            await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.Directory, "./"), ct);
            await writer.WriteEntryAsync(
                new PaxTarEntry(TarEntryType.SymbolicLink, "./events.out.tfevents.9") { LinkName = "/etc/passwd" },
                ct
            );
            foreach (var (name, bytes) in Files)
            {
                await writer.WriteEntryAsync(
                    new PaxTarEntry(TarEntryType.RegularFile, $"./{name}") { DataStream = new MemoryStream(bytes) },
                    ct
                );
            }
        }
        return new Unseekable(tar.ToArray());
    }

    public Task<ImageInfo> CommitAsync(
        string container,
        string reference,
        IReadOnlyDictionary<string, string> labels,
        CancellationToken ct
    ) => throw new NotSupportedException();

    public Task<Stream> SaveImageAsync(string reference, CancellationToken ct) => throw new NotSupportedException();

    public Task LoadImageAsync(Stream tar, CancellationToken ct) => throw new NotSupportedException();

    public Task BuildImageAsync(
        Stream context,
        string reference,
        IReadOnlyDictionary<string, string> labels,
        Action<string> onText,
        CancellationToken ct
    ) => throw new NotSupportedException();

    public Task RemoveImageAsync(string reference, CancellationToken ct) => throw new NotSupportedException();

    public Task<IReadOnlyList<OwnImage>> OwnImagesAsync(string installId, CancellationToken ct) =>
        throw new NotSupportedException();

    public Task<IEngineTerminal> OpenTerminalAsync(
        string id,
        IReadOnlyList<string> argv,
        IReadOnlyDictionary<string, string> env,
        CancellationToken ct
    ) => throw new NotSupportedException();

    public Task<IReadOnlyList<string>> ImagesAsync(CancellationToken ct) => throw new NotSupportedException();

    public Task<string?> WhyNoRegistryAsync(string reference, CancellationToken ct) =>
        throw new NotSupportedException();

    public Task<IReadOnlyList<SwarmNode>?> NodesAsync(CancellationToken ct) => throw new NotSupportedException();

    public Task EnsureNetworkAsync(string name, IReadOnlyDictionary<string, string> labels, CancellationToken ct) =>
        throw new NotSupportedException();

    public Task EnsureBridgeAsync(BridgePlan plan, CancellationToken ct) => throw new NotSupportedException();

    public Task RemoveNetworkAsync(string name, CancellationToken ct) => throw new NotSupportedException();

    public Task<IReadOnlyList<VolumeSummary>> VolumesAsync(string installId, CancellationToken ct) =>
        throw new NotSupportedException();

    public Task RemoveVolumeAsync(string name, CancellationToken ct) => throw new NotSupportedException();

    public Task<IReadOnlyList<string>> NetworksAsync(string installId, CancellationToken ct) =>
        throw new NotSupportedException();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    public Task<EngineInfo> InfoAsync(CancellationToken ct) => throw new NotSupportedException();

    public Task<ImageInfo?> FindImageAsync(string reference, CancellationToken ct) => throw new NotSupportedException();

    public Task PullAsync(string reference, IProgress<PullProgress>? progress, CancellationToken ct) =>
        throw new NotSupportedException();

    public Task<string> CreateAsync(ContainerPlan plan, CancellationToken ct) => throw new NotSupportedException();

    public Task StartAsync(string id, CancellationToken ct) => throw new NotSupportedException();

    public Task StopAsync(string id, TimeSpan grace, CancellationToken ct) => throw new NotSupportedException();

    public Task RemoveAsync(string id, bool force, CancellationToken ct) => throw new NotSupportedException();

    public Task<ContainerReport?> InspectAsync(string idOrName, CancellationToken ct) =>
        Task.FromResult<ContainerReport?>(
            new(
                idOrName,
                "",
                "",
                ContainerState.Running,
                1,
                0,
                false,
                "",
                null,
                null,
                new Dictionary<string, string>(),
                []
            )
        );

    public Task<IReadOnlyList<ContainerSummary>> ListAsync(string installId, CancellationToken ct) =>
        throw new NotSupportedException();

    public IAsyncEnumerable<EngineEvent> EventsAsync(string installId, CancellationToken ct) =>
        throw new NotSupportedException();

    public IAsyncEnumerable<ContainerUsage> StatsAsync(string id, CancellationToken ct) =>
        throw new NotSupportedException();

    public IAsyncEnumerable<LogFrame> LogsAsync(string id, LogQuery query, CancellationToken ct) =>
        throw new NotSupportedException();

    public Task PutArchiveAsync(string id, string path, Stream tar, CancellationToken ct) =>
        throw new NotSupportedException();

    /// <summary>As it comes over a connection: forward only.</summary>
    private sealed class Unseekable(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
