using System.Diagnostics;
using System.Text;
using System.Text.Json;
using DeepLab.Core.Metrics;

namespace DeepLab.Core.Tests.Metrics;

/// <summary>What three writers wrote, against what TensorBoard's own reader gives for it.</summary>
public sealed class EventFileReaderTests
{
    private static readonly string Samples = Path.Combine(AppContext.BaseDirectory, "Metrics", "Samples");

    public static TheoryData<string> Runs => ["torch/run1", "torchsharp", "minwriter"];

    [Fact]
    public void The_checksum_is_Castagnolis()
    {
        // RFC 3720, B.4
        Assert.Equal(0xE3069283u, Crc32C.Append(0, "123456789"u8));
        Assert.Equal(0x8A9136AAu, Crc32C.Append(0, new byte[32]));
        Assert.Equal(0xE3069283u, Crc32C.Append(Crc32C.Append(0, "1234"u8), "56789"u8));
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public void A_whole_file_gives_every_scalar(string run)
    {
        var reader = new EventFileReader();
        var scalars = new List<EventScalar>();
        var bytes = Bytes(run);
        reader.Append(bytes, scalars);
        AssertExpected(run, scalars);
        Assert.Equal((bytes.LongLength, bytes.LongLength, false), (reader.Offset, reader.Position, reader.Damaged));
        Assert.True(reader.Skipped > 0, "histograms and texts are counted");
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public void Byte_by_byte_gives_the_same(string run)
    {
        var reader = new EventFileReader();
        var scalars = new List<EventScalar>();
        foreach (var b in Bytes(run))
        {
            reader.Append([b], scalars);
        }
        AssertExpected(run, scalars);
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public void Random_pieces_and_restarts_from_the_offset_give_the_same(string run)
    {
        var random = new Random(5);
        var bytes = Bytes(run);
        for (var round = 0; round < 50; round++)
        {
            var reader = new EventFileReader();
            var scalars = new List<EventScalar>();
            for (var at = 0L; at < bytes.Length; at = reader.Position)
            {
                var take = (int)Math.Min(bytes.Length - at, random.Next(1, random.Next(2, 5_000)));
                reader.Append(bytes.AsSpan((int)at, take), scalars);
                if (random.Next(4) == 0 && reader.Position < bytes.Length)
                {
                    reader = new EventFileReader(reader.Offset);
                }
            }
            AssertExpected(run, scalars);
        }
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public void A_cut_file_gives_its_whole_records_and_goes_on_later(string run)
    {
        var bytes = Bytes(run);
        var reader = new EventFileReader();
        var scalars = new List<EventScalar>();
        reader.Append(bytes.AsSpan(0, bytes.Length - 1), scalars);
        Assert.False(reader.Damaged);
        Assert.InRange(reader.Offset, 1, bytes.Length - 17);
        reader.Append(bytes.AsSpan(bytes.Length - 1), scalars);
        AssertExpected(run, scalars);
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public void Any_flipped_byte_stops_the_file_there_and_invents_nothing(string run)
    {
        var random = new Random(9);
        var bytes = Bytes(run);
        var good = new List<EventScalar>();
        new EventFileReader().Append(bytes, good);
        for (var round = 0; round < 200; round++)
        {
            var bad = bytes.ToArray();
            var at = random.Next(bad.Length);
            bad[at] ^= (byte)random.Next(1, 256);
            var reader = new EventFileReader();
            var scalars = new List<EventScalar>();
            reader.Append(bad, scalars);
            reader.Append(bytes, scalars);
            Assert.True(reader.Damaged);
            Assert.InRange(reader.Offset, 0, at);
            Assert.Equal(good.Take(scalars.Count), scalars);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_long_record_is_passed_over_and_checked(bool flip)
    {
        var before = EventFileBytes.Scalar("a", 1, 1);
        var image = EventFileBytes.Record(new byte[EventFileRecords.MostKept + 5]);
        image[1_000] ^= (byte)(flip ? 1 : 0);
        byte[] file = [.. before, .. image, .. EventFileBytes.Scalar("a", 2, 2)];
        foreach (var piece in new[] { file.Length, 100_003, EventFileRecords.MostKept + 19, before.Length + 11 })
        {
            var reader = new EventFileReader();
            var scalars = new List<EventScalar>();
            foreach (var part in file.Chunk(piece))
            {
                reader.Append(part, scalars);
            }
            Assert.Equal(flip, reader.Damaged);
            Assert.Equal(flip ? before.Length : file.Length, reader.Offset);
            Assert.Equal(flip ? [1.0] : [1.0, 2.0], scalars.Select(s => s.Value));
        }
    }

    [Fact]
    public void A_record_that_announces_more_than_the_bound_is_damage()
    {
        var header = new byte[12];
        BitConverter.TryWriteBytes(header, EventFileRecords.MostRecord + 1);
        BitConverter.TryWriteBytes(header.AsSpan(8), Crc32C.Mask(Crc32C.Append(0, header.AsSpan(0, 8))));
        var reader = new EventFileReader();
        reader.Append(header, []);
        Assert.True(reader.Damaged);
    }

    public static TheoryData<byte[], double?> Tensors =>
        new()
        {
            // dtype, then one number: packed, unpacked, or as raw content
            { [8, 1, 0x2A, 4, .. BitConverter.GetBytes(0.5f)], 0.5 },
            { [8, 1, 0x2D, .. BitConverter.GetBytes(0.5f)], 0.5 },
            { [8, 1, 0x22, 4, .. BitConverter.GetBytes(0.5f)], 0.5 },
            { [8, 2, 0x32, 8, .. BitConverter.GetBytes(0.1)], 0.1 },
            { [8, 2, 0x31, .. BitConverter.GetBytes(0.1)], 0.1 },
            { [8, 2, 0x22, 8, .. BitConverter.GetBytes(0.1)], 0.1 },
            { [8, 1, 0x2A, 8, .. BitConverter.GetBytes(0.1)], null },
            { [8, 7, 0x42, 1, 65], null },
            { [8, 1], null },
            { [8, 1, 0x2A, 40, 1], null },
            { [8, 3, 0x38, 1], null },
        };

    [Theory]
    [MemberData(nameof(Tensors))]
    public void A_tensor_with_one_number_is_a_scalar(byte[] tensor, double? expected)
    {
        var reader = new EventFileReader();
        var scalars = new List<EventScalar>();
        reader.Append(EventFileBytes.Value("t", 3, [0x42, (byte)tensor.Length, .. tensor]), scalars);
        Assert.Equal(expected is null ? [] : [new EventScalar("t", 3, 12.5, expected.Value)], scalars);
        Assert.Equal(expected is null ? 1 : 0, reader.Skipped);
        Assert.False(reader.Damaged);
    }

    [Fact]
    public void Random_records_are_skipped_and_never_throw()
    {
        var random = new Random(13);
        var reader = new EventFileReader();
        var scalars = new List<EventScalar>();
        for (var i = 0; i < 20_000; i++)
        {
            var data = EventFileBytes.Scalar("tag", i, i)[12..^4];
            for (var n = 0; n < 3; n++)
            {
                data[random.Next(data.Length)] = (byte)random.Next(256);
            }
            reader.Append(EventFileBytes.Record(data), scalars);
        }
        Assert.False(reader.Damaged);
        Assert.InRange(reader.Skipped, 1, 20_000);
    }

    [Theory]
    [InlineData(1 << 20)]
    [InlineData(4099)]
    [InlineData(7)]
    public void A_value_that_is_passed_over_for_its_size_is_named_and_a_graph_is_not(int piece)
    {
        // Field 4 of an event is a graph, field 4 of a value a picture
        var graph = EventFileBytes.Record(EventFileBytes.Field(4, new byte[(1 << 20) + 1]));
        var picture = EventFileBytes.Value("samples/grid", 5, EventFileBytes.Field(4, new byte[1 << 20]));
        var later = EventFileBytes.Value("later", 6, EventFileBytes.Field(4, new byte[1 << 20]));
        var reader = new EventFileReader();
        var scalars = new List<EventScalar>();

        Append(graph);
        Assert.Null(reader.TooLarge);
        Append(picture);
        Append(later);
        Append(EventFileBytes.Scalar("loss", 7, 1));

        Assert.Equal(("samples/grid", 3, false), (reader.TooLarge, reader.Skipped, reader.Damaged));
        Assert.Equal("loss", Assert.Single(scalars).Tag);

        void Append(ReadOnlySpan<byte> bytes)
        {
            for (; bytes.Length > 0; bytes = bytes[Math.Min(piece, bytes.Length)..])
            {
                reader.Append(bytes[..Math.Min(piece, bytes.Length)], scalars);
            }
        }
    }

    [Fact]
    public void What_was_passed_over_and_is_no_event_has_no_name()
    {
        var random = new Random(19);
        var reader = new EventFileReader();
        var picture = EventFileBytes.Value("grid", 5, EventFileBytes.Field(4, new byte[1 << 20]))[12..^4];
        for (var i = 0; i < 40; i++)
        {
            random.NextBytes(picture.AsSpan(0, 60));
            reader.Append(EventFileBytes.Record(picture), []);
        }
        reader.Append(EventFileBytes.Value("a\0b", 5, EventFileBytes.Field(4, new byte[1 << 20])), []);
        Assert.False(reader.Damaged);
        Assert.Null(reader.TooLarge);
    }

    [Fact]
    public void A_tag_that_is_no_name_is_skipped()
    {
        var reader = new EventFileReader();
        var scalars = new List<EventScalar>();
        foreach (var tag in new[] { "", "a\0b", new string('x', 257), "line\n" })
        {
            reader.Append(EventFileBytes.Scalar(tag, 1, 1), scalars);
        }
        Assert.Empty(scalars);
        Assert.Equal(4, reader.Skipped);
    }

    [Fact]
    public void Reading_is_fast()
    {
        var file = Enumerable.Range(0, 50_000).SelectMany(i => EventFileBytes.Scalar("train/loss", i, i)).ToArray();
        var best = 0.0;
        for (var round = 0; round < 5; round++)
        {
            var watch = Stopwatch.StartNew();
            var scalars = new List<EventScalar>();
            var reader = new EventFileReader();
            foreach (var piece in file.Chunk(64 << 10))
            {
                reader.Append(piece, scalars);
            }
            Assert.Equal(50_000, scalars.Count);
            best = Math.Max(best, scalars.Count / watch.Elapsed.TotalSeconds);
        }
        TestContext.Current.SendDiagnosticMessage("{0:F2} M scalars/s read", best / 1e6);
    }

    private static byte[] Bytes(string run) =>
        File.ReadAllBytes(Assert.Single(Directory.GetFiles(Path.Combine(Samples, run), "events.out.tfevents.*")));

    private static void AssertExpected(string run, List<EventScalar> scalars)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Samples, "expected.json")));
        var expected = json.RootElement.GetProperty(run).GetProperty("scalars").EnumerateObject().ToArray();
        Assert.Equal(expected.Select(e => e.Name).Order(), scalars.Select(s => s.Tag).Distinct().Order());
        foreach (var tag in expected)
        {
            var points = tag.Value.EnumerateArray().ToArray();
            var found = scalars.Where(s => s.Tag == tag.Name).ToArray();
            Assert.Equal(points.Length, found.Length);
            foreach (var (point, scalar) in points.Zip(found))
            {
                Assert.Equal((point[0].GetInt64(), point[2].GetDouble()), (scalar.Step, scalar.Value));
                Assert.Equal(point[1].GetDouble(), scalar.WallTime, 1e-6);
            }
        }
    }
}
