using System.Buffers;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Streams;

/// <summary>
/// Says whether a follower can be trusted. While the engine's log file has not rotated, following is exact; across a
/// rotation it loses or doubles lines. So the size of the engine's file is estimated from above: what was read, plus what
/// the engine may have written since the frame that we have just seen was written.
/// </summary>
internal sealed class RotationWatch(long maxSize)
{
    /// <summary>A file so small could rotate between two reads.</summary>
    private const long LeastToFollow = 32 << 20;

    /// <summary>`{"log":"\n","stream":"stdout","time":"2026-07-01T12:00:00.123456789Z"}` and the newline.</summary>
    private const int EnvelopeBytes = 80;

    /// <summary>More than an engine was seen to write in a second, in frames and in bytes.</summary>
    private const double FramesPerSecond = 400_000;
    private const double BytesPerSecond = 200e6;

    /// <summary>Written as six bytes of JSON in the engine's file.</summary>
    private static readonly SearchValues<byte> Escaped = SearchValues.Create([
        .. Enumerable.Range(0, 32).Select(i => (byte)i),
        (byte)'"',
        (byte)'\\',
        (byte)'<',
        (byte)'>',
        (byte)'&',
        0x7f,
    ]);
    private double _bytes;
    private long _frames;
    private double _leastLag = double.MaxValue;
    private long _newest;
    private DateTimeOffset _newestAt = DateTimeOffset.MaxValue;

    public bool MayFollow => maxSize >= LeastToFollow && _bytes < maxSize * 0.9;

    /// <summary>Counts what an earlier collector stored; without the bytes, a fifth is added for what JSON escapes.</summary>
    public void Count(LogCursor stored)
    {
        _bytes += (stored.Bytes * 1.2) + (stored.Lines * EnvelopeBytes);
        _frames += stored.Lines;
    }

    public void Count(ReadOnlySpan<byte> text)
    {
        _frames++;
        _bytes += EnvelopeBytes + text.Length;
        while (text.IndexOfAny(Escaped) is >= 0 and var at)
        {
            _bytes += 5;
            text = text[(at + 1)..];
        }
        if (text.ContainsAnyExceptInRange((byte)0, (byte)127))
        {
            // Bytes that are no UTF-8 become six; whole characters stay
            _bytes += text.Length * 5;
        }
    }

    /// <summary>The engine's newest line bore this stamp, or an older one, at this moment.</summary>
    public void Newest(long unixNanos, DateTimeOffset asked) =>
        (_newest, _newestAt) = (Math.Max(_newest, unixNanos), asked);

    /// <summary>
    /// False where the engine may by now have written so much more than we have read that its file rotated. The clocks of
    /// engine and console differ, so a lag counts from the least that was seen.
    /// </summary>
    public bool IsSafe(long frameUnixNanos, DateTimeOffset now)
    {
        var lag = (now - DateTimeOffset.UnixEpoch).TotalSeconds - (frameUnixNanos / 1e9);
        _leastLag = Math.Min(_leastLag, lag);
        var unread = lag - _leastLag;
        if (now >= _newestAt)
        {
            unread = Math.Min(unread, Math.Max(0, (_newest - frameUnixNanos) / 1e9) + (now - _newestAt).TotalSeconds);
        }
        var frame = _frames == 0 ? EnvelopeBytes : _bytes / _frames;
        var rate = Math.Min(BytesPerSecond, FramesPerSecond * frame);
        return _bytes + (unread * rate) < maxSize * 0.9;
    }
}
