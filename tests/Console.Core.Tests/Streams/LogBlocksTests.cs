using System.Text;
using DeepLab.Core.Engines;
using DeepLab.Core.Streams;

namespace DeepLab.Core.Tests.Streams;

public sealed class LogBlocksTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void What_goes_in_comes_out_however_often_it_is_written_between(int seed)
    {
        var random = new Random(seed);
        var open = new OpenBlock(attemptId: 7, firstLine: 40);
        var expected = new List<LogLine>();
        var at = 1_800_000_000_000_000_000L;
        while (!open.IsFull)
        {
            // Backwards too: two streams cross
            at += random.Next(-2_000, 2_000_000);
            var stream = random.Next(2) == 0 ? LogStream.Stdout : LogStream.Stderr;
            var isGap = random.Next(100) == 0;
            var text = new string([
                .. Enumerable.Range(0, random.Next(300)).Select(_ => (char)random.Next(32, 0x2fff)),
            ]);
            open.Add(stream, at, Encoding.UTF8.GetBytes(text), isGap);
            expected.Add(new LogLine(40 + expected.Count, at, stream, text, isGap));
            if (random.Next(20) == 0)
            {
                var block = open.Snapshot();
                Assert.Equal(expected, LogBlocks.Decode(block));
                if (random.Next(3) == 0)
                {
                    open = OpenBlock.Resume(block);
                }
            }
        }
        var full = open.Snapshot();
        Assert.Equal(expected, LogBlocks.Decode(full));
        Assert.Equal(expected.Max(l => l.UnixNanos), full.LastUnixNanos);
        Assert.Equal(expected[0].UnixNanos, full.FirstUnixNanos);
        Assert.Equal(full.RawBytes, expected.Sum(l => Encoding.UTF8.GetByteCount(l.Text) + 1));
    }

    [Fact]
    public void A_full_block_is_packed_as_one_and_an_open_one_grows_by_what_is_new()
    {
        var open = new OpenBlock(1, 0);
        var line = Encoding.UTF8.GetBytes("epoch 001 step 0000100 loss 0.123456 accuracy 0.98765");
        var sizes = new List<int>();
        while (!open.IsFull)
        {
            for (var i = 0; i < 20; i++)
            {
                open.Add(LogStream.Stdout, sizes.Count * 1_000_000, line, isGap: false);
            }
            sizes.Add(open.Snapshot().Data.Length);
        }
        Assert.True(sizes[^1] < sizes[^2] / 4, $"{sizes[^2]} bytes before, {sizes[^1]} when packed as one");
        Assert.True(sizes[^1] < OpenBlock.FullBytes / 20);
    }

    [Fact]
    public void Bytes_that_are_no_text_are_kept_and_shown_as_replacement()
    {
        var open = new OpenBlock(1, 0);
        open.Add(LogStream.Stdout, 1, [0xff, 0x00, (byte)'a', 0xc3], isGap: false);
        open.Add(LogStream.Stdout, 2, [0xa4], isGap: false);
        var block = open.Snapshot();
        Assert.Equal(["\ufffd\0a\ufffd", "\ufffd"], LogBlocks.Decode(block).Select(l => l.Text));
        Assert.Equal([0xff, 0x00, (byte)'a', 0xc3, 0xa4], LogBlocks.Unpack(block).Text);
    }

    [Fact]
    public void A_damaged_block_is_said_to_be_one()
    {
        var open = new OpenBlock(1, 0);
        for (var i = 0; i < 100; i++)
        {
            open.Add(LogStream.Stdout, i, Encoding.UTF8.GetBytes($"line {i}"), isGap: false);
        }
        var block = open.Snapshot();
        Assert.Throws<InvalidDataException>(() => LogBlocks.Decode(block with { Data = [1, 100] }));
        var flipped = block.Data.ToArray();
        Array.Fill(flipped, (byte)0xff, flipped.Length / 2, flipped.Length / 2);
        Assert.Throws<InvalidDataException>(() => LogBlocks.Decode(block with { Data = flipped }));
    }
}
