namespace DeepLab.Web.Logs;

/// <summary>How a run of text was meant to look. Colours: 0-15 are the theme's, above that 0x1000000 | rgb; null = plain.</summary>
public readonly record struct AnsiStyle(int? Ink, int? Paper, bool Bold, bool Dim, bool Italic, bool Underline)
{
    private const int Rgb = 1 << 24;

    public static int FromRgb(int r, int g, int b) => Rgb | (r & 255) << 16 | (g & 255) << 8 | b & 255;

    /// <summary>The 256-colour palette: 16 of the theme, a 6x6x6 cube, 24 greys.</summary>
    public static int FromIndex(int i)
    {
        if (i < 16)
        {
            return i;
        }
        if (i >= 232)
        {
            var grey = 8 + (10 * (i - 232));
            return FromRgb(grey, grey, grey);
        }
        static int Level(int n) => n == 0 ? 0 : 55 + (40 * n);
        return FromRgb(Level((i - 16) / 36), Level((i - 16) / 6 % 6), Level((i - 16) % 6));
    }

    /// <summary>Classes of `LogViewer.razor.css`; null for plain text.</summary>
    public string? Classes()
    {
        if (this == default)
        {
            return null;
        }
        var words = new List<string>(3);
        if (Ink is >= 0 and < 16)
        {
            words.Add($"i{Ink}");
        }
        if (Paper is >= 0 and < 16)
        {
            words.Add($"p{Paper}");
        }
        if (Bold)
        {
            words.Add("b");
        }
        if (Dim)
        {
            words.Add("d");
        }
        if (Italic)
        {
            words.Add("i");
        }
        if (Underline)
        {
            words.Add("u");
        }
        return string.Join(' ', words);
    }

    /// <summary>Inline style of colours beyond the theme's 16; digits only, so nothing of the program's text is in it.</summary>
    public string? Css()
    {
        var ink = Ink >= Rgb ? $"color:#{Ink & 0xffffff:x6}" : null;
        var paper = Paper >= Rgb ? $"background:#{Paper & 0xffffff:x6}" : null;
        return ink is null ? paper
            : paper is null ? ink
            : $"{ink};{paper}";
    }
}

public readonly record struct AnsiSpan(string Text, AnsiStyle Style);
