namespace DeepLab.Core.Metrics;

public enum SeriesOwner
{
    /// <summary>Owner id = attempt id: the container's own use.</summary>
    Attempt,

    /// <summary>Owner id = workload id: the program's own curves.</summary>
    Job,

    /// <summary>Owner id = the host's id.</summary>
    Host,

    /// <summary>Owner id = the GPU's UUID.</summary>
    Gpu,
}

/// <summary>
/// Names one series. <see cref="Source"/> tells apart like-named curves of one job: `worker-0/1` (replica and attempt),
/// with the run's folder behind it where the program writes several. Names of the console's own series are in
/// <see cref="SeriesNames"/>.
/// </summary>
public sealed record SeriesKey(SeriesOwner Owner, string OwnerId, string Name, string Source = "");

/// <summary>One reading. <see cref="Step"/> is the program's step for curves and 0 for samples of the machine.</summary>
public readonly record struct SeriesPoint(long Step, long UnixMillis, double Value);

public static class SeriesNames
{
    /// <summary>cores</summary>
    public const string Cpu = "cpu";

    /// <summary>bytes</summary>
    public const string Memory = "memory";

    /// <summary>bytes per second</summary>
    public const string NetworkRead = "network.read";

    /// <summary>bytes per second</summary>
    public const string NetworkWrite = "network.write";

    /// <summary>bytes per second</summary>
    public const string BlockRead = "block.read";

    /// <summary>bytes per second</summary>
    public const string BlockWrite = "block.write";

    /// <summary>percent, 0-100</summary>
    public const string GpuUtilisation = "gpu.utilisation";

    /// <summary>bytes</summary>
    public const string GpuMemory = "gpu.memory";

    /// <summary>degrees Celsius</summary>
    public const string GpuTemperature = "gpu.temperature";

    /// <summary>watts</summary>
    public const string GpuPower = "gpu.power";

    /// <summary>bytes used of the file system that holds the engine's data</summary>
    public const string Disk = "disk";
}

/// <summary>One durable series.</summary>
public sealed record SeriesInfo(long Id, SeriesKey Key, long Points, SeriesPoint? Last);

/// <summary>A packed run of points. <see cref="Resolution"/> is 0 for raw points, else the bucket's width in seconds.</summary>
public sealed record SeriesBlock(
    long SeriesId,
    int Resolution,
    long FirstUnixMillis,
    long LastUnixMillis,
    long FirstStep,
    long LastStep,
    int Count,
    byte[] Data
);

/// <summary>
/// Durable home of series; implemented in Storage. A series has at most one open block, which is written again until it
/// holds about 1,000 points.
/// </summary>
public interface ISeriesStore
{
    /// <summary>Ids of the series, made where they are new.</summary>
    Task<IReadOnlyDictionary<SeriesKey, long>> EnsureAsync(IReadOnlyCollection<SeriesKey> keys, CancellationToken ct);
    Task<IReadOnlyList<SeriesInfo>> ListAsync(SeriesOwner owner, string ownerId, CancellationToken ct);

    /// <summary>The raw block that may still grow, by series; series without one are left out.</summary>
    Task<IReadOnlyDictionary<long, SeriesBlock>> FindOpenBlocksAsync(
        IReadOnlyCollection<long> seriesIds,
        CancellationToken ct
    );

    /// <summary>Writes blocks; one with the same series, resolution and first time is replaced. One transaction.</summary>
    Task WriteAsync(IReadOnlyCollection<SeriesBlock> blocks, CancellationToken ct);

    /// <summary>Blocks of one series that touch the time range, in order.</summary>
    Task<IReadOnlyList<SeriesBlock>> ReadAsync(
        long seriesId,
        int resolution,
        long fromUnixMillis,
        long toUnixMillis,
        CancellationToken ct
    );

    /// <summary>Where the reader of a job's event files stands, as it wrote it; null before the first time.</summary>
    Task<string?> FindEventCursorAsync(long attemptId, CancellationToken ct);

    /// <summary>Blocks and the event-file cursor in one transaction, so that no point is doubled after a crash.</summary>
    Task WriteAsync(IReadOnlyCollection<SeriesBlock> blocks, long attemptId, string eventCursor, CancellationToken ct);
}

/// <summary>A point of a drawn line: the bucket's least, mean and greatest value.</summary>
public readonly record struct ChartPoint(long Step, long UnixMillis, double Min, double Mean, double Max);

public sealed record ChartSeries(SeriesKey Key, IReadOnlyList<ChartPoint> Points, long TotalPoints);

/// <summary>The last reading of one GPU, kept in memory for the overview.</summary>
public sealed record GpuReading(
    string Uuid,
    DateTimeOffset At,
    double UtilisationPercent,
    long MemoryUsedBytes,
    double TemperatureCelsius,
    double PowerWatts
);

/// <summary>The last reading of one host.</summary>
public sealed record HostReading(
    Guid HostId,
    DateTimeOffset At,
    double CpuCores,
    long MemoryUsedBytes,
    long DiskUsedBytes,
    long DiskTotalBytes
);
