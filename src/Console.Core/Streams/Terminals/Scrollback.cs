namespace DeepLab.Core.Streams.Terminals;

/// <summary>The last bytes that a terminal said, each with its place since the beginning. Not safe for threads.</summary>
/// <param name="capacity">bytes</param>
public sealed class Scrollback(int capacity)
{
    private readonly byte[] _ring = new byte[capacity];

    /// <summary>Place after the last byte: how many there were in all.</summary>
    public long End { get; private set; }

    /// <summary>Place of the oldest byte that is left.</summary>
    public long Start => Math.Max(0, End - _ring.Length);

    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _ring.Length)
        {
            End += bytes.Length - _ring.Length;
            bytes = bytes[^_ring.Length..];
        }
        var at = (int)(End % _ring.Length);
        var first = Math.Min(bytes.Length, _ring.Length - at);
        bytes[..first].CopyTo(_ring.AsSpan(at));
        bytes[first..].CopyTo(_ring);
        End += bytes.Length;
    }

    /// <summary>Copies from a place on; answers how many bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The place is not kept, or not there yet.</exception>
    public int Copy(long from, Span<byte> into)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(from, Start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(from, End);
        var count = (int)Math.Min(into.Length, End - from);
        var at = (int)(from % _ring.Length);
        var first = Math.Min(count, _ring.Length - at);
        _ring.AsSpan(at, first).CopyTo(into);
        _ring.AsSpan(0, count - first).CopyTo(into[first..]);
        return count;
    }

    /// <summary>
    /// Where a reader without a past begins, of the last bytes: with the first, or, where older ones are left out, with the first
    /// that begins a line, so that no character and no escape sequence is cut.
    /// </summary>
    public long FirstLine(int most)
    {
        var oldest = Math.Max(Start, End - most);
        if (oldest == 0)
        {
            return 0;
        }
        for (var place = oldest; place < End; place++)
        {
            if (_ring[place % _ring.Length] == (byte)'\n')
            {
                return place + 1;
            }
        }
        return oldest;
    }
}
