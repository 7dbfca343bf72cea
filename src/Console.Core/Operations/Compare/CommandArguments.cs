namespace DeepLab.Core.Operations.Compare;

/// <summary>
/// A command line by names, so that two of them are compared by what they say and not by where it stands: `--lr 0.1`,
/// `--lr=0.1` and `lr=0.1` have a name, and the rest is counted: `[0]`, `[1]`, ….
/// </summary>
public static class CommandArguments
{
    /// <summary>The value of an option that has none.</summary>
    public const string Given = "given";

    /// <summary>In the order in which they are first seen; what is given several times has its values joined by spaces.</summary>
    public static IReadOnlyList<(string Name, string Value)> Read(IReadOnlyList<string> argv)
    {
        var names = new List<string>();
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        var (counted, onlyCounted) = (0, false);
        for (var i = 0; i < argv.Count; i++)
        {
            var word = argv[i];
            if (onlyCounted)
            {
                Add($"[{counted++}]", word);
            }
            else if (word == "--")
            {
                onlyCounted = true;
            }
            else if (IsOption(word))
            {
                var cut = word.IndexOf('=', StringComparison.Ordinal);
                if (cut > 0)
                {
                    Add(word[..cut], word[(cut + 1)..]);
                }
                else if (i + 1 < argv.Count && argv[i + 1] != "--" && !IsOption(argv[i + 1]))
                {
                    Add(word, argv[++i]);
                }
                else
                {
                    Add(word, Given);
                }
            }
            else if (Assigned(word) is var at and > 0)
            {
                Add(word[..at], word[(at + 1)..]);
            }
            else
            {
                Add($"[{counted++}]", word);
            }
        }
        return [.. names.Select(n => (n, values[n]))];

        void Add(string name, string value)
        {
            if (values.TryGetValue(name, out var before))
            {
                values[name] = $"{before} {value}";
                return;
            }
            names.Add(name);
            values[name] = value;
        }
    }

    /// <summary>A negative number is a value.</summary>
    private static bool IsOption(string word) =>
        word.Length > 1 && word[0] == '-' && !char.IsAsciiDigit(word[1]) && word[1] != '.';

    /// <summary>Where the `=` of `name=value` is; 0 where the word is no such thing.</summary>
    private static int Assigned(string word)
    {
        for (var i = 0; i < word.Length; i++)
        {
            if (word[i] == '=')
            {
                return i;
            }
            var fits =
                char.IsAsciiLetter(word[i])
                || word[i] == '_'
                || (i > 0 && (char.IsAsciiDigit(word[i]) || word[i] is '.' or '-'));
            if (!fits)
            {
                return 0;
            }
        }
        return 0;
    }
}
