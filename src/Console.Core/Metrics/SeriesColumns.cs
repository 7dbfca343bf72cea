using System.Buffers.Binary;
using System.Numerics;

namespace DeepLab.Core.Metrics;

/// <summary>
/// Columns of packed series. Numbers are differences of differences as varints, runs of zero counted; values are XOR with the
/// one before, shifted right by the zero bits that all of them share, with as many bytes as are left; their lengths stand
/// apart, two in a byte. Exact for every 64-bit pattern.
/// </summary>
internal static class SeriesColumns
{
    public const int LongestVarint = 10;

    /// <summary>Bytes that values can take, with what the last whole write needs beyond them.</summary>
    public static int MostOfValues(int count) => 8 + count / 2 + count * 8 + 8;

    /// <summary>Writes the values; answers where they end.</summary>
    /// <param name="shift">to be kept beside them</param>
    public static int WriteValues(byte[] buffer, int at, ReadOnlySpan<double> values, out byte shift)
    {
        var n = values.Length;
        var differences = new ulong[n];
        ulong shared = 0;
        ulong before = 0;
        for (var i = 0; i < n; i++)
        {
            var bits = BitConverter.DoubleToUInt64Bits(values[i]);
            differences[i] = bits ^ before;
            // The first value sets no bits: zero before it would hide what the differences share
            shared |= i == 0 ? 0 : differences[i];
            before = bits;
        }
        shift = (byte)(shared == 0 ? 0 : BitOperations.TrailingZeroCount(shared));
        BinaryPrimitives.WriteUInt64LittleEndian(buffer.AsSpan(at), differences[0]);
        at += 8;
        var lengths = buffer.AsSpan(at, n / 2);
        lengths.Clear();
        at += lengths.Length;
        for (var i = 1; i < n; i++)
        {
            var value = differences[i] >> shift;
            var length = (71 - BitOperations.LeadingZeroCount(value)) >> 3;
            lengths[(i - 1) >> 1] |= (byte)(length << (((i - 1) & 1) << 2));
            BinaryPrimitives.WriteUInt64LittleEndian(buffer.AsSpan(at), value);
            at += length;
        }
        return at;
    }

    public static void ReadValues(ref ReadOnlySpan<byte> from, int shift, Span<double> values)
    {
        var n = values.Length;
        if (shift > 63 || from.Length < 8 + n / 2)
        {
            throw Damaged();
        }
        var bits = BinaryPrimitives.ReadUInt64LittleEndian(from);
        var lengths = from.Slice(8, n / 2);
        from = from[(8 + n / 2)..];
        values[0] = BitConverter.UInt64BitsToDouble(bits);
        var at = 0;
        for (var i = 1; i < n; i++)
        {
            var length = (lengths[(i - 1) >> 1] >> (((i - 1) & 1) << 2)) & 0xF;
            if (length > 8 || at + length > from.Length)
            {
                throw Damaged();
            }
            bits ^= ReadShort(from, at, length) << shift;
            at += length;
            values[i] = BitConverter.UInt64BitsToDouble(bits);
        }
        from = from[at..];
    }

    public static int WriteNumbers(byte[] buffer, int at, ReadOnlySpan<long> numbers)
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

    public static void ReadNumbers(ref ReadOnlySpan<byte> from, Span<long> numbers)
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

    public static int WriteVarint(byte[] buffer, int at, ulong number)
    {
        while (number > 0x7F)
        {
            buffer[at++] = (byte)(number | 0x80);
            number >>= 7;
        }
        buffer[at++] = (byte)number;
        return at;
    }

    public static ulong ReadVarint(ref ReadOnlySpan<byte> from)
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

    public static InvalidDataException Damaged() => new("A block of a series is damaged.");

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

    private static ulong Zigzag(long number) => (ulong)((number << 1) ^ (number >> 63));

    private static long Unzigzag(ulong number) => (long)(number >> 1) ^ -(long)(number & 1);
}
