namespace DeepLab.Core.Metrics;

/// <summary>A raw point or a roll-up's bucket on its way into a chart.</summary>
/// <param name="Weight">raw points inside</param>
internal readonly record struct ChartPointSample(
    long Step,
    long UnixMillis,
    double Min,
    double Mean,
    double Max,
    long Weight
);

/// <summary>Brings samples down to what a chart can show. What is not a number counts only where nothing else is.</summary>
internal static class ChartBuckets
{
    public static IReadOnlyList<ChartPoint> Draw(List<ChartPointSample> samples, int maxPoints, bool byStep)
    {
        if (samples.Count <= maxPoints)
        {
            var points = samples.Select(s => new ChartPoint(s.Step, s.UnixMillis, s.Min, s.Mean, s.Max));
            return
            [
                .. byStep ? points.OrderBy(p => p.Step).ThenBy(p => p.UnixMillis) : points.OrderBy(p => p.UnixMillis),
            ];
        }
        var (least, greatest) = (long.MaxValue, long.MinValue);
        foreach (var s in samples)
        {
            var at = byStep ? s.Step : s.UnixMillis;
            least = Math.Min(least, at);
            greatest = Math.Max(greatest, at);
        }
        // Two's complement: the difference is right as an unsigned number, however far apart they are
        var width = (unchecked((ulong)greatest - (ulong)least) / (ulong)maxPoints) + 1;
        var buckets = new Bucket[maxPoints];
        foreach (var s in samples)
        {
            var at = byStep ? s.Step : s.UnixMillis;
            buckets[(int)(unchecked((ulong)at - (ulong)least) / width)].Add(s);
        }
        return [.. buckets.Where(b => b.Samples > 0).Select(b => b.Point)];
    }

    private struct Bucket
    {
        private long _step;
        private long _unixMillis;
        private double _min;
        private double _max;
        private double _sum;
        private long _weight;

        public int Samples { get; private set; }

        public readonly ChartPoint Point =>
            _weight == 0
                ? new ChartPoint(_step, _unixMillis, double.NaN, double.NaN, double.NaN)
                : new ChartPoint(_step, _unixMillis, _min, _sum / _weight, _max);

        public void Add(ChartPointSample s)
        {
            if (Samples++ == 0 || s.UnixMillis > _unixMillis || (s.UnixMillis == _unixMillis && s.Step > _step))
            {
                (_step, _unixMillis) = (s.Step, s.UnixMillis);
            }
            if (double.IsNaN(s.Mean))
            {
                return;
            }
            _min = _weight == 0 ? s.Min : Math.Min(_min, s.Min);
            _max = _weight == 0 ? s.Max : Math.Max(_max, s.Max);
            _sum += s.Mean * s.Weight;
            _weight += s.Weight;
        }
    }
}
