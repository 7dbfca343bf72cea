using System.Buffers.Binary;

namespace DeepLab.Core.Metrics;

/// <summary>A histogram as a writer gave it: buckets side by side, each with its right edge.</summary>
/// <param name="Count">of values; buckets may hold parts of one</param>
public sealed record EventHistogram(double Min, double Max, double Count, double[] Rights, double[] Counts)
{
    /// <summary>Buckets of equal width that are kept of one.</summary>
    public const int Kept = 64;

    private const byte Format = 1;
    private const int Head = 1 + 3 * 8;

    /// <summary>The same in <see cref="Kept"/> buckets from least to greatest; what a bucket holds is spread evenly over it.</summary>
    public float[] Reduce()
    {
        var kept = new float[Kept];
        var width = (Max - Min) / Kept;
        var left = Min;
        for (var i = 0; i < Counts.Length; i++)
        {
            var (from, to) = (Math.Clamp(left, Min, Max), Math.Clamp(Rights[i], Min, Max));
            left = Rights[i];
            if (Counts[i] <= 0)
            {
                continue;
            }
            if (to <= from || width <= 0)
            {
                kept[Place(to)] += (float)Counts[i];
                continue;
            }
            for (var place = Place(from); place < Kept; place++)
            {
                var overlap =
                    Math.Min(to, place == Kept - 1 ? Max : Min + (place + 1) * width)
                    - Math.Max(from, Min + place * width);
                if (overlap <= 0)
                {
                    break;
                }
                kept[place] += (float)(Counts[i] * overlap / (to - from));
            }
        }
        return kept;

        int Place(double value) => width <= 0 ? 0 : Math.Clamp((int)((value - Min) / width), 0, Kept - 1);
    }

    public byte[] Pack()
    {
        var kept = Reduce();
        var data = new byte[Head + kept.Length * 4];
        data[0] = Format;
        BinaryPrimitives.WriteDoubleLittleEndian(data.AsSpan(1), Min);
        BinaryPrimitives.WriteDoubleLittleEndian(data.AsSpan(9), Max);
        BinaryPrimitives.WriteDoubleLittleEndian(data.AsSpan(17), Count);
        for (var i = 0; i < kept.Length; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(data.AsSpan(Head + i * 4), kept[i]);
        }
        return data;
    }

    /// <exception cref="InvalidDataException">Not what <see cref="Pack"/> wrote.</exception>
    public static (double Min, double Max, double Count, float[] Counts) Unpack(ReadOnlySpan<byte> data)
    {
        if (data.Length < Head || data[0] != Format || (data.Length - Head) % 4 != 0)
        {
            throw new InvalidDataException("A histogram is damaged.");
        }
        var counts = new float[(data.Length - Head) / 4];
        for (var i = 0; i < counts.Length; i++)
        {
            counts[i] = BinaryPrimitives.ReadSingleLittleEndian(data[(Head + i * 4)..]);
        }
        return (
            BinaryPrimitives.ReadDoubleLittleEndian(data[1..]),
            BinaryPrimitives.ReadDoubleLittleEndian(data[9..]),
            BinaryPrimitives.ReadDoubleLittleEndian(data[17..]),
            counts
        );
    }

    /// <summary>Null where the numbers are none of a histogram.</summary>
    internal static EventHistogram? Of(double? min, double? max, double? count, double[] rights, double[] counts)
    {
        if (rights.Length == 0 || rights.Length != counts.Length)
        {
            return null;
        }
        var all = count ?? counts.Sum();
        var (least, greatest) = (min ?? rights[0], max ?? rights[^1]);
        return
            double.IsFinite(least)
            && double.IsFinite(greatest)
            && double.IsFinite(greatest - least)
            && least <= greatest
            && double.IsFinite(all)
            && counts.All(double.IsFinite)
            && !rights.Any(double.IsNaN)
            ? new EventHistogram(least, greatest, all, rights, counts)
            : null;
    }
}
