using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace DeepLab.Core.Volumes;

/// <param name="Path">below the version's folder</param>
/// <param name="Sha256">64 hexadecimal digits</param>
public sealed record DatasetFile(string Path, long Bytes, string Sha256)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Sha256} {Bytes} {Path}");
}

/// <summary>
/// The files of a version. Its digest is the SHA-256 of one line a file, `sha256 size path` and a line end, in the order of the bytes of
/// their paths: whoever has the files can tell it again.
/// </summary>
/// <param name="Kept">the first <see cref="MostKept"/> of them, in that order</param>
/// <param name="Files">all of them, as are <paramref name="Bytes"/> and <paramref name="Digest"/></param>
/// <param name="Digest">`sha256:…`</param>
public sealed record DatasetManifest(IReadOnlyList<DatasetFile> Kept, long Files, long Bytes, string Digest)
{
    public const int MostKept = 50_000;

    /// <summary>What the job of <see cref="DatasetScript"/> wrote to its output.</summary>
    /// <param name="trouble">where the answer is null, why, as a sentence</param>
    public static DatasetManifest? Read(IEnumerable<string> lines, out string trouble)
    {
        var kept = new List<DatasetFile>();
        (long Files, long Bytes, string Digest)? total = null;
        foreach (var line in lines)
        {
            var words = line.Split(' ', 4);
            if (words is ["file", _, _, _] && FileOf(words[1], words[2], words[3]) is { } file)
            {
                kept.Add(file);
            }
            else if (
                words is ["total", _, _, { Length: 64 } digest]
                && Number(words[1]) is { } files
                && Number(words[2]) is { } bytes
            )
            {
                total = (files, bytes, "sha256:" + digest);
            }
        }
        trouble = "";
        if (total is not { } all || kept.Count != Math.Min(all.Files, MostKept))
        {
            trouble = total is null
                ? "The list of its files has no end in the log of its job."
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"Of the list of its files {kept.Count:N0} of {Math.Min(total.Value.Files, MostKept):N0} lines were in the log of its job."
                );
            return null;
        }
        var read = new DatasetManifest(kept, all.Files, all.Bytes, all.Digest);
        if (all.Files <= MostKept && (kept.Sum(f => f.Bytes) != all.Bytes || DigestOf(kept) != all.Digest))
        {
            trouble =
                "The list of its files does not have the digest that its job told. A name that is not UTF-8 makes it so: rename such files.";
            return null;
        }
        return read;
    }

    public static string DigestOf(IEnumerable<DatasetFile> files)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in files)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(file + "\n"));
        }
        return "sha256:" + Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The lines that are kept, compressed.</summary>
    public byte[] Pack()
    {
        using var packed = new MemoryStream();
        using (var text = new StreamWriter(new GZipStream(packed, CompressionLevel.Fastest), new UTF8Encoding(false)))
        {
            foreach (var file in Kept)
            {
                text.Write(file);
                text.Write('\n');
            }
        }
        return packed.ToArray();
    }

    /// <param name="packed">as <see cref="Pack"/> made it</param>
    public static IEnumerable<DatasetFile> Unpack(byte[] packed)
    {
        using var text = new StreamReader(
            new GZipStream(new MemoryStream(packed), CompressionMode.Decompress),
            Encoding.UTF8
        );
        while (text.ReadLine() is { } line)
        {
            if (line.Split(' ', 3) is [var hash, var bytes, var path] && FileOf(hash, bytes, path) is { } file)
            {
                yield return file;
            }
        }
    }

    private static DatasetFile? FileOf(string hash, string bytes, string path) =>
        hash.Length == 64 && hash.All(char.IsAsciiHexDigitLower) && Number(bytes) is { } size && path.Length > 0
            ? new DatasetFile(path, size, hash)
            : null;

    private static long? Number(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : null;
}
