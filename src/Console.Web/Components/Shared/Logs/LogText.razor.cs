using DeepLab.Web.Logs;
using Microsoft.AspNetCore.Components;

namespace DeepLab.Web.Components.Shared.Logs;

public sealed partial class LogText
{
    /// <summary>Characters of one line that are sent to the browser.</summary>
    public const int MostShown = 2000;
    private int _more;

    [Parameter, EditorRequired]
    public required string Text { get; set; }

    [Parameter]
    public string? Search { get; set; }

    private IEnumerable<(string Text, AnsiStyle Style, bool Hit)> Pieces()
    {
        var left = MostShown;
        _more = 0;
        foreach (var span in AnsiText.Parse(Text))
        {
            if (left <= 0)
            {
                _more += span.Text.Length;
                continue;
            }
            var text = span.Text;
            if (text.Length > left)
            {
                _more += text.Length - left;
                text = text[..left];
            }
            left -= text.Length;
            foreach (var piece in Marked(text, span.Style))
            {
                yield return piece;
            }
        }
    }

    private IEnumerable<(string Text, AnsiStyle Style, bool Hit)> Marked(string text, AnsiStyle style)
    {
        var from = 0;
        while (
            Search is { Length: > 0 } search
            && text.IndexOf(search, from, StringComparison.OrdinalIgnoreCase) is var at
            && at >= 0
        )
        {
            if (at > from)
            {
                yield return (text[from..at], style, false);
            }
            yield return (text.Substring(at, search.Length), style, true);
            from = at + search.Length;
        }
        if (from < text.Length)
        {
            yield return (text[from..], style, false);
        }
    }
}
