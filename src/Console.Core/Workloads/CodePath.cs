using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace DeepLab.Core.Workloads;

/// <summary>The names of entries.</summary>
internal static class CodePath
{
    private const int Shown = 80;

    /// <summary>`./a//b/` becomes `a/b`; the archive's own root becomes "".</summary>
    /// <param name="problem">the rest of a sentence that begins with the path</param>
    public static bool TryClean(
        string raw,
        CodeLimits limits,
        out string path,
        [NotNullWhen(false)] out string? problem
    )
    {
        path = "";
        problem = Problem(raw);
        if (problem is not null)
        {
            return false;
        }
        var segments = raw.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(s => s != ".").ToArray();
        path = string.Join('/', segments);
        problem =
            segments.Contains("..") ? "leads out of its folder by \"..\"; paths below the archive's root are allowed."
            : segments.Length > limits.Depth ? $"is {segments.Length} folders deep; at most {limits.Depth} are allowed."
            : Encoding.UTF8.GetByteCount(path) > limits.PathBytes ? $"is longer than {limits.PathBytes:N0} bytes."
            : segments.Any(s => Encoding.UTF8.GetByteCount(s) > limits.NameBytes)
                ? $"has a name longer than {limits.NameBytes} bytes."
            : null;
        return problem is null;
    }

    /// <summary>Quoted, cut, and with what cannot be seen written as `\uXXXX`.</summary>
    public static string Show(string path)
    {
        var text = new StringBuilder("\"");
        foreach (var c in path.AsSpan(0, Math.Min(path.Length, Shown)))
        {
            if (c is '"' or '\\' || IsUnseen(c))
            {
                text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            }
            else
            {
                text.Append(c);
            }
        }
        return text.Append(path.Length > Shown ? "…\"" : "\"").ToString();
    }

    private static string? Problem(string raw) =>
        raw.Length == 0 ? "is no name."
        : raw[0] == '/' ? "is an absolute path; paths below the archive's root are allowed."
        : raw.Contains('\\') ? "holds a backslash; folders are separated by \"/\"."
        : raw.Any(char.IsControl) ? "holds a control character."
        : raw.Contains('\uFFFD') ? "is not UTF-8."
        : null;

    private static bool IsUnseen(char c) =>
        char.GetUnicodeCategory(c)
            is UnicodeCategory.Control
                or UnicodeCategory.Format
                or UnicodeCategory.Surrogate
                or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator
                or UnicodeCategory.PrivateUse;
}
