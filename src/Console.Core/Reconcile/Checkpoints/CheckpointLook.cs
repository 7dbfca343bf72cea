using System.Buffers;
using System.Globalization;
using System.Text;
using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <param name="IsWhole">all files are listed: what is not among them is gone</param>
public sealed record CheckpointListing(IReadOnlyList<CheckpointFile> Files, bool IsWhole);

/// <summary>
/// One look into a checkpoint folder by a shell script that busybox can run as well as coreutils, and removals by another.
/// Names, sizes and times come back, and whether a zip archive, as torch.save writes it, has its end; nothing is unpacked or
/// deserialised. What comes back was written by a stranger's container: it is bounded, and only parsed.
/// </summary>
internal static class CheckpointLook
{
    /// <summary>Files of a folder; further ones are not seen.</summary>
    public const int MostFiles = 5_000;

    /// <summary>Files whose end is looked at, of a look.</summary>
    public const int MostEnds = 200;
    private const int MostBytes = 4 << 20;
    private const int MostName = 1_000;
    private const int NoTools = 127;
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(30);

    // $1 folder, $2 files, $3 files whose end is looked at. Links are not followed; names with a newline are left out
    private const string Script = """
        for tool in find stat head tail; do command -v "$tool" >/dev/null 2>&1 || exit 127; done
        cd "$1" 2>/dev/null || { echo end; exit 0; }
        most=$2 ends=$3
        nl='
        '
        zip=$(printf 'PK\005\006')
        find . -type f ! -path "*$nl*" -exec stat -c '%s %Y %n' {} + 2>/dev/null | head -n "$most" |
        while read -r size at f; do
            mark=-
            case $f in *.pt|*.pth|*.ckpt)
                ends=$((ends - 1))
                if [ "$ends" -ge 0 ] && [ "$(head -c 2 "$f" 2>/dev/null)" = PK ]; then
                    mark=b
                    [ "$(tail -c 22 "$f" 2>/dev/null | head -c 4)" = "$zip" ] && mark=w
                fi ;;
            esac
            printf '%s %s %s %s\n' "$size" "$at" "$mark" "$f"
        done
        echo end
        """;

    // $1 folder, then names: of files or folders, and with `tf:` before them of TensorFlow's groups
    private const string Removal = """
        cd "$1" || exit 0
        shift
        for f; do
            case $f in
                tf:*) rm -f -- "./${f#tf:}".index "./${f#tf:}".data-?????-of-????? ;;
                *) rm -rf -- "./${f#any:}" ;;
            esac
        done
        exit 0
        """;

    /// <summary>Null where the image has no shell with find, stat, head and tail.</summary>
    /// <param name="container">a running one</param>
    public static async Task<CheckpointListing?> ListAsync(
        IContainerEngine engine,
        string container,
        string folder,
        CancellationToken ct
    )
    {
        var output = new ArrayBufferWriter<byte>(4096);
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(ct);
        bound.CancelAfter(s_longest);
        try
        {
            var result = await engine.ExecAsync(
                container,
                [
                    "sh",
                    "-c",
                    Script,
                    "checkpoints",
                    folder,
                    MostFiles.ToString(CultureInfo.InvariantCulture),
                    MostEnds.ToString(CultureInfo.InvariantCulture),
                ],
                bytes =>
                {
                    if (output.WrittenCount + bytes.Length <= MostBytes)
                    {
                        output.Write(bytes.Span);
                    }
                    return ValueTask.CompletedTask;
                },
                bound.Token
            );
            return result.ExitCode == NoTools ? null : Parse(output.WrittenSpan);
        }
        catch (EngineException e)
            when (e.Kind is EngineErrorKind.CommandNotFound or EngineErrorKind.CommandNotExecutable)
        {
            return null;
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new EngineUnreachableException("A look into a checkpoint folder did not end.", e);
        }
    }

    public static async Task RemoveAsync(
        IContainerEngine engine,
        string container,
        string folder,
        IEnumerable<(string Path, CheckpointLayout Layout)> checkpoints,
        CancellationToken ct
    ) =>
        await engine.ExecAsync(
            container,
            [
                "sh",
                "-c",
                Removal,
                "checkpoints",
                folder,
                .. checkpoints.Select(c => (c.Layout == CheckpointLayout.TensorFlow ? "tf:" : "any:") + c.Path),
            ],
            _ => ValueTask.CompletedTask,
            ct
        );

    /// <summary>Lines of another form, and names that could not come back to us whole, are left out.</summary>
    internal static CheckpointListing Parse(ReadOnlySpan<byte> output)
    {
        var files = new List<CheckpointFile>();
        var (lines, ended) = (0, false);
        foreach (var range in output.Split((byte)'\n'))
        {
            var line = output[range];
            if (line.SequenceEqual("end"u8))
            {
                ended = true;
                break;
            }
            lines++;
            if (FileOf(line) is { } file)
            {
                files.Add(file);
            }
        }
        return new CheckpointListing(files, ended && lines < MostFiles);
    }

    private static CheckpointFile? FileOf(ReadOnlySpan<byte> line)
    {
        if (line.Length > MostName + 64 || !System.Text.Unicode.Utf8.IsValid(line))
        {
            return null;
        }
        var parts = Encoding.UTF8.GetString(line).Split(' ', 4);
        if (
            parts.Length != 4
            || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var size)
            || !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            || seconds > DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            || !parts[3].StartsWith("./", StringComparison.Ordinal)
        )
        {
            return null;
        }
        var path = parts[3][2..];
        if (path.Length is 0 or > MostName || path.Any(char.IsControl) || path.EndsWith(' '))
        {
            return null;
        }
        var seal = parts[2] switch
        {
            "w" => CheckpointSeal.Whole,
            "b" => CheckpointSeal.Broken,
            _ => CheckpointSeal.None,
        };
        return new CheckpointFile(path, size, DateTimeOffset.FromUnixTimeSeconds(seconds), seal);
    }
}
