using DeepLab.Core.Engines;

namespace DeepLab.Core.Streams;

/// <summary>The block that still grows. Keeps bytes; no line becomes a string on its way to the archive.</summary>
internal sealed class OpenBlock
{
    /// <summary>Text after which a block is full.</summary>
    public const int FullBytes = 128 << 10;
    private readonly long _attemptId;
    private readonly ByteBuffer _meta = new(256);
    private readonly ByteBuffer _text = new(2 << 10);
    private readonly ByteBuffer _segments = new(512);
    private int _packedMeta;
    private int _packedText;
    private int _packedLines;
    private long _first;
    private long _previous;
    private long _greatest;

    public OpenBlock(long attemptId, long firstLine) => (_attemptId, FirstLine) = (attemptId, firstLine);

    public long FirstLine { get; private set; }
    public int LineCount { get; private set; }
    public int RawBytes => _text.Count + LineCount;
    public bool IsFull => RawBytes >= FullBytes;

    public static OpenBlock Resume(LogBlock stored)
    {
        var open = new OpenBlock(stored.AttemptId, stored.FirstLine);
        var (meta, text) = LogBlocks.Unpack(stored);
        open._meta.Add(meta);
        open._text.Add(text);
        open._segments.Add(stored.Data);
        (open._packedMeta, open._packedText, open._packedLines) = (meta.Length, text.Length, stored.LineCount);
        open.LineCount = stored.LineCount;
        open._first = stored.FirstUnixNanos;
        open._greatest = stored.LastUnixNanos;
        var row = new LogRow(stored.FirstUnixNanos);
        for (var i = 0; i < stored.LineCount; i++)
        {
            row.Read(meta);
        }
        open._previous = row.UnixNanos;
        return open;
    }

    public void Add(LogStream stream, long unixNanos, ReadOnlySpan<byte> text, bool isGap)
    {
        if (LineCount == 0)
        {
            (_first, _previous, _greatest) = (unixNanos, unixNanos, unixNanos);
        }
        _meta.AddVarint(Varint.ZigZag(unixNanos - _previous));
        _meta.Add((byte)((byte)stream | (isGap ? LogBlocks.GapFlag : 0)));
        _meta.AddVarint((ulong)text.Length);
        _text.Add(text);
        _previous = unixNanos;
        _greatest = Math.Max(_greatest, unixNanos);
        LineCount++;
    }

    /// <summary>The block as it stands, ready to be stored.</summary>
    public LogBlock Snapshot()
    {
        if (IsFull)
        {
            _segments.Clear();
            (_packedMeta, _packedText, _packedLines) = (0, 0, 0);
        }
        if (LineCount > _packedLines)
        {
            LogBlocks.Pack(_segments, LineCount - _packedLines, _meta.Span[_packedMeta..], _text.Span[_packedText..]);
            (_packedMeta, _packedText, _packedLines) = (_meta.Count, _text.Count, LineCount);
        }
        return new LogBlock(_attemptId, FirstLine, LineCount, _first, _greatest, RawBytes, _segments.Span.ToArray());
    }

    /// <summary>Begins the next block in the same buffers.</summary>
    public void Next()
    {
        FirstLine += LineCount;
        LineCount = 0;
        _meta.Clear();
        _text.Clear();
        _segments.Clear();
        (_packedMeta, _packedText, _packedLines) = (0, 0, 0);
    }
}
