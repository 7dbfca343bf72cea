using System.Buffers;
using System.IO.Compression;
using System.Text;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Streams;

/// <summary>
/// The form of a block's data: segments, one after another, each `codec, line count, bytes of meta, bytes of text, bytes
/// of data, data`. The data is a column of meta (time since the line before, flags, length) and then the text of the lines
/// without separators; apart, the two compress a fifth better. A growing block gets a segment more at each write, so that
/// a write costs what is new and not what is there; a full one is packed once more, as one segment.
/// </summary>
public static class LogBlocks
{
    internal const byte GapFlag = 0x80;
    private const byte StreamMask = 0x03;
    private const byte Stored = 0;
    private const byte Brotli = 1;

    /// <summary>Below this, compression makes a segment longer.</summary>
    private const int LeastToCompress = 200;

    /// <summary>
    /// Of a 134 KiB block of training log: Brotli 1 left 36 KiB at 1.6 M lines/s, 0 left 45 KiB at 4.7 M, 2 left 34 KiB at
    /// 0.9 M; Deflate Fastest 51 KiB at 5 M, Optimal 37 KiB at 0.8 M. Engines send 0.1 M lines/s: at 0.6 us a line,
    /// quality 1 is the best that nobody notices.
    /// </summary>
    private const int BrotliQuality = 1;
    private const int BrotliWindow = 18;

    /// <summary>All lines of a block. Bytes that are no UTF-8 become U+FFFD here; the archive keeps them as they were.</summary>
    /// <exception cref="InvalidDataException">The data is no block of this form.</exception>
    public static LogLine[] Decode(LogBlock block) => Decode(block, []);

    /// <summary>As <see cref="Decode(LogBlock)"/>, taking over the lines of a shorter version of the same block.</summary>
    internal static LogLine[] Decode(LogBlock block, LogLine[] known)
    {
        var (meta, text) = Unpack(block);
        var lines = new LogLine[block.LineCount];
        known.CopyTo(lines, 0);
        var row = new LogRow(block.FirstUnixNanos);
        for (var i = 0; i < lines.Length; i++)
        {
            row.Read(meta);
            if (i >= known.Length)
            {
                lines[i] = new LogLine(
                    block.FirstLine + i,
                    row.UnixNanos,
                    (LogStream)(row.Flags & StreamMask),
                    Encoding.UTF8.GetString(text, row.TextAt, row.TextLength),
                    (row.Flags & GapFlag) != 0
                );
            }
        }
        return lines;
    }

    internal static (byte[] Meta, byte[] Text) Unpack(LogBlock block)
    {
        var (metaBytes, textBytes) = Measure(block.Data);
        var meta = new byte[metaBytes];
        var text = new byte[textBytes];
        var metaAt = 0;
        var textAt = 0;
        var at = 0;
        while (at < block.Data.Length)
        {
            var s = SegmentHead.Read(block.Data, ref at);
            var raw = ArrayPool<byte>.Shared.Rent(s.MetaBytes + s.TextBytes);
            var data = block.Data.AsSpan(at, s.DataBytes);
            at += s.DataBytes;
            var written = data.Length;
            if (s.Codec == Stored)
            {
                data.CopyTo(raw);
            }
            else if (s.Codec != Brotli || !BrotliDecoder.TryDecompress(data, raw, out written))
            {
                throw new InvalidDataException("A log block that cannot be unpacked.");
            }
            if (written != s.MetaBytes + s.TextBytes)
            {
                throw new InvalidDataException("A log block of another length than it says.");
            }
            raw.AsSpan(0, s.MetaBytes).CopyTo(meta.AsSpan(metaAt));
            raw.AsSpan(s.MetaBytes, s.TextBytes).CopyTo(text.AsSpan(textAt));
            metaAt += s.MetaBytes;
            textAt += s.TextBytes;
            ArrayPool<byte>.Shared.Return(raw);
        }
        return (meta, text);
    }

    /// <summary>Appends a segment with these columns.</summary>
    internal static void Pack(ByteBuffer target, int lines, ReadOnlySpan<byte> meta, ReadOnlySpan<byte> text)
    {
        var length = meta.Length + text.Length;
        var raw = ArrayPool<byte>.Shared.Rent(length);
        var packed = ArrayPool<byte>.Shared.Rent(BrotliEncoder.GetMaxCompressedLength(length));
        meta.CopyTo(raw);
        text.CopyTo(raw.AsSpan(meta.Length));
        var codec = Stored;
        var data = raw.AsSpan(0, length);
        if (
            length >= LeastToCompress
            && BrotliEncoder.TryCompress(data, packed, out var written, BrotliQuality, BrotliWindow)
            && written < length
        )
        {
            codec = Brotli;
            data = packed.AsSpan(0, written);
        }
        target.Add(codec);
        target.AddVarint((ulong)lines);
        target.AddVarint((ulong)meta.Length);
        target.AddVarint((ulong)text.Length);
        target.AddVarint((ulong)data.Length);
        target.Add(data);
        ArrayPool<byte>.Shared.Return(raw);
        ArrayPool<byte>.Shared.Return(packed);
    }

    private static (int Meta, int Text) Measure(byte[] data)
    {
        var (meta, text) = (0, 0);
        var at = 0;
        while (at < data.Length)
        {
            var s = SegmentHead.Read(data, ref at);
            meta += s.MetaBytes;
            text += s.TextBytes;
            at += s.DataBytes;
        }
        return (meta, text);
    }

    private readonly record struct SegmentHead(byte Codec, int MetaBytes, int TextBytes, int DataBytes)
    {
        public static SegmentHead Read(byte[] data, ref int at)
        {
            var codec = data[at++];
            Varint.Read(data, ref at);
            return new(
                codec,
                (int)Varint.Read(data, ref at),
                (int)Varint.Read(data, ref at),
                (int)Varint.Read(data, ref at)
            );
        }
    }
}
