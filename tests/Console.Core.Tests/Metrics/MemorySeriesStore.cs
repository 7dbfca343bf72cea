using DeepLab.Core.Metrics;

namespace DeepLab.Core.Tests.Metrics;

/// <summary>A store in memory that keeps the real one's law of keys, and fails when it is told to.</summary>
internal sealed class MemorySeriesStore : ISeriesStore
{
    private readonly Dictionary<SeriesKey, long> _ids = [];
    private readonly Dictionary<(long Series, int Resolution, long Millis, long Step), SeriesBlock> _blocks = [];
    private readonly List<ShelfRow> _rows = [];
    private long _lastRow;
    private readonly Dictionary<long, string> _cursors = [];

    public enum Fault
    {
        None,
        BeforeCommit,
        AfterCommit,
    }

    /// <summary>Puts a block where one of an older console stood.</summary>
    public void Put(SeriesKey key, SeriesPoint[] points)
    {
        _ids.TryAdd(key, _ids.Count + 1);
        Keep(new SeriesWrite([SeriesBlocks.Pack(_ids[key], 0, points) with { Groups = null }], [], []));
    }

    public Fault Next { get; set; }
    public int Writes { get; private set; }
    public int MostRead { get; private set; }

    public int MostRows { get; private set; }
    public IReadOnlyCollection<ShelfRow> Rows => _rows;

    /// <summary>Nothing came to any shelf for a while.</summary>
    public bool Quiet { get; set; }

    public IEnumerable<SeriesBlock> Blocks(SeriesKey key, int resolution) =>
        _blocks
            .Values.Where(b => b.SeriesId == _ids[key] && b.Resolution == resolution)
            .OrderBy(b => b.FirstUnixMillis)
            .ThenBy(b => b.FirstStep);

    public IReadOnlyList<SeriesPoint> Points(SeriesKey key, int resolution = 0) =>
        _ids.TryGetValue(key, out var id)
            ? [.. Blocks(key, resolution).SelectMany(SeriesBlocks.Unpack), .. Open(id, resolution)]
            : [];

    public IEnumerable<SeriesKey> Keys => _ids.Keys;

    public void Drop(SeriesKey key, int resolution, long beforeUnixMillis)
    {
        foreach (var b in Blocks(key, resolution).Where(b => b.LastUnixMillis < beforeUnixMillis).ToArray())
        {
            _blocks.Remove((b.SeriesId, b.Resolution, b.FirstUnixMillis, b.FirstStep));
        }
    }

    public Task<IReadOnlyDictionary<SeriesKey, long>> EnsureAsync(
        IReadOnlyCollection<SeriesKey> keys,
        CancellationToken ct
    )
    {
        foreach (var key in keys)
        {
            _ids.TryAdd(key, _ids.Count + 1);
        }
        return Task.FromResult<IReadOnlyDictionary<SeriesKey, long>>(keys.ToDictionary(k => k, k => _ids[k]));
    }

    public Task<IReadOnlyList<SeriesInfo>> ListAsync(SeriesOwner owner, string ownerId, CancellationToken ct) =>
        Task.FromResult<IReadOnlyList<SeriesInfo>>([
            .. _ids
                .Keys.Where(k => k.Owner == owner && k.OwnerId == ownerId)
                .Select(k => new SeriesInfo(
                    _ids[k],
                    k,
                    Points(k).Count,
                    Points(k).Cast<SeriesPoint?>().LastOrDefault()
                )),
        ]);

    public Task<IReadOnlyDictionary<(long SeriesId, int Resolution), SeriesOpen>> FindEndsAsync(
        IReadOnlyCollection<long> seriesIds,
        CancellationToken ct
    ) =>
        Task.FromResult<IReadOnlyDictionary<(long, int), SeriesOpen>>(
            seriesIds
                .SelectMany(id => new[] { 0, 10, 300 }.Select(r => (id, r)))
                .Select(k => (Key: k, End: new SeriesOpen(Last(k.id, k.r), Open(k.id, k.r))))
                .Where(e => e.End.Last is not null || e.End.Points.Count > 0)
                .ToDictionary(e => e.Key, e => e.End)
        );

    public Task<IReadOnlyDictionary<long, long>> WriteAsync(SeriesWrite write, CancellationToken ct) =>
        Write(write, null);

    public Task<IReadOnlyDictionary<long, long>> WriteAsync(
        SeriesWrite write,
        long attemptId,
        string eventCursor,
        CancellationToken ct
    ) => Write(write, (attemptId, eventCursor));

    public Task<SeriesRead> ReadAsync(
        long seriesId,
        int resolution,
        long fromUnixMillis,
        long toUnixMillis,
        SeriesDetail detail,
        int mostBlocks,
        CancellationToken ct
    )
    {
        SeriesBlock[] found =
        [
            .. _blocks
                .Values.Where(b =>
                    b.SeriesId == seriesId
                    && b.Resolution == resolution
                    && b.LastUnixMillis >= fromUnixMillis
                    && b.FirstUnixMillis <= toUnixMillis
                )
                .OrderBy(b => b.FirstUnixMillis)
                .ThenBy(b => b.FirstStep)
                .Take(mostBlocks)
                .Select(b =>
                    detail == SeriesDetail.Points ? b with { Groups = null }
                    : b.Groups is null ? b
                    : b with { Data = [] }
                ),
        ];
        MostRead = Math.Max(MostRead, found.Length);
        IReadOnlyList<SeriesPoint> open = found.Length == mostBlocks ? [] : Open(seriesId, resolution);
        return Task.FromResult(new SeriesRead(found, open));
    }

    public Task<IReadOnlyList<SeriesBlock>> ReadBlocksAsync(
        long seriesId,
        IReadOnlyCollection<long> firstUnixMillis,
        CancellationToken ct
    ) =>
        Task.FromResult<IReadOnlyList<SeriesBlock>>([
            .. _blocks
                .Values.Where(b =>
                    b.SeriesId == seriesId && b.Resolution == 0 && firstUnixMillis.Contains(b.FirstUnixMillis)
                )
                .OrderBy(b => b.FirstUnixMillis),
        ]);

    public Task<IReadOnlyCollection<long>> FindQuietShelvesAsync(TimeSpan age, int limit, CancellationToken ct) =>
        Task.FromResult<IReadOnlyCollection<long>>(Quiet ? [.. _rows.Select(r => r.Shelf).Distinct()] : []);

    public Task FoldAsync(IReadOnlyCollection<long> shelves, bool settle, CancellationToken ct)
    {
        ShelfRow[] rows = [.. _rows.Where(r => shelves.Contains(r.Shelf))];
        var last = _blocks
            .Values.GroupBy(b => (b.SeriesId, b.Resolution))
            .ToDictionary(g => g.Key, g => g.MaxBy(b => b.FirstUnixMillis)!);
        var fold = SeriesFold.Fold(rows, last, _ids.Values.ToHashSet(), settle);
        Keep(fold);
        return Task.CompletedTask;
    }

    public Task<string?> FindEventCursorAsync(long attemptId, CancellationToken ct) =>
        Task.FromResult(_cursors.GetValueOrDefault(attemptId));

    private SeriesBlock? Last(long id, int resolution) =>
        _blocks.Values.Where(b => b.SeriesId == id && b.Resolution == resolution).MaxBy(b => b.FirstUnixMillis);

    private List<SeriesPoint> Open(long id, int resolution) =>
        SeriesShelf.Read(
            _rows.Where(r => r.Shelf == SeriesShelf.Of(id)),
            id,
            resolution,
            Last(id, resolution)?.LastUnixMillis ?? long.MinValue
        );

    private Task<IReadOnlyDictionary<long, long>> Write(SeriesWrite write, (long Attempt, string Cursor)? cursor)
    {
        Writes++;
        var fault = Next;
        Next = Fault.None;
        if (fault == Fault.BeforeCommit)
        {
            throw new IOException("the store is away");
        }
        var ids = Keep(write);
        if (cursor is { } c)
        {
            _cursors[c.Attempt] = c.Cursor;
        }
        return fault == Fault.AfterCommit ? throw new IOException("the reply was lost") : Task.FromResult(ids);
    }

    private IReadOnlyDictionary<long, long> Keep(SeriesWrite write)
    {
        var keys = write.Blocks.Select(b => (b.SeriesId, b.Resolution, b.FirstUnixMillis, b.FirstStep)).ToArray();
        Assert.Equal(keys.Length, keys.Distinct().Count());
        foreach (var (key, block) in keys.Zip(write.Blocks))
        {
            _blocks[key] = block;
        }
        _rows.RemoveAll(r => write.Obsolete.Contains((r.Shelf, r.Id)));
        ShelfRow[] rows = [.. write.Rows.Select(r => r with { Id = ++_lastRow })];
        _rows.AddRange(rows);
        MostRows = Math.Max(MostRows, _rows.GroupBy(r => r.Shelf).Select(g => g.Count()).DefaultIfEmpty().Max());
        return rows.ToDictionary(r => r.Shelf, r => r.Id);
    }
}
