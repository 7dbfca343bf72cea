namespace DeepLab.Core.Metrics;

/// <summary>
/// One roll-up of one machine series. A bucket is three points in a row with the bucket's start as time: least, mean and
/// greatest value; their step is the number of raw points inside. Only whole buckets are written.
/// </summary>
internal sealed class SeriesRollUp
{
    /// <summary>Widths of a bucket in seconds, finest first.</summary>
    public static readonly int[] Resolutions = [10, 300];

    public const int PointsPerBucket = 3;

    /// <summary>Buckets come singly and slowly: a hundred go into the last block together.</summary>
    private const int Together = 100 * PointsPerBucket;

    private readonly long _width;
    private readonly SeriesEnd _end;
    private long _closed;
    private long _start;
    private int _count;
    private int _finite;
    private double _sum;
    private double _min;
    private double _max;

    public SeriesRollUp(long seriesId, int seconds, SeriesOpen? stored)
    {
        _width = seconds * 1_000L;
        _end = new SeriesEnd(seriesId, seconds, Together, stored);
        _closed = _end.LastUnixMillis ?? long.MinValue;
    }

    public bool HasOlder => _end.HasOlder;

    /// <summary>milliseconds</summary>
    public long Width => _width;

    /// <summary>Takes the stored points of the bucket that was begun.</summary>
    public void Recount(IEnumerable<SeriesPoint> points)
    {
        foreach (var point in points)
        {
            // All are of one bucket, so none is closed here
            Add(point, []);
        }
    }

    public void Add(SeriesPoint point, List<SeriesBlock> into)
    {
        var start = point.UnixMillis - point.UnixMillis % _width;
        // What comes after its bucket was written is in the raw points only
        if (start <= _closed || (_count > 0 && start < _start))
        {
            return;
        }
        if (_count > 0 && start > _start)
        {
            CloseBucket(into);
        }
        _start = start;
        _count++;
        if (double.IsNaN(point.Value))
        {
            return;
        }
        _min = _finite == 0 ? point.Value : Math.Min(_min, point.Value);
        _max = _finite == 0 ? point.Value : Math.Max(_max, point.Value);
        _sum += point.Value;
        _finite++;
    }

    public void CloseBucket(List<SeriesBlock> into)
    {
        if (_count == 0)
        {
            return;
        }
        var none = _finite == 0;
        _end.Add(new SeriesPoint(_count, _start, none ? double.NaN : _min));
        _end.Add(new SeriesPoint(_count, _start, none ? double.NaN : _sum / _finite));
        _end.Add(new SeriesPoint(_count, _start, none ? double.NaN : _max));
        _end.SealWhenFull(into);
        _closed = _start;
        (_count, _finite, _sum) = (0, 0, 0);
    }

    public void TakeFresh(List<SeriesShelf.Part> into) => _end.TakeFresh(into);
}
