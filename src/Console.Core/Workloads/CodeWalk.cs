using System.IO.Compression;

namespace DeepLab.Core.Workloads;

/// <summary>One pass through a code archive: collects what is wrong, or hands what is right to a writer.</summary>
internal sealed class CodeWalk(CodeLimits limits)
{
    /// <summary>Headers, padding and the archive's end come on top of the files' own bytes.</summary>
    private const long Framing = 64L << 20;

    private readonly Dictionary<string, bool> _isFolder = new(StringComparer.Ordinal);
    private readonly List<SpecError> _errors = [];
    private readonly Dictionary<string, int> _told = new(StringComparer.Ordinal);
    private long _unpacked;
    private int _seen;

    public CodeReport Report => new(_isFolder.Count, _unpacked, _errors);

    public async Task RunAsync(Stream targz, CodeTarWriter? into, CancellationToken ct)
    {
        try
        {
            await using var bounded = new CodeBudget(
                targz,
                limits.CompressedBytes,
                $"The archive is over {Mebibytes(limits.CompressedBytes)}."
            );
            await using var gzip = new GZipStream(bounded, CompressionMode.Decompress);
            await using var plain = new CodeBudget(gzip, limits.UnpackedBytes + Framing, TooLarge);
            await ReadAsync(new CodeTarReader(plain), into, ct);
        }
        catch (CodeRefusedException e)
        {
            Add(e.Message);
        }
        catch (InvalidDataException)
        {
            // What GZipStream says of broken, truncated and foreign data alike
            Add("The archive is not a whole gzip file; a tar.gz is needed, as \"tar czf code.tar.gz .\" makes it.");
        }
    }

    private string TooMany => $"The archive holds more than {limits.Entries:N0} files and folders.";
    private string TooLarge => $"The archive unpacks to more than {Mebibytes(limits.UnpackedBytes)}.";

    private async Task ReadAsync(CodeTarReader tar, CodeTarWriter? into, CancellationToken ct)
    {
        while (await tar.NextAsync(ct) is { } entry)
        {
            if (++_seen > limits.Entries)
            {
                throw new CodeRefusedException(TooMany);
            }
            if (!CodePath.TryClean(entry.Path, limits, out var path, out var problem))
            {
                Tell(entry.Path, problem);
            }
            if (entry.Refusal is { } refusal)
            {
                Tell(entry.Path, refusal);
            }
            if (problem is not null || entry.Refusal is not null)
            {
                continue;
            }
            _unpacked += entry.Size;
            if (_unpacked > limits.UnpackedBytes)
            {
                throw new CodeRefusedException(TooLarge);
            }
            if (path.Length == 0 || !await AddFoldersAsync(path, entry, into, ct))
            {
                continue;
            }
            if (entry.IsFolder)
            {
                await AddFolderAsync(path, entry, into, ct);
                continue;
            }
            if (_isFolder.TryGetValue(path, out var wasFolder) && wasFolder)
            {
                Tell(path, "is a folder and a file at once.");
                continue;
            }
            Keep(path, isFolder: false);
            // After an error only more errors are looked for
            if (into is not null && _errors.Count == 0)
            {
                await into.AddFileAsync(path, entry, tar, ct);
            }
        }
        if (_isFolder.Count == 0 && _errors.Count == 0)
        {
            Add("The archive is empty.");
        }
    }

    /// <summary>The folders above an entry: a tar need not list them, and an engine would give them to root.</summary>
    private async Task<bool> AddFoldersAsync(string path, CodeTarEntry entry, CodeTarWriter? into, CancellationToken ct)
    {
        for (var at = path.IndexOf('/'); at >= 0; at = path.IndexOf('/', at + 1))
        {
            if (!await AddFolderAsync(path[..at], entry, into, ct))
            {
                return false;
            }
        }
        return true;
    }

    private async Task<bool> AddFolderAsync(string path, CodeTarEntry entry, CodeTarWriter? into, CancellationToken ct)
    {
        if (_isFolder.TryGetValue(path, out var isFolder))
        {
            if (!isFolder)
            {
                Tell(path, "is a folder and a file at once.");
            }
            return isFolder;
        }
        Keep(path, isFolder: true);
        if (into is not null && _errors.Count == 0)
        {
            await into.AddFolderAsync(path, entry.UnixSeconds, ct);
        }
        return true;
    }

    private void Keep(string path, bool isFolder)
    {
        _isFolder[path] = isFolder;
        if (_isFolder.Count > limits.Entries)
        {
            throw new CodeRefusedException(TooMany);
        }
    }

    /// <summary>A few of each kind, and room for the last word.</summary>
    private void Tell(string path, string problem)
    {
        var told = _told.GetValueOrDefault(problem);
        _told[problem] = told + 1;
        if (told < limits.ErrorsOfAKind && _errors.Count < limits.Errors - 1)
        {
            Add($"{CodePath.Show(path)} {problem}");
        }
    }

    private void Add(string message) => _errors.Add(new SpecError("code", message));

    private static string Mebibytes(long bytes) => bytes >= 1 << 20 ? $"{bytes >> 20} MiB" : $"{bytes:N0} bytes";
}

/// <summary>Reading stops: the sentence says why.</summary>
internal sealed class CodeRefusedException(string message) : Exception(message);
