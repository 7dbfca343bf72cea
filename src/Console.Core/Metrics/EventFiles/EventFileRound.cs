using System.Globalization;
using System.Text;

namespace DeepLab.Core.Metrics;

/// <summary>New bytes of one event file.</summary>
/// <param name="Name">path below the log folder, with `/`</param>
internal readonly record struct EventFileBytes(string Name, long Offset, ReadOnlyMemory<byte> Bytes);

/// <summary>
/// One look at the event files of a running container: a shell script that lists them and sends what is new of each, by
/// what busybox has as well as coreutils. What comes back was written by a stranger's container: it is bounded, and
/// nothing in it is believed but bytes of a file.
/// </summary>
internal static class EventFileRound
{
    public const int MaxBytes = 4 << 20;
    public const int MaxFiles = 100;

    /// <summary>Files of one attempt; further ones are left alone.</summary>
    public const int MaxTracked = 500;

    /// <summary>Bytes of output that a round may have: more is not ours.</summary>
    public const int MaxOutput = MaxBytes + MaxFiles * (MaxName + 64);

    /// <summary>Exit code of a container without the tools.</summary>
    public const int NoTools = 127;
    public const string Prefix = "events.out.tfevents.";
    private const int MaxName = 4096;

    // $1 folder, $2 bytes, $3 files, $4 "all" or "known", then pairs of a known name and the offset to go on from.
    // Names with a newline are left out by find; -type f neither follows a link nor opens a pipe.
    private const string Script = """
        d=$1 left=$2 files=$3 which=$4
        shift 4
        for tool in find wc tail head; do command -v "$tool" >/dev/null 2>&1 || exit 127; done
        cd "$d" 2>/dev/null || exit 0
        nl='
        '
        find . -type f -name 'events.out.tfevents.*' ! -path "*$nl*" -exec wc -c {} + 2>/dev/null |
        while read -r size f; do
            case $f in ./*) ;; *) continue ;; esac
            at= name=
            for a; do
                if [ -z "$name" ]; then name=$a; continue; fi
                if [ "./$name" = "$f" ]; then at=$a; break; fi
                name=
            done
            if [ -z "$at" ]; then [ "$which" = all ] || continue; at=0; fi
            [ "$size" -gt "$at" ] || continue
            n=$((size - at))
            [ "$n" -le "$left" ] || n=$left
            printf '%s\n%s %s\n' "$f" "$at" "$n"
            tail -c +$((at + 1)) "$f" | head -c "$n"
            left=$((left - n)) files=$((files - 1))
            [ "$left" -gt 0 ] && [ "$files" -gt 0 ] || break
        done
        exit 0
        """;

    public static IReadOnlyList<string> Command(string folder, IReadOnlyDictionary<string, long> wanted)
    {
        List<string> argv =
        [
            "sh",
            "-c",
            Script,
            "events",
            folder,
            MaxBytes.ToString(CultureInfo.InvariantCulture),
            MaxFiles.ToString(CultureInfo.InvariantCulture),
            wanted.Count < MaxTracked ? "all" : "known",
        ];
        foreach (var (name, at) in wanted)
        {
            argv.Add(name);
            argv.Add((at < 0 ? long.MaxValue : at).ToString(CultureInfo.InvariantCulture));
        }
        return argv;
    }

    /// <summary>The frames of a whole answer. What is cut, has no proper name, or names a file again is left out.</summary>
    public static IEnumerable<EventFileBytes> Parse(ReadOnlyMemory<byte> output)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (TryLine(ref output, out var nameLine) && TryLine(ref output, out var numbers))
        {
            var parts = Encoding.ASCII.GetString(numbers.Span).Split(' ');
            if (
                parts.Length != 2
                || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var offset)
                || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var count)
                || count > output.Length
            )
            {
                yield break;
            }
            var bytes = output[..count];
            output = output[count..];
            if (NameOf(nameLine.Span) is { } name && seen.Add(name))
            {
                yield return new EventFileBytes(name, offset, bytes);
            }
        }
    }

    /// <summary>The path of an event file below the folder; null where it is none, or no UTF-8, or could not come back to us whole.</summary>
    public static string? NameOf(ReadOnlySpan<byte> path)
    {
        if (path.StartsWith("./"u8))
        {
            path = path[2..];
        }
        if (path.IsEmpty || path.Length > MaxName || !System.Text.Unicode.Utf8.IsValid(path))
        {
            return null;
        }
        return NameOf(Encoding.UTF8.GetString(path));
    }

    public static string? NameOf(string path)
    {
        var name = path.StartsWith("./", StringComparison.Ordinal) ? path[2..] : path;
        var isOne = name.AsSpan(name.LastIndexOf('/') + 1).StartsWith(Prefix, StringComparison.Ordinal);
        // The shell's read drops blanks at the end, so such a name is never found again
        return isOne && !name.EndsWith(' ') && !name.Any(char.IsControl) && !name.Contains('\ufffd') ? name : null;
    }

    /// <summary>The folder of a file, as it stands behind the attempt in a series' source; empty at the top.</summary>
    public static string FolderOf(string name) => name.LastIndexOf('/') is var at and > 0 ? name[..at] : "";

    private static bool TryLine(ref ReadOnlyMemory<byte> output, out ReadOnlyMemory<byte> line)
    {
        var end = output.Span.IndexOf((byte)'\n');
        line = end < 0 ? default : output[..end];
        output = end < 0 ? default : output[(end + 1)..];
        return end >= 0;
    }
}
