using System.Text;

namespace DeepLab.Core.Workloads;

/// <summary>
/// Writes a tar that an engine unpacks at `/`: files and folders below `workspace/`, owned by 1000:1000, as a stream with
/// no more than one block in memory.
/// </summary>
internal sealed class CodeTarWriter(Stream target)
{
    private const string Root = "workspace/";
    private const int Owner = 1000;
    private const int PathField = 100;

    // 0755, 0644 and the three bits of "may be run"
    private const int Runnable = 0x1ED;
    private const int Plain = 0x1A4;
    private const int RunBits = 0x49;

    /// <summary>Eleven octal digits.</summary>
    private const long LongestNumber = 0x1_FFFF_FFFF;

    public Task BeginAsync(CancellationToken ct) => WriteHeaderAsync(Root, CodeTarHeader.Folder, 0, Runnable, 0, ct);

    /// <param name="path">absolute</param>
    public Task AddRootFolderAsync(string path, CancellationToken ct) => AddRootFolderAsync(path, Runnable, ct);

    /// <summary>A folder last changed at the Unix epoch: what is made in it later shows.</summary>
    /// <param name="path">absolute</param>
    /// <param name="mode">permission bits</param>
    public Task AddRootFolderAsync(string path, int mode, CancellationToken ct) =>
        WriteHeaderAsync(path.Trim('/') + "/", CodeTarHeader.Folder, 0, mode, 0, ct);

    /// <param name="path">absolute</param>
    /// <param name="mode">permission bits</param>
    public async Task AddRootFileAsync(string path, int mode, ReadOnlyMemory<byte> content, CancellationToken ct)
    {
        await WriteHeaderAsync(path.Trim('/'), '0', content.Length, mode, 0, ct);
        await target.WriteAsync(content, ct);
        await PadAsync(content.Length, ct);
    }

    public Task AddFolderAsync(string path, long unixSeconds, CancellationToken ct) =>
        WriteHeaderAsync($"{Root}{path}/", CodeTarHeader.Folder, 0, Runnable, unixSeconds, ct);

    public async Task AddFileAsync(string path, CodeTarEntry entry, CodeTarReader content, CancellationToken ct)
    {
        var mode = (entry.Mode & RunBits) == 0 ? Plain : Runnable;
        await WriteHeaderAsync(Root + path, '0', entry.Size, mode, entry.UnixSeconds, ct);
        await content.CopyAsync(target, ct);
        await PadAsync(entry.Size, ct);
    }

    public async Task AddProgramAsync(string path, ReadOnlyMemory<byte> content, CancellationToken ct)
    {
        await WriteHeaderAsync(Root + path, '0', content.Length, Runnable, 0, ct);
        await target.WriteAsync(content, ct);
        await PadAsync(content.Length, ct);
    }

    public async Task EndAsync(CancellationToken ct)
    {
        await target.WriteAsync(new byte[2 * CodeTarHeader.Block], ct);
        await target.FlushAsync(ct);
    }

    private async Task WriteHeaderAsync(
        string path,
        char kind,
        long size,
        int mode,
        long unixSeconds,
        CancellationToken ct
    )
    {
        var name = Encoding.UTF8.GetBytes(path);
        if (name.Length > PathField)
        {
            // GNU's way, which every engine reads: the path stands in a record of its own, ended by a NUL
            await target.WriteAsync(Header("././@LongLink"u8, CodeTarHeader.LongPath, name.Length + 1, Plain, 0), ct);
            await target.WriteAsync(name, ct);
            await target.WriteAsync(new byte[1], ct);
            await PadAsync(name.Length + 1, ct);
        }
        await target.WriteAsync(
            Header(name.AsSpan(0, Math.Min(name.Length, PathField)), kind, size, mode, unixSeconds),
            ct
        );
    }

    private Task PadAsync(long size, CancellationToken ct) =>
        target.WriteAsync(new byte[(int)(-size & (CodeTarHeader.Block - 1))], ct).AsTask();

    private static byte[] Header(ReadOnlySpan<byte> name, char kind, long size, int mode, long unixSeconds)
    {
        var block = new byte[CodeTarHeader.Block];
        name.CopyTo(block);
        Octal(block.AsSpan(100, 8), mode);
        Octal(block.AsSpan(108, 8), Owner);
        Octal(block.AsSpan(116, 8), Owner);
        Octal(block.AsSpan(124, 12), size);
        Octal(block.AsSpan(136, 12), Math.Clamp(unixSeconds, 0, LongestNumber));
        block[156] = (byte)kind;
        "ustar  \0"u8.CopyTo(block.AsSpan(257));
        Octal(block.AsSpan(148, 8), CodeTarHeader.Checksum(block));
        return block;
    }

    /// <summary>Digits with leading zeros, ended by a NUL.</summary>
    private static void Octal(Span<byte> field, long value)
    {
        var digits = Convert.ToString(value, 8).PadLeft(field.Length - 1, '0');
        Encoding.ASCII.GetBytes(digits, field);
    }
}
