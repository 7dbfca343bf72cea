using System.Text;

namespace DeepLab.Web.Logs;

/// <summary>
/// Turns one line of terminal output into styled text. Colours are kept, every other escape sequence is dropped, a
/// carriage return starts the line again as it would on a terminal, and other control characters become visible.
/// </summary>
public static class AnsiText
{
    private const char Escape = '\u001b';

    public static IReadOnlyList<AnsiSpan> Parse(string line)
    {
        line = AfterReturn(line);
        if (line.AsSpan().IndexOfAnyInRange('\0', '\u001f') < 0 && !line.Contains('\u007f', StringComparison.Ordinal))
        {
            return line.Length == 0 ? [] : [new AnsiSpan(line, default)];
        }
        var spans = new List<AnsiSpan>();
        var text = new StringBuilder(line.Length);
        var style = default(AnsiStyle);
        var inverse = false;
        for (var i = 0; i < line.Length; i++)
        {
            var c = line[i];
            if (c != Escape)
            {
                text.Append(Visible(c));
                continue;
            }
            var (next, codes) = Sequence(line, i);
            i = next - 1;
            if (codes is null)
            {
                continue;
            }
            Flush();
            Apply(codes, ref style, ref inverse);
        }
        Flush();
        return spans;

        void Flush()
        {
            if (text.Length > 0)
            {
                spans.Add(
                    new AnsiSpan(
                        text.ToString(),
                        inverse ? style with { Ink = style.Paper ?? 0, Paper = style.Ink ?? 7 } : style
                    )
                );
                text.Clear();
            }
        }
    }

    /// <summary>The text without any escape sequence: what is searched and copied.</summary>
    public static string Plain(string line) => string.Concat(Parse(line).Select(s => s.Text));

    /// <summary>A progress bar writes itself over and over; its last state is what a terminal would show.</summary>
    private static string AfterReturn(string line)
    {
        line = line.TrimEnd('\r');
        var at = line.LastIndexOf('\r');
        return at < 0 ? line : line[(at + 1)..];
    }

    private static char Visible(char c) =>
        c switch
        {
            '\t' => '\t',
            < ' ' => (char)('\u2400' + c),
            '\u007f' => '\u2421',
            _ => c,
        };

    /// <summary>Reads one escape sequence; codes are null where it is not about style.</summary>
    private static (int Next, List<int>? Codes) Sequence(string line, int at)
    {
        var i = at + 1;
        if (i >= line.Length)
        {
            return (i, null);
        }
        if (line[i] == ']')
        {
            // A title or a link: until BEL or ESC \
            while (++i < line.Length && line[i] != '\u0007' && line[i] != Escape) { }
            return (i < line.Length && line[i] == Escape ? Math.Min(i + 2, line.Length) : i + 1, null);
        }
        if (line[i] != '[')
        {
            return (i + 1, null);
        }
        List<int> codes = [0];
        for (i++; i < line.Length; i++)
        {
            var c = line[i];
            if (char.IsAsciiDigit(c))
            {
                codes[^1] = Math.Min((codes[^1] * 10) + (c - '0'), 9999);
            }
            else if (c is ';' or ':')
            {
                codes.Add(0);
            }
            else if (c is >= '@' and <= '~')
            {
                return (i + 1, c == 'm' ? codes : null);
            }
        }
        return (i, null);
    }

    private static void Apply(List<int> codes, ref AnsiStyle style, ref bool inverse)
    {
        for (var i = 0; i < codes.Count; i++)
        {
            switch (codes[i])
            {
                case 0:
                    (style, inverse) = (default, false);
                    break;
                case 1:
                    style = style with { Bold = true };
                    break;
                case 2:
                    style = style with { Dim = true };
                    break;
                case 3:
                    style = style with { Italic = true };
                    break;
                case 4:
                    style = style with { Underline = true };
                    break;
                case 7:
                    inverse = true;
                    break;
                case 22:
                    style = style with { Bold = false, Dim = false };
                    break;
                case 23:
                    style = style with { Italic = false };
                    break;
                case 24:
                    style = style with { Underline = false };
                    break;
                case 27:
                    inverse = false;
                    break;
                case >= 30 and <= 37:
                    style = style with { Ink = codes[i] - 30 };
                    break;
                case >= 90 and <= 97:
                    style = style with { Ink = codes[i] - 82 };
                    break;
                case 38:
                    style = style with { Ink = Extended(codes, ref i) ?? style.Ink };
                    break;
                case 39:
                    style = style with { Ink = null };
                    break;
                case >= 40 and <= 47:
                    style = style with { Paper = codes[i] - 40 };
                    break;
                case >= 100 and <= 107:
                    style = style with { Paper = codes[i] - 92 };
                    break;
                case 48:
                    style = style with { Paper = Extended(codes, ref i) ?? style.Paper };
                    break;
                case 49:
                    style = style with { Paper = null };
                    break;
            }
        }
    }

    private static int? Extended(List<int> codes, ref int i)
    {
        switch (codes.ElementAtOrDefault(i + 1))
        {
            case 5 when i + 2 < codes.Count:
                i += 2;
                return AnsiStyle.FromIndex(Math.Min(codes[i], 255));
            case 2 when i + 4 < codes.Count:
                i += 4;
                return AnsiStyle.FromRgb(codes[i - 2], codes[i - 1], codes[i]);
            default:
                return null;
        }
    }
}
