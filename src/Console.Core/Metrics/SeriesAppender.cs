namespace DeepLab.Core.Metrics;

/// <summary>
/// The growing end of one series: its open block and its roll-ups. Blocks of a series never overlap, and each begins
/// later than the one before it ends, so that their keys are unique and the newest is the open one. A point that comes too
/// late for that takes the earliest time the open block allows.
/// </summary>
internal sealed class SeriesAppender
{
    /// <summary>A curve of a job stops here.</summary>
    public const long MostJobPoints = 1_000_000;

    /// <summary>the last millisecond of the year 9999, less room for blocks that must begin later than it</summary>
    private const long LastMoment = 253_402_300_799_999 - 1_000_000;

    private readonly long _id;
    private readonly bool _job;
    private readonly long _storedUntil;
    private readonly SeriesRollUp[] _rollUps;
    private readonly List<SeriesPoint> _open;
    private bool _changed;

    public SeriesAppender(long id, bool job, long points, SeriesBlock? open, SeriesRollUp[] rollUps)
    {
        _id = id;
        _job = job;
        Points = points;
        _open = open is null ? [] : [.. SeriesBlocks.Unpack(open)];
        // What a machine sent again after a write whose reply was lost is there already
        _storedUntil = job || open is null ? long.MinValue : open.LastUnixMillis;
        _rollUps = rollUps;
    }

    public bool IsJob => _job;

    /// <summary>Raw points of a job's series, stored or about to be.</summary>
    public long Points { get; private set; }

    /// <summary>The limit was met, and whether that was told.</summary>
    public bool Full { get; private set; }
    public DateTimeOffset Touched { get; set; }

    /// <summary>Answers whether the limit was met by this point for the first time.</summary>
    public bool Add(SeriesPoint point, List<SeriesBlock> into)
    {
        if (_job && Points >= MostJobPoints)
        {
            var first = !Full;
            Full = true;
            return first;
        }
        if (!_job && point.UnixMillis <= _storedUntil)
        {
            return false;
        }
        var at = Math.Clamp(point.UnixMillis, 0, LastMoment);
        var index = 0;
        if (_open.Count >= SeriesBlocks.RawPoints)
        {
            at = Math.Max(at, _open[^1].UnixMillis + 1);
            Emit(into);
            _open.Clear();
        }
        else if (_open.Count > 0)
        {
            // The first point is the block's key: nothing goes before it
            at = Math.Max(at, _open[0].UnixMillis);
            index = _open.Count;
            while (_open[index - 1].UnixMillis > at)
            {
                index--;
            }
        }
        point = point with { UnixMillis = at };
        _open.Insert(index, point);
        _changed = true;
        Points++;
        foreach (var rollUp in _rollUps)
        {
            rollUp.Add(point, into);
        }
        return false;
    }

    public void EmitOpen(List<SeriesBlock> into)
    {
        Emit(into);
        foreach (var rollUp in _rollUps)
        {
            rollUp.Emit(into);
        }
    }

    /// <summary>Nothing more is expected soon: the buckets that are begun count as whole.</summary>
    public void CloseBuckets(List<SeriesBlock> into)
    {
        foreach (var rollUp in _rollUps)
        {
            rollUp.CloseBucket(into);
            rollUp.Emit(into);
        }
    }

    private void Emit(List<SeriesBlock> into)
    {
        if (_changed)
        {
            into.Add(SeriesBlocks.Pack(_id, 0, _open));
            _changed = false;
        }
    }
}
