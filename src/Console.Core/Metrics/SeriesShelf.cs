using System.Runtime.InteropServices;

namespace DeepLab.Core.Metrics;

/// <summary>
/// Series with neighbouring ids share a shelf: what a batch brings for them is written as one row, so that a small batch
/// costs a few rows however many curves a job has. A row is a run of parts: number of the series on its shelf, resolution,
/// count, greatest time, length, and the points as a block packs them.
/// </summary>
internal static class SeriesShelf
{
    private const int Bits = 3;
    private const byte Format = 1;

    public static long Of(long seriesId) => seriesId >> Bits;

    /// <summary>The ids that stand on a shelf.</summary>
    public static IEnumerable<long> Ids(long shelf)
    {
        for (var id = shelf << Bits; id < (shelf + 1) << Bits; id++)
        {
            yield return id;
        }
    }

    /// <summary>Points of one series in a row.</summary>
    public readonly record struct Part(long SeriesId, int Resolution, IReadOnlyList<SeriesPoint> Points);

    public static ShelfRow Pack(long shelf, IEnumerable<Part> parts)
    {
        var row = new List<byte> { Format };
        var head = new byte[5 * SeriesColumns.LongestVarint];
        foreach (var part in parts)
        {
            var data = SeriesBlocks.Pack(part.Points as SeriesPoint[] ?? [.. part.Points]);
            var at = SeriesColumns.WriteVarint(head, 0, (ulong)(part.SeriesId & ((1 << Bits) - 1)));
            at = SeriesColumns.WriteVarint(head, at, (ulong)part.Resolution);
            at = SeriesColumns.WriteVarint(head, at, (ulong)part.Points.Count);
            at = SeriesColumns.WriteVarint(head, at, (ulong)part.Points.Max(p => p.UnixMillis));
            at = SeriesColumns.WriteVarint(head, at, (ulong)data.Length);
            row.AddRange(head.AsSpan(0, at));
            row.AddRange(data);
        }
        return new ShelfRow(shelf, CollectionsMarshal.AsSpan(row).ToArray());
    }

    /// <summary>
    /// The points of one series in the rows of its shelf that are in no block yet, by time: those behind the last block. What
    /// rows hold of earlier ones was sealed since.
    /// </summary>
    /// <param name="sealedUntil">time of the last point in a block, in milliseconds</param>
    /// <exception cref="InvalidDataException">A row is damaged.</exception>
    public static List<SeriesPoint> Read(
        IEnumerable<ShelfRow> rows,
        long seriesId,
        int resolution,
        long sealedUntil = long.MinValue
    )
    {
        var points = new List<SeriesPoint>();
        foreach (var row in rows)
        {
            var rest = Begin(row);
            while (Next(row.Shelf, ref rest, out var part, out var data))
            {
                if (part.Id == seriesId && part.Resolution == resolution && part.Until > sealedUntil)
                {
                    Append(points, part.Count, data);
                }
            }
        }
        return Open(points, sealedUntil);
    }

    /// <summary>The same of every series in the rows; those without such points are left out.</summary>
    /// <exception cref="InvalidDataException">A row is damaged.</exception>
    public static Dictionary<(long SeriesId, int Resolution), List<SeriesPoint>> Read(
        IEnumerable<ShelfRow> rows,
        IReadOnlyDictionary<(long SeriesId, int Resolution), SeriesBlock> last
    )
    {
        var all = new Dictionary<(long, int), List<SeriesPoint>>();
        foreach (var row in rows)
        {
            var rest = Begin(row);
            while (Next(row.Shelf, ref rest, out var part, out var data))
            {
                if (part.Until > SealedUntil(last, (part.Id, part.Resolution)))
                {
                    ref var points = ref CollectionsMarshal.GetValueRefOrAddDefault(
                        all,
                        (part.Id, part.Resolution),
                        out _
                    );
                    Append(points ??= [], part.Count, data);
                }
            }
        }
        return all.ToDictionary(a => a.Key, a => Open(a.Value, SealedUntil(last, a.Key)));
    }

    private static long SealedUntil(
        IReadOnlyDictionary<(long SeriesId, int Resolution), SeriesBlock> last,
        (long, int) of
    ) => last.GetValueOrDefault(of)?.LastUnixMillis ?? long.MinValue;

    private static List<SeriesPoint> Open(List<SeriesPoint> written, long sealedUntil)
    {
        written.RemoveAll(p => p.UnixMillis <= sealedUntil);
        for (var i = 1; i < written.Count; i++)
        {
            if (written[i].UnixMillis < written[i - 1].UnixMillis)
            {
                // Not List.Sort: those of one millisecond stay in the order they came
                return [.. written.OrderBy(p => p.UnixMillis)];
            }
        }
        return written;
    }

    private static ReadOnlySpan<byte> Begin(ShelfRow row) =>
        row.Data is [Format, ..] ? row.Data.AsSpan(1) : throw SeriesColumns.Damaged();

    private static bool Next(long shelf, ref ReadOnlySpan<byte> rest, out PartHead part, out ReadOnlySpan<byte> data)
    {
        part = default;
        data = default;
        if (rest.IsEmpty)
        {
            return false;
        }
        var place = SeriesColumns.ReadVarint(ref rest);
        var resolution = SeriesColumns.ReadVarint(ref rest);
        var count = SeriesColumns.ReadVarint(ref rest);
        var until = SeriesColumns.ReadVarint(ref rest);
        var length = SeriesColumns.ReadVarint(ref rest);
        if (
            place >= 1 << Bits
            || resolution > int.MaxValue
            || count is 0 or > SeriesBlocks.MostPoints
            || length > (ulong)rest.Length
        )
        {
            throw SeriesColumns.Damaged();
        }
        part = new PartHead((shelf << Bits) + (long)place, (int)resolution, (int)count, (long)until);
        data = rest[..(int)length];
        rest = rest[(int)length..];
        return true;
    }

    private static void Append(List<SeriesPoint> points, int count, ReadOnlySpan<byte> data)
    {
        var at = points.Count;
        CollectionsMarshal.SetCount(points, at + count);
        SeriesBlocks.Unpack(data, CollectionsMarshal.AsSpan(points)[at..]);
    }

    /// <param name="Until">the greatest time in it, in milliseconds</param>
    private readonly record struct PartHead(long Id, int Resolution, int Count, long Until);
}
