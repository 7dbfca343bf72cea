using System.Buffers.Binary;
using System.Text;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Tests.Engines;

public sealed class LogFramesTests
{
    private static readonly Uri Address = new("unix:///engine");

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100_000)]
    public async Task Frames_come_out_whole_however_the_bytes_arrive(int chunk)
    {
        var long1 = new string('x', 300_000);
        var bytes = Frame(1, "2026-07-01T12:00:00.000000001Z one\n")
            .Concat(Frame(2, "2026-07-01T12:00:00.123456789Z two\r\n"))
            .Concat(Frame(1, "2026-07-01T12:00:01.000000000Z " + long1))
            .Concat(Frame(1, "2026-07-01T14:00:02+02:00 \n"))
            .ToArray();
        var seen = new List<(LogStream, long, string, bool)>();
        await foreach (
            var f in LogFrames.ReadAsync(
                new Trickle(bytes, chunk),
                Address,
                TimeProvider.System,
                TestContext.Current.CancellationToken
            )
        )
        {
            seen.Add((f.Stream, f.UnixNanos, Encoding.UTF8.GetString(f.Text.Span), f.EndsLine));
        }
        var noon = new DateTimeOffset(2026, 7, 1, 12, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds() * 1_000_000_000;
        Assert.Equal(
            [
                (LogStream.Stdout, noon + 1, "one", true),
                (LogStream.Stderr, noon + 123_456_789, "two\r", true),
                (LogStream.Stdout, noon + 1_000_000_000, long1, false),
                (LogStream.Stdout, noon + 2_000_000_000, "", true),
            ],
            seen
        );
    }

    [Fact]
    public async Task A_stream_that_ends_within_a_frame_is_a_broken_connection()
    {
        var bytes = Frame(1, "2026-07-01T12:00:00.000000001Z one\n")[..^2];
        await Assert.ThrowsAsync<EngineUnreachableException>(async () =>
        {
            await foreach (
                var _ in LogFrames.ReadAsync(
                    new MemoryStream(bytes),
                    Address,
                    TimeProvider.System,
                    TestContext.Current.CancellationToken
                )
            ) { }
        });
    }

    private static byte[] Frame(byte stream, string body)
    {
        var text = Encoding.UTF8.GetBytes(body);
        var frame = new byte[8 + text.Length];
        frame[0] = stream;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(4), text.Length);
        text.CopyTo(frame, 8);
        return frame;
    }

    /// <summary>Gives at most so many bytes a read.</summary>
    private sealed class Trickle(byte[] bytes, int chunk) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, chunk)], cancellationToken);
    }
}
