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
/// <param name="Data">empty where only groups were asked for</param>
/// <param name="Groups">of raw points, for charts; null where there are none</param>
public sealed record SeriesBlock(
    long SeriesId,
    int Resolution,
    long FirstUnixMillis,
    long LastUnixMillis,
    long FirstStep,
    long LastStep,
    int Count,
    byte[] Data,
    byte[]? Groups = null
);

/// <summary>What one batch brought for the series of one shelf, packed: durable before there is enough of it for blocks.</summary>
/// <param name="Id">0 where it does not matter</param>
public sealed record ShelfRow(long Shelf, byte[] Data, long Id = 0);

/// <summary>What becomes durable together.</summary>
/// <param name="Obsolete">rows whose points are all in blocks, with these</param>
public sealed record SeriesWrite(
    IReadOnlyCollection<SeriesBlock> Blocks,
    IReadOnlyCollection<ShelfRow> Rows,
    IReadOnlyCollection<(long Shelf, long Id)> Obsolete
);

/// <summary>The last block of a series and the points behind it that are in no block yet, by time.</summary>
public sealed record SeriesOpen(SeriesBlock? Last, IReadOnlyList<SeriesPoint> Points);

/// <summary>Blocks in order of time, and the points behind the last of them that are in no block yet, by time.</summary>
/// <param name="Open">left out where the limit of blocks was met; those outside the range are to be passed over</param>
public sealed record SeriesRead(IReadOnlyList<SeriesBlock> Blocks, IReadOnlyList<SeriesPoint> Open);

public enum SeriesDetail
{
    /// <summary>The points of each block.</summary>
    Points,

    /// <summary>The groups of each block; the points only of those without groups.</summary>
    Groups,
}

/// <summary>
/// Durable home of series; implemented in Storage. Points come in rows of shelves, and go into blocks of about 1,000 when
/// there are enough of them: a block begins later than all before it end, and what rows hold of times that blocks have
/// reached is not counted again.
/// </summary>
public interface ISeriesStore
{
    /// <summary>Ids of the series, made where they are new.</summary>
    Task<IReadOnlyDictionary<SeriesKey, long>> EnsureAsync(IReadOnlyCollection<SeriesKey> keys, CancellationToken ct);
    Task<IReadOnlyList<SeriesInfo>> ListAsync(SeriesOwner owner, string ownerId, CancellationToken ct);

    /// <summary>Where series go on, by id and resolution; those without any point are left out.</summary>
    Task<IReadOnlyDictionary<(long SeriesId, int Resolution), SeriesOpen>> FindEndsAsync(
        IReadOnlyCollection<long> seriesIds,
        CancellationToken ct
    );

    /// <summary>
    /// Adds rows, one a shelf, and answers their ids by shelf; writes blocks, one with the same series, resolution and first time
    /// is replaced. One transaction.
    /// </summary>
    Task<IReadOnlyDictionary<long, long>> WriteAsync(SeriesWrite write, CancellationToken ct);

    /// <summary>The same with the event-file cursor, so that no point is doubled after a crash.</summary>
    Task<IReadOnlyDictionary<long, long>> WriteAsync(
        SeriesWrite write,
        long attemptId,
        string eventCursor,
        CancellationToken ct
    );

    /// <summary>The first blocks of one series that touch the time range, at most so many, and what is in none.</summary>
    Task<SeriesRead> ReadAsync(
        long seriesId,
        int resolution,
        long fromUnixMillis,
        long toUnixMillis,
        SeriesDetail detail,
        int mostBlocks,
        CancellationToken ct
    );

    /// <summary>Raw blocks of one series with their points, by their first times, in order.</summary>
    Task<IReadOnlyList<SeriesBlock>> ReadBlocksAsync(
        long seriesId,
        IReadOnlyCollection<long> firstUnixMillis,
        CancellationToken ct
    );

    /// <summary>Shelves that have rows, the newest of them that old.</summary>
    Task<IReadOnlyCollection<long>> FindQuietShelvesAsync(TimeSpan age, int limit, CancellationToken ct);

    /// <summary>
    /// Makes one row of those of each shelf, or blocks where <paramref name="settle"/>; the points stay the same. One
    /// transaction, safe to run twice at once.
    /// </summary>
    Task FoldAsync(IReadOnlyCollection<long> shelves, bool settle, CancellationToken ct);

    /// <summary>Where the reader of a job's event files stands, as it wrote it; null before the first time.</summary>
    Task<string?> FindEventCursorAsync(long attemptId, CancellationToken ct);
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
