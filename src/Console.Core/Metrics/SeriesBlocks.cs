using System.Buffers.Binary;
using System.Numerics;

namespace DeepLab.Core.Metrics;

/// <summary>
/// Packs about 1,000 points into one row. Columns in a row: steps and times as differences of differences (runs of zero
/// counted), values as XOR with the one before, shifted right by the zero bits that all of them share, with as many bytes
/// as are left; their lengths stand apart, two in a byte. Exact for every 64-bit pattern. Points may come in any order.
/// </summary>
public static class SeriesBlocks
{
    /// <summary>A raw block is closed when it holds this many points.</summary>
    public const int RawPoints = 1_000;

    /// <summary>A block of roll-ups is closed when it holds this many: three for each bucket.</summary>
    public const int RollUpPoints = 3_000;

    /// <summary>What one block may hold at all: a bound for what a damaged row can make us allocate.</summary>
    public const int MostPoints = 1 << 20;

    private const byte Format = 1;
    private const int LongestVarint = 10;

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
            Pack(copy)
        );
    }

    /// <exception cref="InvalidDataException">The bytes are not a block of that many points.</exception>
    public static IReadOnlyList<SeriesPoint> Unpack(SeriesBlock block)
    {
        if (block.Count is <= 0 or > MostPoints || block.Data.Length < 2 || block.Data[0] != Format)
        {
            throw Damaged();
        }
        ReadOnlySpan<byte> rest = block.Data.AsSpan(2);
        var points = new SeriesPoint[block.Count];
        var steps = new long[block.Count];
        var times = new long[block.Count];
        ReadColumn(ref rest, steps);
        ReadColumn(ref rest, times);
        ReadValues(rest, block.Data[1], steps, times, points);
        return points;
    }

    private static byte[] Pack(ReadOnlySpan<SeriesPoint> points)
    {
        var n = points.Length;
        // Two columns of varints, lengths and values at their longest; eight bytes over for the last whole write
        var buffer = new byte[2 + n * 2 * LongestVarint + (n + 1) / 2 + n * 8 + 8];
        var differences = new ulong[n];
        ulong shared = 0;
        ulong before = 0;
        for (var i = 0; i < n; i++)
        {
            var bits = BitConverter.DoubleToUInt64Bits(points[i].Value);
            differences[i] = bits ^ before;
            // The first value sets no bits: zero before it would hide what the differences share
            shared |= i == 0 ? 0 : differences[i];
            before = bits;
        }
        var shift = shared == 0 ? 0 : BitOperations.TrailingZeroCount(shared);
        buffer[0] = Format;
        buffer[1] = (byte)shift;
        var steps = new long[n];
        var times = new long[n];
        for (var i = 0; i < n; i++)
        {
            steps[i] = points[i].Step;
            times[i] = points[i].UnixMillis;
        }
        var at = WriteColumn(buffer, 2, steps);
        at = WriteColumn(buffer, at, times);
        BinaryPrimitives.WriteUInt64LittleEndian(buffer.AsSpan(at), differences[0]);
        at += 8;
        var lengths = buffer.AsSpan(at, n / 2);
        at += lengths.Length;
        for (var i = 1; i < n; i++)
        {
            var value = differences[i] >> shift;
            var length = (71 - BitOperations.LeadingZeroCount(value)) >> 3;
            lengths[(i - 1) >> 1] |= (byte)(length << (((i - 1) & 1) << 2));
            BinaryPrimitives.WriteUInt64LittleEndian(buffer.AsSpan(at), value);
            at += length;
        }
        return buffer.AsSpan(0, at).ToArray();
    }

    private static void ReadValues(
        ReadOnlySpan<byte> rest,
        int shift,
        long[] steps,
        long[] times,
        Span<SeriesPoint> points
    )
    {
        var n = points.Length;
        if (shift > 63 || rest.Length < 8 + n / 2)
        {
            throw Damaged();
        }
        var bits = BinaryPrimitives.ReadUInt64LittleEndian(rest);
        var lengths = rest.Slice(8, n / 2);
        rest = rest[(8 + n / 2)..];
        points[0] = new SeriesPoint(steps[0], times[0], BitConverter.UInt64BitsToDouble(bits));
        var at = 0;
        for (var i = 1; i < n; i++)
        {
            var length = (lengths[(i - 1) >> 1] >> (((i - 1) & 1) << 2)) & 0xF;
            if (length > 8 || at + length > rest.Length)
            {
                throw Damaged();
            }
            bits ^= ReadShort(rest, at, length) << shift;
            at += length;
            points[i] = new SeriesPoint(steps[i], times[i], BitConverter.UInt64BitsToDouble(bits));
        }
        if (at != rest.Length)
        {
            throw Damaged();
        }
    }

    private static ulong ReadShort(ReadOnlySpan<byte> from, int at, int length)
    {
        if (at + 8 <= from.Length)
        {
            var whole = BinaryPrimitives.ReadUInt64LittleEndian(from[at..]);
            return length == 8 ? whole : whole & ((1UL << (length << 3)) - 1);
        }
        ulong value = 0;
        for (var i = 0; i < length; i++)
        {
            value |= (ulong)from[at + i] << (i << 3);
        }
        return value;
    }

    private static int WriteColumn(byte[] buffer, int at, ReadOnlySpan<long> numbers)
    {
        at = WriteVarint(buffer, at, Zigzag(numbers[0]));
        long delta = 0;
        for (var i = 1; i < numbers.Length; )
        {
            // Differences wrap around at 64 bits and are undone by wrapping back
            var next = unchecked(numbers[i] - numbers[i - 1]);
            var change = unchecked(next - delta);
            delta = next;
            at = WriteVarint(buffer, at, Zigzag(change));
            i++;
            if (change == 0)
            {
                var start = i;
                while (i < numbers.Length && unchecked(numbers[i] - numbers[i - 1]) == delta)
                {
                    i++;
                }
                at = WriteVarint(buffer, at, (ulong)(i - start));
            }
        }
        return at;
    }

    private static void ReadColumn(ref ReadOnlySpan<byte> from, Span<long> numbers)
    {
        numbers[0] = Unzigzag(ReadVarint(ref from));
        long delta = 0;
        for (var i = 1; i < numbers.Length; )
        {
            var change = Unzigzag(ReadVarint(ref from));
            var more = change == 0 ? ReadVarint(ref from) : 0;
            if (more > (ulong)(numbers.Length - i - 1))
            {
                throw Damaged();
            }
            delta = unchecked(delta + change);
            for (var end = i + 1 + (int)more; i < end; i++)
            {
                numbers[i] = unchecked(numbers[i - 1] + delta);
            }
        }
    }

    private static int WriteVarint(byte[] buffer, int at, ulong number)
    {
        while (number > 0x7F)
        {
            buffer[at++] = (byte)(number | 0x80);
            number >>= 7;
        }
        buffer[at++] = (byte)number;
        return at;
    }

    private static ulong ReadVarint(ref ReadOnlySpan<byte> from)
    {
        ulong number = 0;
        for (var i = 0; i < from.Length && i < LongestVarint; i++)
        {
            number |= (ulong)(from[i] & 0x7F) << (7 * i);
            if (from[i] < 0x80)
            {
                from = from[(i + 1)..];
                return number;
            }
        }
        throw Damaged();
    }

    private static ulong Zigzag(long number) => (ulong)((number << 1) ^ (number >> 63));

    private static long Unzigzag(ulong number) => (long)(number >> 1) ^ -(long)(number & 1);

    private static InvalidDataException Damaged() => new("A block of a series is damaged.");
}
