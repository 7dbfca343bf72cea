namespace DeepLab.Core.Metrics;

/// <summary>
/// The growing end of a series at one resolution: the points behind its last block, all later than it. They are durable in
/// rows of its shelf, until there are enough of them for a block.
/// </summary>
internal sealed class SeriesEnd
{
    /// <summary>the last millisecond of the year 9999, less room for blocks that must begin later than it</summary>
    private const long LastMoment = 253_402_300_799_999 - 1_000_000;

    private readonly long _id;
    private readonly int _resolution;

    /// <summary>So many points are sealed at once; with fewer than a block holds, the last block is written again.</summary>
    private readonly int _together;
    private readonly List<SeriesPoint> _open;
    private readonly List<SeriesPoint> _fresh = [];
    private SeriesBlock? _last;

    public SeriesEnd(long id, int resolution, int together, SeriesOpen? stored)
    {
        (_id, _resolution, _together) = (id, resolution, together);
        _last = stored?.Last;
        _open = [.. stored?.Points ?? []];
    }

    /// <summary>Null before the first point.</summary>
    public long? LastUnixMillis => _open.Count > 0 ? _open[^1].UnixMillis : _last?.LastUnixMillis;

    /// <summary>A point that is in no block is in a row that was written before.</summary>
    public bool HasOlder => _open.Count > _fresh.Count;

    /// <summary>Answers the point as it is kept: one that comes too late takes the earliest time that is still open.</summary>
    public SeriesPoint Add(SeriesPoint point)
    {
        var at = Math.Clamp(point.UnixMillis, 0, LastMoment);
        if (_last is not null && at <= _last.LastUnixMillis)
        {
            at = _last.LastUnixMillis + 1;
        }
        var index = _open.Count;
        while (index > 0 && _open[index - 1].UnixMillis > at)
        {
            index--;
        }
        point = point with { UnixMillis = at };
        _open.Insert(index, point);
        _fresh.Add(point);
        return point;
    }

    /// <summary>To be called between points that belong together.</summary>
    public void SealWhenFull(List<SeriesBlock> into)
    {
        var room = SeriesBlocks.Capacity(_resolution) - (_last?.Count ?? 0);
        if (_open.Count < _together && (room <= 0 || _open.Count < room))
        {
            return;
        }
        foreach (var block in SeriesBlocks.Seal(_id, _resolution, _last, _open))
        {
            // One key may be written once only in a transaction
            var again = into.FindLastIndex(b =>
                b.SeriesId == block.SeriesId
                && b.Resolution == block.Resolution
                && b.FirstUnixMillis == block.FirstUnixMillis
            );
            if (again >= 0)
            {
                into[again] = block;
            }
            else
            {
                into.Add(block);
            }
            _last = block;
        }
        _open.Clear();
        _fresh.Clear();
    }

    /// <summary>What came since the last time and is in no block.</summary>
    public void TakeFresh(List<SeriesShelf.Part> into)
    {
        if (_fresh.Count > 0)
        {
            into.Add(new SeriesShelf.Part(_id, _resolution, _fresh.ToArray()));
            _fresh.Clear();
        }
    }
}
