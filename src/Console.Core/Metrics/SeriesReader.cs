namespace DeepLab.Core.Metrics;

/// <summary>Reads series for charts.</summary>
public sealed class SeriesReader(ISeriesStore store)
{
    /// <summary>About as many blocks as one chart reads; a job's curve, which has no roll-ups, may take more.</summary>
    private const int MostBlocks = 50;
    private const long BucketsPerBlock = SeriesBlocks.RollUpPoints / SeriesRollUp.PointsPerBucket;

    /// <summary>milliseconds that raw readings, one a second, may span</summary>
    private const long MostRawSpan = MostBlocks * SeriesBlocks.RawPoints * 1_000L;

    public Task<IReadOnlyList<SeriesInfo>> ListAsync(SeriesOwner owner, string ownerId, CancellationToken ct) =>
        store.ListAsync(owner, ownerId, ct);

    /// <summary>
    /// The points of the range in at most <paramref name="maxPoints"/> buckets (least, mean, greatest), by the finest
    /// resolution that is still kept and does not take too many blocks. Buckets are by step where
    /// <paramref name="byStep"/>, else by time; one stands at its last point.
    /// </summary>
    /// <param name="steps">of a job's curve, only points between these, both inclusive; null = all</param>
    public async Task<ChartSeries> ChartAsync(
        SeriesInfo series,
        long fromUnixMillis,
        long toUnixMillis,
        int maxPoints,
        bool byStep,
        CancellationToken ct,
        (long From, long To)? steps = null
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxPoints, 1);
        if (series.Last is not { } last || fromUnixMillis > toUnixMillis)
        {
            return new ChartSeries(series.Key, [], series.Points);
        }
        var samples =
            series.Key.Owner == SeriesOwner.Job
                ? await ReadCurveAsync(series, fromUnixMillis, toUnixMillis, maxPoints, byStep, steps, ct)
                : await ReadMachineAsync(series, fromUnixMillis, Math.Min(toUnixMillis, last.UnixMillis), ct);
        if (steps is { } part)
        {
            samples.RemoveAll(s => s.Step < part.From || s.Step > part.To);
        }
        return new ChartSeries(series.Key, ChartBuckets.Draw(samples, maxPoints, byStep), series.Points);
    }

    /// <summary>Least and greatest value of a whole curve; not a number where nothing of it is.</summary>
    public async Task<(double Least, double Greatest)> ExtremesAsync(SeriesInfo series, CancellationToken ct)
    {
        // One bucket holds both
        var chart = await ChartAsync(series, 0, long.MaxValue, 1, byStep: true, ct);
        return chart.Points.Count > 0 ? (chart.Points[0].Min, chart.Points[0].Max) : (double.NaN, double.NaN);
    }

    /// <summary>
    /// Raw points after a position, oldest first: what a live chart asks for after its first drawing. Points of the same
    /// millisecond follow each other by step.
    /// </summary>
    public async Task<IReadOnlyList<SeriesPoint>> TailAsync(
        long seriesId,
        long afterUnixMillis,
        long afterStep,
        int limit,
        CancellationToken ct
    )
    {
        var found = new List<SeriesPoint>();
        var from = afterUnixMillis;
        while (true)
        {
            // One more block than the points fill: the position may be within the first
            var most = limit / SeriesBlocks.RawPoints + 2;
            var read = await store.ReadAsync(seriesId, 0, from, long.MaxValue, SeriesDetail.Points, most, ct);
            foreach (var block in read.Blocks)
            {
                AddAfter(found, SeriesBlocks.Unpack(block), afterUnixMillis, afterStep);
            }
            // Blocks follow each other in time, so no later one holds an earlier point
            if (found.Count >= limit || read.Blocks.Count < most)
            {
                if (read.Blocks.Count < most)
                {
                    AddAfter(found, read.Open, afterUnixMillis, afterStep);
                }
                break;
            }
            from = read.Blocks[^1].LastUnixMillis + 1;
        }
        found.Sort(
            (a, b) => a.UnixMillis != b.UnixMillis ? a.UnixMillis.CompareTo(b.UnixMillis) : a.Step.CompareTo(b.Step)
        );
        if (found.Count > limit)
        {
            found.RemoveRange(limit, found.Count - limit);
        }
        return found;
    }

    private static void AddAfter(List<SeriesPoint> found, IReadOnlyList<SeriesPoint> points, long millis, long step)
    {
        for (var i = 0; i < points.Count; i++)
        {
            var p = points[i];
            if (p.UnixMillis > millis || (p.UnixMillis == millis && p.Step > step))
            {
                found.Add(p);
            }
        }
    }

    private async Task<List<ChartPointSample>> ReadMachineAsync(
        SeriesInfo series,
        long from,
        long to,
        CancellationToken ct
    )
    {
        var resolution = 0;
        var samples = new List<ChartPointSample>();
        if (series.Points > MostBlocks * SeriesBlocks.RawPoints && to - Math.Max(from, 0) > MostRawSpan)
        {
            samples = await ReadRollUpAsync(series.Id, 300, from, to, ct);
            var begin = samples.Count > 0 ? samples[0].UnixMillis : from;
            resolution = Finest(to - begin);
        }
        samples = resolution switch
        {
            0 => await ReadRawAsync(series.Id, from, to, ct),
            300 => samples,
            _ => await ReadRollUpAsync(series.Id, resolution, from, to, ct),
        };
        // Behind the last whole bucket, raw points go on
        if (resolution > 0)
        {
            var rest = samples.Count > 0 ? samples[^1].UnixMillis + resolution * 1_000L : from;
            samples.AddRange(await ReadRawAsync(series.Id, Math.Max(rest, to - MostRawSpan), to, ct));
        }
        // Before the first that is kept so fine, coarser ones may still be
        foreach (var coarser in SeriesRollUp.Resolutions.Where(r => r > resolution))
        {
            var begin = samples.Count > 0 ? samples[0].UnixMillis : to + 1;
            var most = MostBlocks * BucketsPerBlock * coarser * 1_000;
            var earlier = await ReadRollUpAsync(series.Id, coarser, Math.Max(from, begin - most), begin - 1, ct);
            earlier.RemoveAll(s => s.UnixMillis + coarser * 1_000L > begin);
            samples.InsertRange(0, earlier);
        }
        return samples;
    }

    private static int Finest(long span) =>
        span <= MostRawSpan ? 0
        : span <= MostBlocks * BucketsPerBlock * 10_000 ? 10
        : 300;

    private async Task<List<ChartPointSample>> ReadRawAsync(long id, long from, long to, CancellationToken ct)
    {
        var read = await store.ReadAsync(id, 0, from, to, SeriesDetail.Points, int.MaxValue, ct);
        var samples = new List<ChartPointSample>(read.Blocks.Sum(b => b.Count) + read.Open.Count);
        foreach (var block in read.Blocks)
        {
            AddRaw(samples, SeriesBlocks.Unpack(block), from, to);
        }
        AddRaw(samples, read.Open, from, to);
        return samples;
    }

    /// <summary>
    /// A job's curve. Where a bucket of the chart is at least as wide as a group of points, groups are enough; where points
    /// are fewer, or the range cuts a block, its points are read.
    /// </summary>
    /// <param name="steps">nothing between them is left out; what lies beside them may come along</param>
    private async Task<List<ChartPointSample>> ReadCurveAsync(
        SeriesInfo series,
        long from,
        long to,
        int maxPoints,
        bool byStep,
        (long From, long To)? steps,
        CancellationToken ct
    )
    {
        var (firstStep, lastStep) = steps ?? (long.MinValue, long.MaxValue);
        if (series.Points < SeriesGroups.Points * (long)maxPoints)
        {
            return await ReadRawAsync(series.Id, from, to, ct);
        }
        var read = await store.ReadAsync(series.Id, 0, from, to, SeriesDetail.Groups, int.MaxValue, ct);
        if (read.Blocks.Count == 0)
        {
            return await ReadRawAsync(series.Id, from, to, ct);
        }
        // Where steps go back there are no groups, and its first and last tell nothing
        var asked = read
            .Blocks.Where(b => b.Groups is null || (b.LastStep >= firstStep && b.FirstStep <= lastStep))
            .ToArray();
        var (least, greatest) = byStep
            ? (
                Math.Max(firstStep, read.Blocks.Min(b => b.FirstStep)),
                Math.Min(lastStep, read.Blocks.Max(b => b.LastStep))
            )
            : (read.Blocks[0].FirstUnixMillis, read.Blocks[^1].LastUnixMillis);
        var bucket = unchecked((ulong)greatest - (ulong)least) / (double)maxPoints;
        bool IsFineEnough(SeriesBlock b) =>
            b.Groups is not null
            && b.FirstUnixMillis >= from
            && b.LastUnixMillis <= to
            && b.FirstStep >= firstStep
            && b.LastStep <= lastStep
            && unchecked(
                byStep ? (ulong)b.LastStep - (ulong)b.FirstStep : (ulong)b.LastUnixMillis - (ulong)b.FirstUnixMillis
            ) / (double)SeriesGroups.CountOf(b.Count)
                <= bucket;

        var wanted = asked.Where(b => b.Data.Length == 0 && !IsFineEnough(b)).Select(b => b.FirstUnixMillis).ToArray();
        var whole = wanted.Length == 0 ? [] : await store.ReadBlocksAsync(series.Id, wanted, ct);
        var byFirst = whole.ToDictionary(b => b.FirstUnixMillis);
        var samples = new List<ChartPointSample>();
        foreach (var block in asked)
        {
            if (IsFineEnough(block))
            {
                SeriesGroups.Unpack(block, samples);
            }
            else if ((block.Data.Length > 0 ? block : byFirst.GetValueOrDefault(block.FirstUnixMillis)) is { } points)
            {
                AddRaw(samples, SeriesBlocks.Unpack(points), from, to);
            }
        }
        AddRaw(samples, read.Open, from, to);
        return samples;
    }

    private static void AddRaw(List<ChartPointSample> samples, IReadOnlyList<SeriesPoint> points, long from, long to)
    {
        for (var i = 0; i < points.Count; i++)
        {
            var p = points[i];
            if (p.UnixMillis >= from && p.UnixMillis <= to)
            {
                samples.Add(new ChartPointSample(p.Step, p.UnixMillis, p.Value, p.Value, p.Value, 1));
            }
        }
    }

    private async Task<List<ChartPointSample>> ReadRollUpAsync(
        long id,
        int resolution,
        long from,
        long to,
        CancellationToken ct
    )
    {
        var samples = new List<ChartPointSample>();
        var read = await store.ReadAsync(id, resolution, from, to, SeriesDetail.Points, int.MaxValue, ct);
        foreach (var points in read.Blocks.Select(SeriesBlocks.Unpack).Append(read.Open))
        {
            for (var i = 0; i + 2 < points.Count; i += SeriesRollUp.PointsPerBucket)
            {
                var (min, mean, max) = (points[i], points[i + 1], points[i + 2]);
                if (min.UnixMillis >= from && min.UnixMillis <= to)
                {
                    samples.Add(new ChartPointSample(0, min.UnixMillis, min.Value, mean.Value, max.Value, min.Step));
                }
            }
        }
        return samples;
    }
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
