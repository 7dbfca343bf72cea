using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Reconcile.Pairs;
using DeepLab.Core.Storage;
using DeepLab.Core.Streams;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>What every driver of this process shares.</summary>
public sealed class DriverTools(
    AttemptWrites writes,
    HostWrites hosts,
    JobFiles files,
    JobMounts mounts,
    ImageNames images,
    TelemetryStarter telemetry,
    LogReader logs,
    JobNetworks networks,
    EnvironmentTools environments,
    CheckpointTools checkpoints,
    WallPolicy wall,
    PairChecks pairs,
    Failpoints failpoints,
    InstallationId installation,
    TimeProvider time,
    ILogger<DriverTools> logger
)
{
    public AttemptWrites Writes { get; } = writes;
    public HostWrites Hosts { get; } = hosts;
    public JobFiles Files { get; } = files;
    public JobMounts Mounts { get; } = mounts;
    public ImageNames Images { get; } = images;
    public TelemetryStarter Telemetry { get; } = telemetry;
    public LogReader Logs { get; } = logs;
    public JobNetworks Networks { get; } = networks;
    public EnvironmentTools Environments { get; } = environments;
    public CheckpointTools Checkpoints { get; } = checkpoints;
    public WallPolicy Wall { get; } = wall;
    public PairChecks Pairs { get; } = pairs;
    public Failpoints Failpoints { get; } = failpoints;
    public string InstallId => installation.Value;
    public TimeProvider Time { get; } = time;
    public ILogger Logger { get; } = logger;
}

/// <summary>Turns a catalogue's name into an image reference; anything else is a reference already.</summary>
public sealed class ImageNames(IDbContextFactory<ConsoleDb> databases)
{
    /// <param name="ownerId">whose workload it is: what others keep to themselves is no name for it</param>
    public async Task<string> ResolveAsync(string image, Guid ownerId, CancellationToken ct)
    {
        // A name in the catalogue has neither registry nor tag
        if (image.AsSpan().IndexOfAny('/', ':', '@') >= 0)
        {
            return image;
        }
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db
                .Images.Where(i => i.Name == image && (i.Shared || i.OwnerId == ownerId))
                .Select(i => i.Reference)
                .SingleOrDefaultAsync(ct)
            ?? image;
    }
}
