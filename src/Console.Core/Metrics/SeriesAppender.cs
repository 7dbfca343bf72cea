namespace DeepLab.Core.Metrics;

/// <summary>
/// The growing end of one series with its roll-ups. Blocks of a series never overlap, and each begins later than the one
/// before it ends, so that their keys are unique.
/// </summary>
internal sealed class SeriesAppender
{
    /// <summary>A curve of a job stops here.</summary>
    public const long MostJobPoints = 1_000_000;

    private readonly bool _job;
    private readonly long _storedUntil;
    private readonly SeriesEnd _raw;
    private readonly SeriesRollUp[] _rollUps;

    public SeriesAppender(long id, bool job, long points, SeriesOpen? stored, SeriesRollUp[] rollUps)
    {
        (Id, _job, Points, _rollUps) = (id, job, points, rollUps);
        _raw = new SeriesEnd(id, 0, SeriesBlocks.RawPoints, stored);
        // What a machine sent again after a write whose reply was lost is there already
        _storedUntil = job ? long.MinValue : _raw.LastUnixMillis ?? long.MinValue;
    }

    public long Id { get; }

    /// <inheritdoc cref="SeriesEnd.HasOlder"/>
    public bool HasOlder => _raw.HasOlder || Array.Exists(_rollUps, r => r.HasOlder);
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
        point = _raw.Add(point);
        _raw.SealWhenFull(into);
        Points++;
        foreach (var rollUp in _rollUps)
        {
            rollUp.Add(point, into);
        }
        return false;
    }

    public void TakeFresh(List<SeriesShelf.Part> into)
    {
        _raw.TakeFresh(into);
        foreach (var rollUp in _rollUps)
        {
            rollUp.TakeFresh(into);
        }
    }

    /// <summary>Nothing more is expected soon: the buckets that are begun count as whole.</summary>
    public void CloseBuckets(List<SeriesBlock> into)
    {
        foreach (var rollUp in _rollUps)
        {
            rollUp.CloseBucket(into);
        }
    }
}
