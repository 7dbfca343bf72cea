using System.Diagnostics;
using DeepLab.Core.Metrics;

namespace DeepLab.Core.Tests.Metrics;

public sealed class SeriesBlocksTests
{
    private static readonly double[] Odd =
    [
        0.0,
        -0.0,
        double.NaN,
        BitConverter.UInt64BitsToDouble(0x7FF0_0000_0000_0001),
        BitConverter.UInt64BitsToDouble(ulong.MaxValue),
        double.PositiveInfinity,
        double.NegativeInfinity,
        double.Epsilon,
        double.MinValue,
        double.MaxValue,
        1.0,
    ];

    [Fact]
    public void Every_random_block_comes_back_bit_by_bit()
    {
        var random = new Random(7);
        for (var round = 0; round < 2_000; round++)
        {
            var points = new SeriesPoint[random.Next(1, random.Next(2, 1_200))];
            var kind = random.Next(6);
            for (var i = 0; i < points.Length; i++)
            {
                points[i] = new SeriesPoint(
                    Number(random, kind, i),
                    Number(random, random.Next(6), i),
                    Value(random, kind)
                );
            }
            AssertSame(points);
        }
    }

    [Fact]
    public void Odd_values_and_extreme_numbers_are_exact()
    {
        AssertSame([.. Odd.Select((v, i) => new SeriesPoint(i % 2 == 0 ? long.MinValue : long.MaxValue, i, v))]);
        AssertSame([
            .. Odd.SelectMany(a => Odd.Select(b => new SeriesPoint(0, 0, a)).Append(new SeriesPoint(-1, 5, a))),
        ]);
        foreach (var value in Odd)
        {
            AssertSame([new SeriesPoint(long.MaxValue, long.MinValue, value)]);
        }
    }

    [Fact]
    public void A_damaged_block_throws_and_never_hangs()
    {
        var random = new Random(11);
        var block = SeriesBlocks.Pack(1, 0, Curve(1_000));
        var refused = 0;
        for (var round = 0; round < 5_000; round++)
        {
            var data = block
                .Data.AsSpan(0, random.Next(2) == 0 ? block.Data.Length : random.Next(block.Data.Length))
                .ToArray();
            for (var i = 0; i < 3 && data.Length > 0; i++)
            {
                data[random.Next(data.Length)] = (byte)random.Next(256);
            }
            try
            {
                Assert.Equal(block.Count, SeriesBlocks.Unpack(block with { Data = data }).Count);
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 2_000, 5_000);
    }

    [Fact]
    public void A_block_names_its_first_and_last_point()
    {
        var points = Curve(1_000);
        var block = SeriesBlocks.Pack(5, 10, points);
        Assert.Equal(
            (5, 10, points[0].UnixMillis, points[^1].UnixMillis, points[0].Step, points[^1].Step, 1_000),
            (
                block.SeriesId,
                block.Resolution,
                block.FirstUnixMillis,
                block.LastUnixMillis,
                block.FirstStep,
                block.LastStep,
                block.Count
            )
        );
    }

    [Fact]
    public void A_curve_takes_few_bytes_a_point()
    {
        var points = Curve(1_000);
        var block = SeriesBlocks.Pack(1, 0, points);
        var machine = SeriesBlocks.Pack(1, 0, [.. points.Select((p, i) => new SeriesPoint(0, 1000L * i, i % 7))]);
        var (pack, unpack) = (Speed(() => SeriesBlocks.Pack(1, 0, points)), Speed(() => SeriesBlocks.Unpack(block)));
        TestContext.Current.SendDiagnosticMessage(
            "{0:F2} bytes a point of a curve, {1:F2} of a machine; {2:F1} M points/s packed, {3:F1} M unpacked",
            block.Data.Length / 1000.0,
            machine.Data.Length / 1000.0,
            pack / 1e6,
            unpack / 1e6
        );
        Assert.InRange(block.Data.Length, 1, 7_000);
        Assert.InRange(machine.Data.Length, 1, 3_000);
    }

    /// <summary>points a second</summary>
    private static double Speed(Action block)
    {
        var watch = Stopwatch.StartNew();
        var blocks = 0;
        while (watch.ElapsedMilliseconds < 300)
        {
            block();
            blocks++;
        }
        return blocks * 1_000 / watch.Elapsed.TotalSeconds;
    }

    /// <summary>A noisy loss in single precision, about 20 ms a step.</summary>
    private static SeriesPoint[] Curve(int count)
    {
        var random = new Random(3);
        var at = 1_795_460_666_000;
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(i => new SeriesPoint(
                    i,
                    at += 20 + random.Next(5),
                    (float)(2.3 / (1 + i * 0.01) + random.NextDouble() * 0.1)
                )),
        ];
    }

    private static long Number(Random random, int kind, int i) =>
        kind switch
        {
            0 => i,
            1 => 1_795_460_666_000 + i * 1000L + random.Next(-3, 4),
            2 => random.NextInt64(long.MinValue, long.MaxValue),
            3 => i / 5 * 100,
            4 => -i,
            _ => 0,
        };

    private static double Value(Random random, int kind) =>
        kind switch
        {
            0 => (float)random.NextDouble(),
            1 => BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue)),
            2 => Odd[random.Next(Odd.Length)],
            3 => 42,
            4 => random.Next(100),
            _ => random.NextDouble(),
        };

    private static void AssertSame(SeriesPoint[] points)
    {
        var back = SeriesBlocks.Unpack(SeriesBlocks.Pack(1, 0, points));
        Assert.Equal(points.Length, back.Count);
        for (var i = 0; i < points.Length; i++)
        {
            Assert.Equal((points[i].Step, points[i].UnixMillis), (back[i].Step, back[i].UnixMillis));
            Assert.Equal(
                BitConverter.DoubleToUInt64Bits(points[i].Value),
                BitConverter.DoubleToUInt64Bits(back[i].Value)
            );
        }
    }
}
