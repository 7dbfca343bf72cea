namespace DeepLab.Core.Metrics;

/// <summary>The growing ends of the series that are being written, taken up from the store where they are not known.</summary>
internal sealed class SeriesAppenders(ISeriesStore store)
{
    /// <summary>How many are kept at once; the open end of one is at most 24 KB.</summary>
    private const int MostKept = 5_000;
    private readonly Dictionary<SeriesKey, SeriesAppender> _known = [];

    public SeriesAppender this[SeriesKey key] => _known[key];

    public void Forget(IEnumerable<SeriesKey> keys)
    {
        foreach (var key in keys)
        {
            _known.Remove(key);
        }
    }

    /// <summary>Forgets what stands on these shelves.</summary>
    public void ForgetShelves(IReadOnlyCollection<long> shelves) =>
        Forget([.. _known.Where(k => shelves.Contains(SeriesShelf.Of(k.Value.Id))).Select(k => k.Key)]);

    public void ForgetAll() => _known.Clear();

    public IReadOnlyList<SeriesKey> IdleSince(DateTimeOffset moment) =>
        [.. _known.Where(k => k.Value.Touched < moment).Select(k => k.Key)];

    /// <summary>Makes room; only jobs' series, which have no bucket begun.</summary>
    public void Trim()
    {
        if (_known.Count > MostKept)
        {
            var oldest = _known.Where(k => k.Value.IsJob).OrderBy(k => k.Value.Touched).Take(_known.Count / 4);
            Forget([.. oldest.Select(k => k.Key)]);
        }
    }

    /// <summary>Answers the shelves of those that were taken up and have rows.</summary>
    public async Task<IReadOnlyCollection<long>> LoadAsync(IEnumerable<SeriesKey> keys, CancellationToken ct)
    {
        var missing = keys.Where(k => !_known.ContainsKey(k)).ToHashSet();
        if (missing.Count == 0)
        {
            return [];
        }
        var ids = await store.EnsureAsync(missing, ct);
        var ends = await store.FindEndsAsync([.. ids.Values], ct);
        var points = new Dictionary<long, long>();
        foreach (var job in missing.Where(k => k.Owner == SeriesOwner.Job).Select(k => k.OwnerId).Distinct())
        {
            foreach (var series in await store.ListAsync(SeriesOwner.Job, job, ct))
            {
                points[series.Id] = series.Points;
            }
        }
        var loaded = new Dictionary<SeriesKey, SeriesAppender>();
        foreach (var key in missing)
        {
            var id = ids[key];
            var job = key.Owner == SeriesOwner.Job;
            var rollUps = job ? [] : await ResumeAsync(id, ends, ct);
            loaded[key] = new SeriesAppender(
                id,
                job,
                points.GetValueOrDefault(id),
                ends.GetValueOrDefault((id, 0)),
                rollUps
            );
        }
        foreach (var (key, appender) in loaded)
        {
            _known[key] = appender;
        }
        return [.. ends.Where(e => e.Value.Points.Count > 0).Select(e => SeriesShelf.Of(e.Key.SeriesId)).Distinct()];
    }

    /// <summary>The roll-ups go on where they were stored; the bucket that was open then is counted again from raw points.</summary>
    private async Task<SeriesRollUp[]> ResumeAsync(
        long id,
        IReadOnlyDictionary<(long, int), SeriesOpen> ends,
        CancellationToken ct
    )
    {
        SeriesRollUp[] rollUps =
        [
            .. SeriesRollUp.Resolutions.Select(r => new SeriesRollUp(id, r, ends.GetValueOrDefault((id, r)))),
        ];
        if (ends.GetValueOrDefault((id, 0)) is not { } raw)
        {
            return rollUps;
        }
        var last = raw.Points.Count > 0 ? raw.Points[^1].UnixMillis : raw.Last!.LastUnixMillis;
        foreach (var rollUp in rollUps)
        {
            // Raw points and whole buckets are written together, so only the last point's bucket can be unwritten
            var start = last - last % rollUp.Width;
            var begun = await store.ReadAsync(id, 0, start, long.MaxValue, SeriesDetail.Points, int.MaxValue, ct);
            rollUp.Recount(
                begun.Blocks.SelectMany(SeriesBlocks.Unpack).Concat(begun.Open).Where(p => p.UnixMillis >= start)
            );
        }
        return rollUps;
    }
}
