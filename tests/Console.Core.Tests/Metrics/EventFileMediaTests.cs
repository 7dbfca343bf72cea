using System.Text;
using System.Text.Json;
using DeepLab.Core.Metrics;

namespace DeepLab.Core.Tests.Metrics;

/// <summary>Histograms, images, texts and hyper-parameters of three writers, against what TensorBoard's own reader gives.</summary>
public sealed class EventFileMediaTests
{
    private static readonly string Samples = Path.Combine(AppContext.BaseDirectory, "Metrics", "Samples");

    public static TheoryData<string> Runs => ["torch/run1", "torchsharp", "minwriter"];

    [Theory]
    [MemberData(nameof(Runs))]
    public void What_a_file_holds_beside_scalars_is_read_to_the_same_values(string run)
    {
        var whole = Read(run, int.MaxValue);
        AssertExpected(run, whole);
        AssertExpected(run, Read(run, 7));
    }

    [Fact]
    public void Hyper_parameters_are_a_JSON_object()
    {
        var media = Read("torch/run1/1795460666.6430726", int.MaxValue);
        var parameters = Assert.Single(media);
        Assert.Equal((MediaKind.Parameters, "hparams", 0L), (parameters.Kind, parameters.Tag, parameters.Step));
        Assert.Equal("""{"bs":64,"lr":0.001}""", Encoding.UTF8.GetString(parameters.Data));
    }

    [Fact]
    public void A_histogram_is_kept_in_buckets_of_one_width_that_hold_as_much()
    {
        var random = new Random(3);
        for (var round = 0; round < 200; round++)
        {
            var rights = Enumerable
                .Range(0, random.Next(1, 700))
                .Select(_ => random.NextDouble() * 8 - 4)
                .Order()
                .ToArray();
            var counts = rights.Select(_ => (double)random.Next(100)).ToArray();
            var (min, max) = (rights[0] - random.NextDouble(), rights[^1]);
            var histogram = EventHistogram.Of(min, max, null, rights, counts)!;
            var (least, greatest, count, kept) = EventHistogram.Unpack(histogram.Pack());
            Assert.Equal((min, max, counts.Sum()), (least, greatest, count));
            Assert.Equal(EventHistogram.Kept, kept.Length);
            Assert.Equal(counts.Sum(), kept.Sum(k => (double)k), counts.Sum() * 1e-4 + 1e-6);
            // No bucket takes from farther away than its own width
            var half = rights.Zip(counts).Where(b => b.First <= min + (max - min) / 2).Sum(b => b.Second);
            Assert.InRange(kept.Take(EventHistogram.Kept / 2).Sum(), half - 1, half + counts.Max() + 1);
        }
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        var random = new Random(17);
        var bytes = Bytes("minwriter");
        var values = new List<byte[]>();
        new EventFileRecords(0).Append(bytes, record => values.Add(record.ToArray()));
        var media = values.Where(v => v.Length > 100 || values.IndexOf(v) < 3).Take(50).ToArray();
        var reader = new EventFileReader();
        for (var round = 0; round < 20_000; round++)
        {
            var bad = media[random.Next(media.Length)].ToArray();
            for (var n = random.Next(1, 6); n > 0; n--)
            {
                bad[random.Next(bad.Length)] = (byte)random.Next(256);
            }
            reader.Append(EventFileBytes.Record(bad), [], []);
        }
        Assert.False(reader.Damaged);
    }

    private static List<EventMedia> Read(string run, int piece)
    {
        var media = new List<EventMedia>();
        var reader = new EventFileReader();
        foreach (var part in Bytes(run).Chunk(piece))
        {
            reader.Append(part, [], media);
        }
        return media;
    }

    private static byte[] Bytes(string run) =>
        File.ReadAllBytes(Assert.Single(Directory.GetFiles(Path.Combine(Samples, run), "events.out.tfevents.*")));

    private static void AssertExpected(string run, List<EventMedia> media)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Samples, "expected.json")));
        var expected = json.RootElement.GetProperty(run);
        var histograms = expected.GetProperty("histograms").EnumerateObject().ToArray();
        foreach (var tag in histograms)
        {
            var found = Of(MediaKind.Histogram, tag.Name);
            Assert.Equal(tag.Value.GetArrayLength(), found.Length);
            foreach (var (e, item) in tag.Value.EnumerateArray().Zip(found))
            {
                var (min, max, count, kept) = EventHistogram.Unpack(item.Data);
                Assert.Equal(
                    (e[0].GetInt64(), e[1].GetDouble(), e[2].GetDouble(), e[3].GetDouble()),
                    (item.Step, count, min, max)
                );
                Assert.Equal(count, kept.Sum(k => (double)k), count * 1e-4);
            }
        }
        foreach (var tag in expected.GetProperty("tensors").EnumerateObject())
        {
            var found = Of(MediaKind.Text, tag.Name);
            Assert.Equal(
                tag.Value.EnumerateArray().Select(e => (e[0].GetInt64(), e[2][0].GetString())),
                found.Select(f => (f.Step, (string?)Encoding.UTF8.GetString(f.Data)))
            );
        }
        foreach (var tag in expected.GetProperty("images").EnumerateObject())
        {
            var found = Of(MediaKind.Image, tag.Name);
            Assert.Equal(
                tag.Value.EnumerateArray().Select(e => (e[0].GetInt64(), e[3].GetInt32())),
                found.Select(f => (f.Step, f.Data.Length))
            );
            Assert.All(found, f => Assert.Equal("image/png", RunMedia.ImageType(f.Data)));
        }

        EventMedia[] Of(MediaKind kind, string tag) => [.. media.Where(m => m.Kind == kind && m.Tag == tag)];
    }
}
