namespace DeepLab.Core.Engines;

/// <summary>
/// A tar as the engine's client hands it out, for readers that keep to the rules of streams: the client's own cannot be asked any
/// more once it gave its last byte, and takes a question for nothing, as tar readers ask at the end of an entry, for its end.
/// </summary>
internal sealed class ArchiveStream(Stream inner) : ReadOnlyStream
{
    private readonly byte[] _buffer = new byte[64 << 10];
    private int _start;
    private int _end;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_start == _end && buffer.Length > 0)
        {
            (_start, _end) = (0, inner.CanRead ? await inner.ReadAsync(_buffer, cancellationToken) : 0);
        }
        return Take(buffer.Span);
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        if (_start == _end && count > 0)
        {
            (_start, _end) = (0, inner.CanRead ? inner.Read(_buffer) : 0);
        }
        return Take(buffer.AsSpan(offset, count));
    }

    private int Take(Span<byte> into)
    {
        var count = Math.Min(into.Length, _end - _start);
        _buffer.AsSpan(_start, count).CopyTo(into);
        _start += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }
        base.Dispose(disposing);
    }
}
