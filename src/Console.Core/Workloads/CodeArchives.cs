namespace DeepLab.Core.Workloads;

/// <summary>What a code archive may measure. Sizes in bytes.</summary>
public sealed record CodeLimits(long CompressedBytes)
{
    public static CodeLimits Default { get; } = new(100L << 20);

    /// <summary>All files together, unpacked.</summary>
    public long UnpackedBytes { get; init; } = 512L << 20;

    /// <summary>Files and folders, also the folders that are only named in a file's path.</summary>
    public int Entries { get; init; } = 20_000;

    /// <summary>Bytes of UTF-8 of a path from the archive's root.</summary>
    public int PathBytes { get; init; } = 1024;

    /// <summary>Bytes of UTF-8 of one name: what Linux file systems take.</summary>
    public int NameBytes { get; init; } = 255;

    /// <summary>Folders inside each other.</summary>
    public int Depth { get; init; } = 64;

    /// <summary>More errors than this are not told.</summary>
    public int Errors { get; init; } = 20;
    public int ErrorsOfAKind { get; init; } = 3;
}

/// <param name="Entries">files and folders</param>
/// <param name="UnpackedBytes">of all files together</param>
/// <param name="Errors">at path `code`; with any, the figures cover only what was read until then</param>
public sealed record CodeReport(int Entries, long UnpackedBytes, IReadOnlyList<SpecError> Errors);

/// <summary>
/// Reads uploaded code, a tar.gz that anybody may have made. It is read as a stream: memory does not grow with the
/// archive, and reading ends where a limit is passed, whatever the sizes in it claim. Nothing is ever unpacked on this
/// machine: what goes into a container is a new tar of plain files and folders with names that were checked.
/// </summary>
public static class CodeArchives
{
    /// <param name="targz">read from where it stands; stays open</param>
    public static async Task<CodeReport> InspectAsync(Stream targz, CodeLimits limits, CancellationToken ct)
    {
        var walk = new CodeWalk(limits);
        await walk.RunAsync(targz, into: null, ct);
        return walk.Report;
    }

    /// <summary>
    /// Writes a plain tar of the archive's files and folders below `workspace/`, all owned by 1000, for
    /// unpacking at `/`. Both streams stay open.
    /// </summary>
    /// <exception cref="InvalidDataException">The archive would not pass <see cref="InspectAsync"/>.</exception>
    public static async Task WriteTarAsync(Stream targz, Stream tarOut, CodeLimits limits, CancellationToken ct)
    {
        var writer = new CodeTarWriter(tarOut);
        await writer.BeginAsync(ct);
        await AddAsync(targz, writer, limits, ct);
        await writer.EndAsync(ct);
    }

    internal static async Task AddAsync(Stream targz, CodeTarWriter into, CodeLimits limits, CancellationToken ct)
    {
        var walk = new CodeWalk(limits);
        await walk.RunAsync(targz, into, ct);
        if (walk.Report.Errors is [var first, ..])
        {
            throw new InvalidDataException(first.Message);
        }
    }
}
