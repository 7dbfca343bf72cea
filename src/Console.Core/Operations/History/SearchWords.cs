using System.Text;

namespace DeepLab.Core.Operations.History;

/// <summary>One word of a search as it was typed.</summary>
/// <param name="At">its first character, counted from 1</param>
/// <param name="Field">what stands before its first colon; null = there is none, or it stands in quotes</param>
/// <param name="Values">the rest, at each comma that stands in no quotes; without the quotes</param>
/// <param name="Whole">the rest in one piece, without the quotes</param>
internal sealed record SearchWord(
    int At,
    string Typed,
    bool Not,
    string? Field,
    IReadOnlyList<string> Values,
    string Whole
)
{
    /// <summary>A quote was opened and not closed.</summary>
    public bool IsOpen { get; init; }
}

/// <summary>Cuts a search into words: at spaces that stand in no quotes. `\"` in quotes is a quote, `\\` a backslash.</summary>
internal static class SearchWords
{
    public static IReadOnlyList<SearchWord> Cut(string text)
    {
        var words = new List<SearchWord>();
        for (var i = 0; i < text.Length; )
        {
            if (char.IsWhiteSpace(text[i]))
            {
                i++;
                continue;
            }
            words.Add(One(text, ref i));
        }
        return words;
    }

    private static SearchWord One(string text, ref int i)
    {
        var at = i;
        var not = text[i] == '-' && i + 1 < text.Length && !char.IsWhiteSpace(text[i + 1]);
        i += not ? 1 : 0;
        string? field = null;
        var values = new List<string>();
        var (value, whole, quoted) = (new StringBuilder(), new StringBuilder(), false);
        for (; i < text.Length && (quoted || !char.IsWhiteSpace(text[i])); i++)
        {
            var c = text[i];
            if (quoted && c == '\\' && i + 1 < text.Length && text[i + 1] is '"' or '\\')
            {
                c = text[++i];
            }
            else if (c == '"')
            {
                quoted = !quoted;
                // Nothing before it is a field's name any more
                field ??= "";
                continue;
            }
            else if (!quoted && c == ':' && field is null)
            {
                field = whole.ToString();
                value.Clear();
                whole.Clear();
                continue;
            }
            else if (!quoted && c == ',')
            {
                values.Add(value.ToString());
                value.Clear();
                whole.Append(c);
                continue;
            }
            value.Append(c);
            whole.Append(c);
        }
        values.Add(value.ToString());
        return new SearchWord(
            at + 1,
            text[at..i],
            not,
            string.IsNullOrEmpty(field) ? null : field,
            values,
            whole.ToString()
        )
        {
            IsOpen = quoted,
        };
    }
}
