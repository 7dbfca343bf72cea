using System.Text;

namespace DeepLab.Web.Drafts;

/// <summary>
/// argv as one line of text and back. Quotes and backslashes as in a shell; nothing is expanded, since no shell will see
/// it.
/// </summary>
public static class CommandLine
{
    /// <summary>An open quote ends with the text.</summary>
    public static IReadOnlyList<string> Split(string text)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        var quote = '\0';
        var began = false;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (quote != '\0')
            {
                if (c == quote)
                {
                    quote = '\0';
                }
                else if (c == '\\' && quote == '"' && i + 1 < text.Length && text[i + 1] is '"' or '\\')
                {
                    word.Append(text[++i]);
                }
                else
                {
                    word.Append(c);
                }
            }
            else if (c is '\'' or '"')
            {
                (quote, began) = (c, true);
            }
            else if (c == '\\' && i + 1 < text.Length)
            {
                word.Append(text[++i]);
                began = true;
            }
            else if (char.IsWhiteSpace(c))
            {
                End();
            }
            else
            {
                word.Append(c);
                began = true;
            }
        }
        End();
        return words;

        void End()
        {
            if (began)
            {
                words.Add(word.ToString());
                word.Clear();
                began = false;
            }
        }
    }

    public static string Join(IEnumerable<string> words) => string.Join(' ', words.Select(Quote));

    private static string Quote(string word) =>
        word.Length > 0 && word.All(c => !char.IsWhiteSpace(c) && c is not ('\'' or '"' or '\\')) ? word
        : !word.Contains('\'', StringComparison.Ordinal) ? $"'{word}'"
        : '"' + word.Replace("\\", "\\\\").Replace("\"", "\\\"") + '"';
}
