namespace DeepLab.Core.Metrics;

/// <summary>
/// What a chart needs of a raw block when many of its points fall on one pixel: least, mean and greatest value of every 16
/// points, with the step and time of the last of them. Kept beside the points, a fifth of their size.
/// </summary>
internal static class SeriesGroups
{
    /// <summary>Points in a group; the last of a block has what is left.</summary>
    public const int Points = 16;

    private const byte Format = 1;

    public static int CountOf(int points) => (points + Points - 1) / Points;

    /// <summary>Null where groups would say something else than their points: steps go back, or a value is not finite.</summary>
    public static byte[]? Pack(ReadOnlySpan<SeriesPoint> points)
    {
        var n = CountOf(points.Length);
        var (steps, times) = (new long[n], new long[n]);
        var (least, mean, greatest) = (new double[n], new double[n], new double[n]);
        var single = true;
        var before = points[0].Step;
        for (var g = 0; g < n; g++)
        {
            var group = points.Slice(g * Points, Math.Min(Points, points.Length - g * Points));
            var (low, high, sum) = (double.PositiveInfinity, double.NegativeInfinity, 0.0);
            foreach (var point in group)
            {
                if (!double.IsFinite(point.Value) || point.Step < before)
                {
                    return null;
                }
                before = point.Step;
                low = Math.Min(low, point.Value);
                high = Math.Max(high, point.Value);
                sum += point.Value;
                single &= (float)point.Value == point.Value;
            }
            if (!double.IsFinite(sum))
            {
                return null;
            }
            (steps[g], times[g]) = (group[^1].Step, group[^1].UnixMillis);
            (least[g], greatest[g]) = (low, high);
            mean[g] = Math.Clamp(sum / group.Length, low, high);
        }
        if (single)
        {
            // A mean is kept as finely as the values it comes from
            for (var g = 0; g < n; g++)
            {
                mean[g] = (float)mean[g];
            }
        }
        var buffer = new byte[1 + n * 2 * SeriesColumns.LongestVarint + 3 * (1 + SeriesColumns.MostOfValues(n))];
        buffer[0] = Format;
        var at = SeriesColumns.WriteNumbers(buffer, 1, steps);
        at = SeriesColumns.WriteNumbers(buffer, at, times);
        foreach (var column in new[] { least, mean, greatest })
        {
            var shiftAt = at;
            at = SeriesColumns.WriteValues(buffer, at + 1, column, out buffer[shiftAt]);
        }
        return buffer.AsSpan(0, at).ToArray();
    }

    /// <exception cref="InvalidDataException">The bytes are not the groups of that many points.</exception>
    public static void Unpack(SeriesBlock block, List<ChartPointSample> into)
    {
        if (
            block.Groups is not { Length: > 1 } data
            || data[0] != Format
            || block.Count is < 1 or > SeriesBlocks.MostPoints
        )
        {
            throw SeriesColumns.Damaged();
        }
        var n = CountOf(block.Count);
        var (steps, times) = (new long[n], new long[n]);
        var values = new double[3][];
        ReadOnlySpan<byte> rest = data.AsSpan(1);
        SeriesColumns.ReadNumbers(ref rest, steps);
        SeriesColumns.ReadNumbers(ref rest, times);
        for (var column = 0; column < values.Length; column++)
        {
            var shift = rest.IsEmpty ? throw SeriesColumns.Damaged() : rest[0];
            rest = rest[1..];
            SeriesColumns.ReadValues(ref rest, shift, values[column] = new double[n]);
        }
        for (var g = 0; g < n; g++)
        {
            var weight = Math.Min(Points, block.Count - g * Points);
            into.Add(new ChartPointSample(steps[g], times[g], values[0][g], values[1][g], values[2][g], weight));
        }
    }
}
