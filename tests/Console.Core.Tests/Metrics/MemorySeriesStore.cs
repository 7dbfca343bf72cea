using DeepLab.Core.Metrics;

namespace DeepLab.Core.Tests.Metrics;

/// <summary>A store in memory that keeps the real one's law of keys, and fails when it is told to.</summary>
internal sealed class MemorySeriesStore : ISeriesStore
{
    private readonly Dictionary<SeriesKey, long> _ids = [];
    private readonly Dictionary<(long Series, int Resolution, long Millis, long Step), SeriesBlock> _blocks = [];
    private readonly Dictionary<long, string> _cursors = [];

    public enum Fault
    {
        None,
        BeforeCommit,
        AfterCommit,
    }

    public Fault Next { get; set; }
    public int Writes { get; private set; }
    public int MostRead { get; private set; }

    public IEnumerable<SeriesBlock> Blocks(SeriesKey key, int resolution) =>
        _blocks
            .Values.Where(b => b.SeriesId == _ids[key] && b.Resolution == resolution)
            .OrderBy(b => b.FirstUnixMillis)
            .ThenBy(b => b.FirstStep);

    public IReadOnlyList<SeriesPoint> Points(SeriesKey key, int resolution = 0) =>
        _ids.ContainsKey(key) ? [.. Blocks(key, resolution).SelectMany(SeriesBlocks.Unpack)] : [];

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
                    Blocks(k, 0).Sum(b => b.Count),
                    Points(k).Cast<SeriesPoint?>().LastOrDefault()
                )),
        ]);

    public Task<IReadOnlyDictionary<long, SeriesBlock>> FindOpenBlocksAsync(
        IReadOnlyCollection<long> seriesIds,
        CancellationToken ct
    ) =>
        Task.FromResult<IReadOnlyDictionary<long, SeriesBlock>>(
            _blocks
                .Values.Where(b => b.Resolution == 0 && seriesIds.Contains(b.SeriesId))
                .GroupBy(b => b.SeriesId)
                .ToDictionary(g => g.Key, g => g.OrderBy(b => b.LastUnixMillis).ThenBy(b => b.LastStep).Last())
        );

    public Task WriteAsync(IReadOnlyCollection<SeriesBlock> blocks, CancellationToken ct) => Write(blocks, null);

    public Task WriteAsync(
        IReadOnlyCollection<SeriesBlock> blocks,
        long attemptId,
        string eventCursor,
        CancellationToken ct
    ) => Write(blocks, (attemptId, eventCursor));

    public Task<IReadOnlyList<SeriesBlock>> ReadAsync(
        long seriesId,
        int resolution,
        long fromUnixMillis,
        long toUnixMillis,
        CancellationToken ct
    )
    {
        IReadOnlyList<SeriesBlock> found =
        [
            .. _blocks
                .Values.Where(b =>
                    b.SeriesId == seriesId
                    && b.Resolution == resolution
                    && b.LastUnixMillis >= fromUnixMillis
                    && b.FirstUnixMillis <= toUnixMillis
                )
                .OrderBy(b => b.FirstUnixMillis)
                .ThenBy(b => b.FirstStep),
        ];
        MostRead = Math.Max(MostRead, found.Count);
        return Task.FromResult(found);
    }

    public Task<string?> FindEventCursorAsync(long attemptId, CancellationToken ct) =>
        Task.FromResult(_cursors.GetValueOrDefault(attemptId));

    private Task Write(IReadOnlyCollection<SeriesBlock> blocks, (long Attempt, string Cursor)? cursor)
    {
        Writes++;
        var fault = Next;
        Next = Fault.None;
        if (fault == Fault.BeforeCommit)
        {
            throw new IOException("the store is away");
        }
        var keys = blocks.Select(b => (b.SeriesId, b.Resolution, b.FirstUnixMillis, b.FirstStep)).ToArray();
        Assert.Equal(keys.Length, keys.Distinct().Count());
        foreach (var (key, block) in keys.Zip(blocks))
        {
            _blocks[key] = block;
        }
        if (cursor is { } c)
        {
            _cursors[c.Attempt] = c.Cursor;
        }
        return fault == Fault.AfterCommit ? throw new IOException("the reply was lost") : Task.CompletedTask;
    }
}
