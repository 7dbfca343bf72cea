using System.Text;
using System.Text.RegularExpressions;

namespace DeepLab.Core.Workloads;

/// <summary>
/// A pattern of paths below a folder: `*` and `?` stand for anything but a slash, `**` for anything. Matched in time that is
/// linear in the path's length.
/// </summary>
public sealed class CheckpointGlob
{
    public const int Longest = 200;
    private readonly Regex _regex;

    public CheckpointGlob(string text)
    {
        var pattern = new StringBuilder("\\A");
        for (var i = 0; i < text.Length; i++)
        {
            var isDouble = text[i] == '*' && i + 1 < text.Length && text[i + 1] == '*';
            pattern.Append(
                isDouble ? ".*"
                : text[i] == '*' ? "[^/]*"
                : text[i] == '?' ? "[^/]"
                : Regex.Escape(text[i].ToString())
            );
            i += isDouble ? 1 : 0;
        }
        _regex = new Regex(
            pattern.Append("\\z").ToString(),
            RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.Singleline
        );
    }

    public bool Matches(string path) => _regex.IsMatch(path);

    /// <summary>Why this is no pattern, as a sentence; null where it is one.</summary>
    public static string? WhyNot(string text) =>
        text.Length is > 0 and <= Longest && text.Split('/').All(part => part is not ("" or "." or ".."))
            ? null
            : $"A path below the checkpoint folder, such as \"model-*.bin\", is allowed: at most {Longest} characters, without \".\", \"..\" and empty parts; '*' and '?' stand for anything but '/', \"**\" for anything.";
}
