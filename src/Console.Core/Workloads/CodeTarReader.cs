using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace DeepLab.Core.Workloads;

/// <param name="Refusal">the rest of a sentence that begins with the path; null for plain files and folders</param>
/// <param name="Size">bytes; 0 for folders</param>
/// <param name="Mode">permission bits</param>
internal sealed record CodeTarEntry(string Path, string? Refusal, bool IsFolder, long Size, int Mode, long UnixSeconds);

/// <summary>
/// Reads a tar entry by entry. The platform's own reader takes a metadata record of any size into memory and makes links
/// into objects like any other; this one holds one block at a time and at most <see cref="MetadataBytes"/> of metadata.
/// </summary>
internal sealed class CodeTarReader(Stream tar)
{
    private const int MetadataBytes = 64 << 10;

    private readonly byte[] _buffer = new byte[64 << 10];
    private long _left;
    private int _padding;

    /// <summary>Null at the archive's end. What the caller left unread of the last entry is skipped.</summary>
    /// <exception cref="CodeRefusedException">From here on nothing can be read.</exception>
    /// <exception cref="InvalidDataException">The compression is damaged.</exception>
    public async ValueTask<CodeTarEntry?> NextAsync(CancellationToken ct)
    {
        string? path = null;
        long? size = null;
        long? time = null;
        var sparse = false;
        while (true)
        {
            await SkipAsync(ct);
            await ReadExactlyAsync(CodeTarHeader.Block, ct);
            if (!_buffer.AsSpan(0, CodeTarHeader.Block).ContainsAnyExcept((byte)0))
            {
                // To the end of the stream: only there the compression's own checksum is looked at. A missing end of the
                // compression is not told by GZipStream, so the end of the tar must be there
                await DrainAsync(ct);
                return null;
            }
            var header = CodeTarHeader.Parse(_buffer.AsSpan(0, CodeTarHeader.Block));
            Expect(header.Size);
            switch (header.Kind)
            {
                case CodeTarHeader.Metadata:
                    foreach (var (key, value) in Records(await MetadataAsync(ct)))
                    {
                        switch (key)
                        {
                            case "path":
                                path = value;
                                break;
                            case "size":
                                size = Whole(value);
                                break;
                            case "mtime":
                                time = Seconds(value);
                                break;
                            default:
                                sparse |= key.StartsWith("GNU.sparse.", StringComparison.Ordinal);
                                break;
                        }
                    }
                    continue;
                case CodeTarHeader.LongPath:
                    path = CodeTarHeader.Text((await MetadataAsync(ct)).Span);
                    continue;
                case CodeTarHeader.GlobalMetadata or CodeTarHeader.LongLink:
                    continue;
            }
            path ??= header.Path;
            Expect(size ?? header.Size);
            var isFolder = header.Kind == CodeTarHeader.Folder || (header.Kind is '\0' or '0' && path.EndsWith('/'));
            return new CodeTarEntry(
                path,
                sparse ? "is a sparse file; make the archive without them." : Refusal(header.Kind),
                isFolder,
                isFolder ? 0 : _left,
                header.Mode,
                time ?? header.UnixSeconds
            );
        }
    }

    /// <summary>The bytes of the entry that <see cref="NextAsync"/> answered last.</summary>
    public async Task CopyAsync(Stream target, CancellationToken ct)
    {
        while (_left > 0)
        {
            await target.WriteAsync(_buffer.AsMemory(0, await TakeAsync(ct)), ct);
        }
    }

    private static string? Refusal(char kind) =>
        kind switch
        {
            '\0' or '0' or '7' or CodeTarHeader.Folder => null,
            '1' => "is a hard link; files and folders are allowed.",
            '2' => "is a symbolic link; files and folders are allowed.",
            '3' or '4' => "is a device; files and folders are allowed.",
            '6' => "is a pipe; files and folders are allowed.",
            'S' => "is a sparse file; make the archive without them.",
            _ => "is neither a file nor a folder.",
        };

    private void Expect(long size)
    {
        if (size is < 0 or > long.MaxValue - CodeTarHeader.Block)
        {
            throw new CodeRefusedException("The archive holds no whole tar: a size in a header is damaged.");
        }
        _left = size;
        _padding = (int)(-size & (CodeTarHeader.Block - 1));
    }

    private async Task SkipAsync(CancellationToken ct)
    {
        while (_left > 0)
        {
            await TakeAsync(ct);
        }
        if (_padding > 0)
        {
            await ReadExactlyAsync(_padding, ct);
            _padding = 0;
        }
    }

    private async ValueTask<int> TakeAsync(CancellationToken ct)
    {
        var read = await tar.ReadAsync(_buffer.AsMemory(0, (int)Math.Min(_left, _buffer.Length)), ct);
        _left -= read;
        return read > 0 ? read : throw Truncated();
    }

    private async ValueTask<ReadOnlyMemory<byte>> MetadataAsync(CancellationToken ct)
    {
        if (_left > MetadataBytes)
        {
            throw new CodeRefusedException(
                $"The archive holds a record of {_left:N0} bytes about one file; at most {MetadataBytes:N0} are allowed."
            );
        }
        var length = (int)_left;
        await ReadExactlyAsync(length, ct);
        _left = 0;
        return _buffer.AsMemory(0, length);
    }

    private async ValueTask ReadExactlyAsync(int count, CancellationToken ct)
    {
        if (await tar.ReadAtLeastAsync(_buffer.AsMemory(0, count), count, throwOnEndOfStream: false, ct) < count)
        {
            throw Truncated();
        }
    }

    private async Task DrainAsync(CancellationToken ct)
    {
        while (await tar.ReadAsync(_buffer, ct) > 0) { }
    }

    /// <summary>`length key=value\n`, where the length counts the whole record in bytes.</summary>
    private static List<(string Key, string Value)> Records(ReadOnlyMemory<byte> metadata)
    {
        var records = new List<(string, string)>();
        for (var rest = metadata.Span; !rest.IsEmpty; )
        {
            var blank = rest.IndexOf((byte)' ');
            if (
                blank <= 0
                || !Utf8Parser.TryParse(rest[..blank], out int length, out var digits)
                || digits != blank
                || length <= blank
                || length > rest.Length
                || rest[length - 1] != (byte)'\n'
            )
            {
                throw new CodeRefusedException("The archive holds no whole tar: a record about a file is damaged.");
            }
            var record = rest[(blank + 1)..(length - 1)];
            var equals = record.IndexOf((byte)'=');
            if (equals > 0)
            {
                records.Add(
                    (Encoding.UTF8.GetString(record[..equals]), Encoding.UTF8.GetString(record[(equals + 1)..]))
                );
            }
            rest = rest[length..];
        }
        return records;
    }

    private static CodeRefusedException Truncated() => new("The archive's tar ends too early: it is cut off.");

    private static long Whole(string value) =>
        long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var whole) ? whole : -1;

    private static long? Seconds(string value) =>
        double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds)
        && Math.Abs(seconds) < long.MaxValue / 2
            ? (long)Math.Floor(seconds)
            : null;
}
