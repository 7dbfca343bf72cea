using System.Globalization;
using System.Text;

namespace DeepLab.Core.Engines;

/// <summary>
/// Reads the timestamp before a log frame, `2026-07-01T12:00:00.123456789Z`. Lines come by the ten thousand a second, so
/// the part up to the second is read once and then only compared.
/// </summary>
internal sealed class LogStamps
{
    private const int SecondBytes = 19;
    private const int FixedBytes = 30;
    private readonly byte[] _second = new byte[SecondBytes];
    private long _secondNanos = -1;

    /// <summary>Nanoseconds since 1970, and where the frame's text begins.</summary>
    /// <exception cref="FormatException">The frame begins with no timestamp.</exception>
    public long Read(ReadOnlySpan<byte> frame, out int textAt)
    {
        if (frame.Length <= FixedBytes || frame[FixedBytes] != (byte)' ' || frame[FixedBytes - 1] != (byte)'Z')
        {
            return ReadSlowly(frame, out textAt);
        }
        var second = frame[..SecondBytes];
        if (_secondNanos < 0 || !second.SequenceEqual(_second))
        {
            _secondNanos = Parse(second);
            second.CopyTo(_second);
        }
        var nanos = 0;
        foreach (var digit in frame[(SecondBytes + 1)..(FixedBytes - 1)])
        {
            nanos = (nanos * 10) + (digit - '0');
        }
        textAt = FixedBytes + 1;
        return _secondNanos + nanos;
    }

    /// <summary>Another offset than Z, or fewer digits: no engine we know sends it, the format allows it.</summary>
    private static long ReadSlowly(ReadOnlySpan<byte> frame, out int textAt)
    {
        var blank = frame.IndexOf((byte)' ');
        if (blank < 0)
        {
            throw new FormatException("A log frame without a timestamp.");
        }
        textAt = blank + 1;
        return Parse(frame[..blank]);
    }

    private static long Parse(ReadOnlySpan<byte> text)
    {
        var at = DateTimeOffset.Parse(
            Encoding.ASCII.GetString(text),
            CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal
        );
        return (at - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
    }
}
