using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace DeepLab.Core.Engines;

/// <summary>
/// Takes the engine's multiplexed log apart: 8 bytes of header (stream, three zeros, big-endian length), then a timestamp,
/// a blank and at most 16 KiB of a line. Frames point into one buffer; nothing is allocated per frame.
/// </summary>
internal static class LogFrames
{
    private const int HeaderBytes = 8;

    /// <summary>The engine could not go on reading the log, and says why in the log.</summary>
    private const byte DaemonError = 3;
    private const int BufferBytes = 32 << 10;

    /// <summary>Frames are of 16 KiB; one longer than this is not a log.</summary>
    private const int FrameLimit = 16 << 20;

    /// <exception cref="EngineUnreachableException">The connection broke, or ended within a frame.</exception>
    public static async IAsyncEnumerable<LogFrame> ReadAsync(
        Stream stream,
        Uri address,
        TimeProvider time,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        var pace = new Pace(time);
        var stamps = new LogStamps();
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        var start = 0;
        var end = 0;
        try
        {
            while (true)
            {
                while (TryTake(buffer, ref start, end, stamps, out var frame))
                {
                    yield return frame;
                }
                buffer = MakeRoom(buffer, ref start, ref end);
                var read = await pace.ReadAsync(FillAsync(stream, buffer.AsMemory(end), address, ct));
                if (read == 0)
                {
                    if (end > start)
                    {
                        throw new EngineUnreachableException($"The log from {address} broke off within a frame.");
                    }
                    yield break;
                }
                end += read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static bool TryTake(byte[] buffer, ref int start, int end, LogStamps stamps, out LogFrame frame)
    {
        frame = default;
        if (end - start < HeaderBytes)
        {
            return false;
        }
        var length = BinaryPrimitives.ReadUInt32BigEndian(buffer.AsSpan(start + 4));
        if (length > FrameLimit)
        {
            throw new EngineException(EngineErrorKind.Other, $"A log frame of {length} bytes: this is no log.");
        }
        if (end - start - HeaderBytes < length)
        {
            return false;
        }
        var kind = buffer[start];
        var body = buffer.AsMemory(start + HeaderBytes, (int)length);
        start += HeaderBytes + (int)length;
        if (kind == DaemonError)
        {
            throw new EngineException(EngineErrorKind.Other, System.Text.Encoding.UTF8.GetString(body.Span));
        }
        var at = stamps.Read(body.Span, out var textAt);
        var text = body[textAt..];
        var ends = !text.IsEmpty && text.Span[^1] == (byte)'\n';
        var stream = kind == (byte)LogStream.Stderr ? LogStream.Stderr : LogStream.Stdout;
        frame = new LogFrame(stream, at, ends ? text[..^1] : text, ends);
        return true;
    }

    /// <summary>Moves the unread rest to the front; grows where one frame fills the buffer.</summary>
    private static byte[] MakeRoom(byte[] buffer, ref int start, ref int end)
    {
        var target = buffer;
        if (start == 0 && end == buffer.Length)
        {
            target = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
        }
        if (start > 0 || target != buffer)
        {
            buffer.AsSpan(start, end - start).CopyTo(target);
            (start, end) = (0, end - start);
        }
        if (target != buffer)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return target;
    }

    private static async ValueTask<int> FillAsync(Stream stream, Memory<byte> room, Uri address, CancellationToken ct)
    {
        try
        {
            return await stream.ReadAsync(room, ct);
        }
        catch (Exception e) when (EngineErrors.Covers(e))
        {
            throw EngineErrors.Map(e, address);
        }
    }
}
