namespace DeepLab.Core.Metrics;

/// <summary>Reads series for charts.</summary>
public sealed class SeriesReader
{
    public Task<IReadOnlyList<SeriesInfo>> ListAsync(SeriesOwner owner, string ownerId, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");

    /// <summary>
    /// The points of the range in at most <paramref name="maxPoints"/> buckets (least, mean, greatest), by the finest
    /// resolution that is still kept. Buckets are by step where <paramref name="byStep"/>, else by time.
    /// </summary>
    public Task<ChartSeries> ChartAsync(SeriesInfo series, long fromUnixMillis, long toUnixMillis, int maxPoints, bool byStep, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");

    /// <summary>Raw points after a position, oldest first: what a live chart asks for after its first drawing.</summary>
    public Task<IReadOnlyList<SeriesPoint>> TailAsync(long seriesId, long afterUnixMillis, long afterStep, int limit, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");
}

/// <summary>The newest readings, in memory.</summary>
public sealed class LatestReadings
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, GpuReading> _gpus = new();
    private readonly System.Collections.Concurrent.ConcurrentDictionary<Guid, HostReading> _hosts = new();

    public void Set(GpuReading r) => _gpus[r.Uuid] = r;

    public void Set(HostReading r) => _hosts[r.HostId] = r;

    public GpuReading? Gpu(string uuid) => _gpus.GetValueOrDefault(uuid);

    public HostReading? Host(Guid id) => _hosts.GetValueOrDefault(id);
}
