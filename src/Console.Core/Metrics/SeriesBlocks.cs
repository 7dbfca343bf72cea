namespace DeepLab.Core.Metrics;

/// <summary>
/// Packs about 1,000 points into one row: a column of steps, one of times, one of values (<see cref="SeriesColumns"/>).
/// Points may come in any order.
/// </summary>
public static class SeriesBlocks
{
    /// <summary>A raw block is closed when it holds this many points.</summary>
    public const int RawPoints = 1_024;

    /// <summary>A block of roll-ups is closed when it holds this many: three for each bucket.</summary>
    public const int RollUpPoints = 3_000;

    /// <summary>What one block may hold at all: a bound for what a damaged row can make us allocate.</summary>
    public const int MostPoints = 1 << 20;

    private const byte Format = 1;

    /// <summary>Points that a block of that resolution holds when it is closed.</summary>
    public static int Capacity(int resolution) => resolution == 0 ? RawPoints : RollUpPoints;

    /// <exception cref="ArgumentException">There is no point, or there are too many for one block.</exception>
    public static SeriesBlock Pack(long seriesId, int resolution, IReadOnlyList<SeriesPoint> points)
    {
        if (points.Count is 0 or > MostPoints)
        {
            throw new ArgumentException(
                $"A block holds 1 to {MostPoints} points; these are {points.Count}.",
                nameof(points)
            );
        }
        var copy = points as SeriesPoint[] ?? [.. points];
        var (first, last) = (copy[0], copy[^1]);
        return new SeriesBlock(
            seriesId,
            resolution,
            first.UnixMillis,
            last.UnixMillis,
            first.Step,
            last.Step,
            copy.Length,
            Pack(copy),
            resolution == 0 ? SeriesGroups.Pack(copy) : null
        );
    }

    /// <exception cref="InvalidDataException">The bytes are not a block of that many points.</exception>
    public static IReadOnlyList<SeriesPoint> Unpack(SeriesBlock block)
    {
        var points = new SeriesPoint[
            block.Count is > 0 and <= MostPoints ? block.Count : throw SeriesColumns.Damaged()
        ];
        Unpack(block.Data, points);
        return points;
    }

    /// <summary>
    /// Blocks that hold the points behind the last block of their series, in order of time: that one is filled first, where
    /// it has room. Points of one millisecond stay together, so that blocks never overlap.
    /// </summary>
    public static IEnumerable<SeriesBlock> Seal(
        long seriesId,
        int resolution,
        SeriesBlock? last,
        IReadOnlyList<SeriesPoint> points
    )
    {
        var capacity = Capacity(resolution);
        var all = last is not null && last.Count < capacity ? [.. Unpack(last), .. points] : points.ToArray();
        for (var at = 0; at < all.Length; )
        {
            var end = Math.Min(at + capacity, all.Length);
            while (end < all.Length && all[end].UnixMillis == all[end - 1].UnixMillis)
            {
                end++;
            }
            yield return Pack(seriesId, resolution, all[at..end]);
            at = end;
        }
    }

    internal static byte[] Pack(ReadOnlySpan<SeriesPoint> points)
    {
        var n = points.Length;
        var buffer = new byte[2 + n * 2 * SeriesColumns.LongestVarint + SeriesColumns.MostOfValues(n)];
        var numbers = new long[n];
        var values = new double[n];
        for (var i = 0; i < n; i++)
        {
            numbers[i] = points[i].Step;
        }
        var at = SeriesColumns.WriteNumbers(buffer, 2, numbers);
        for (var i = 0; i < n; i++)
        {
            numbers[i] = points[i].UnixMillis;
            values[i] = points[i].Value;
        }
        at = SeriesColumns.WriteNumbers(buffer, at, numbers);
        at = SeriesColumns.WriteValues(buffer, at, values, out var shift);
        (buffer[0], buffer[1]) = (Format, shift);
        return buffer.AsSpan(0, at).ToArray();
    }

    internal static void Unpack(ReadOnlySpan<byte> data, Span<SeriesPoint> points)
    {
        if (data.Length < 2 || data[0] != Format)
        {
            throw SeriesColumns.Damaged();
        }
        var rest = data[2..];
        var steps = new long[points.Length];
        var times = new long[points.Length];
        var values = new double[points.Length];
        SeriesColumns.ReadNumbers(ref rest, steps);
        SeriesColumns.ReadNumbers(ref rest, times);
        SeriesColumns.ReadValues(ref rest, data[1], values);
        if (!rest.IsEmpty)
        {
            throw SeriesColumns.Damaged();
        }
        for (var i = 0; i < points.Length; i++)
        {
            points[i] = new SeriesPoint(steps[i], times[i], values[i]);
        }
    }
}
