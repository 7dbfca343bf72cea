namespace DeepLab.Core.Workloads.Receipts;

/// <summary>A sample of a machine, or a bucket of them that ends there.</summary>
public readonly record struct UsePoint(long UnixMillis, double Mean, double Max);

/// <summary>What samples tell of a span of time, each weighed by the time since the one before.</summary>
/// <param name="Seconds">that they tell of: a gap among them counts only in part</param>
/// <param name="HighSeconds">in which the mean was at least as high as asked</param>
public sealed record UseFigures(double Seconds, double Mean, double Peak, double HighSeconds)
{
    /// <summary>A sample speaks for at most so long; buckets for three times their usual distance.</summary>
    private const double LongestSeconds = 30;

    public static UseFigures Nothing { get; } = new(0, 0, 0, 0);

    /// <param name="points">by time; those outside are passed over</param>
    /// <param name="high">from which value on <see cref="HighSeconds"/> counts</param>
    public static UseFigures Of(
        IReadOnlyList<UsePoint> points,
        DateTimeOffset from,
        DateTimeOffset to,
        double high = double.PositiveInfinity
    )
    {
        var (first, last) = (from.ToUnixTimeMilliseconds(), to.ToUnixTimeMilliseconds());
        var inside = points
            .Where(p => p.UnixMillis >= first && p.UnixMillis <= last && double.IsFinite(p.Mean))
            .ToArray();
        if (inside.Length == 0)
        {
            return Nothing;
        }
        var longest = LongestOf(inside);
        var (seconds, sum, above, peak) = (0.0, 0.0, 0.0, double.NegativeInfinity);
        for (var i = 0; i < inside.Length; i++)
        {
            var before = i == 0 ? first : inside[i - 1].UnixMillis;
            var weight = Math.Min(longest, (inside[i].UnixMillis - before) / 1000.0);
            if (i == inside.Length - 1)
            {
                weight += Math.Min(longest, (last - inside[i].UnixMillis) / 1000.0);
            }
            seconds += weight;
            sum += weight * inside[i].Mean;
            above += inside[i].Mean >= high ? weight : 0;
            peak = Math.Max(peak, double.IsFinite(inside[i].Max) ? inside[i].Max : inside[i].Mean);
        }
        return new UseFigures(seconds, seconds > 0 ? sum / seconds : inside[0].Mean, peak, above);
    }

    private static double LongestOf(UsePoint[] points)
    {
        var gaps = points.Zip(points.Skip(1), (a, b) => (b.UnixMillis - a.UnixMillis) / 1000.0).Order().ToArray();
        return gaps.Length == 0 ? LongestSeconds : Math.Max(LongestSeconds, 3 * gaps[gaps.Length / 2]);
    }
}
