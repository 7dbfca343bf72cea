using System.Globalization;
using System.Text;
using System.Text.Json;

namespace DeepLab.Core.Workloads;

/// <summary>Collects errors; past the limit only their number is kept, so that a hostile spec stays cheap.</summary>
public sealed class SpecErrors
{
    public const int Limit = 200;
    private readonly List<SpecError> _errors = [];
    private int _more;

    public IReadOnlyList<SpecError> All =>
        _more == 0 ? _errors : [.. _errors, new SpecError("", $"There are {_more:N0} more errors.")];

    public void Add(string path, string message)
    {
        if (_errors.Count < Limit)
        {
            _errors.Add(new SpecError(path, message));
        }
        else
        {
            _more++;
        }
    }
}

/// <summary>An object whose keys were checked: unknown, doubled and case-varied ones are reported and left out.</summary>
internal sealed class SpecObject
{
    private readonly Dictionary<string, SpecNode> _values = [];
    private readonly SpecNode _self;

    private SpecObject(SpecNode self) => _self = self;

    public static SpecObject? Read(SpecNode node, IReadOnlyList<string> known, Func<string, string?> misplaced)
    {
        if (node.Value.ValueKind != JsonValueKind.Object)
        {
            node.Fail($"This is {node.Kind}; an object is allowed.");
            return null;
        }
        var read = new SpecObject(node);
        foreach (var (key, value) in node.Properties())
        {
            if (known.Contains(key))
            {
                read._values.Add(key, value);
            }
            else
            {
                value.Fail(Unknown(key, known, misplaced));
            }
        }
        return read;
    }

    /// <summary>Null where the key is absent, or null in the JSON.</summary>
    public SpecNode? Find(string key) =>
        _values.TryGetValue(key, out var v) && v.Value.ValueKind != JsonValueKind.Null ? v : null;

    /// <summary>As <see cref="Find"/>, but its absence is an error.</summary>
    public SpecNode? Need(string key, string what)
    {
        var found = Find(key);
        if (found is null)
        {
            _self.Child(key, _self.Value).Fail($"\"{key}\" is missing; {what} is needed.");
        }
        return found;
    }

    private static string Unknown(string key, IReadOnlyList<string> known, Func<string, string?> misplaced)
    {
        var shown = SpecText.Quote(key);
        var same = known.FirstOrDefault(k => string.Equals(k, key, StringComparison.OrdinalIgnoreCase));
        if (same is not null)
        {
            return $"There is no key {shown}; keys are case-sensitive, write \"{same}\".";
        }
        if (misplaced(key) is { } place)
        {
            return $"There is no key {shown} here; it belongs at {place}.";
        }
        return SpecText.Nearest(key, known) is { } near
            ? $"There is no key {shown}; did you mean \"{near}\"?"
            : $"There is no key {shown}; allowed are {string.Join(", ", known)}.";
    }
}

/// <summary>Text for people, safe to show whatever a user wrote.</summary>
internal static class SpecText
{
    /// <summary>In quotes, at most 60 characters, control and formatting characters as escapes.</summary>
    public static string Quote(string text)
    {
        var b = new StringBuilder("\"");
        foreach (var rune in text.EnumerateRunes())
        {
            if (b.Length > 60)
            {
                return b.Append("…\"").ToString();
            }
            if (
                Rune.GetUnicodeCategory(rune)
                is UnicodeCategory.Control
                    or UnicodeCategory.Format
                    or UnicodeCategory.LineSeparator
                    or UnicodeCategory.ParagraphSeparator
            )
            {
                b.Append("\\u").Append(rune.Value.ToString("x4"));
            }
            else
            {
                b.Append(rune);
            }
        }
        return b.Append('"').ToString();
    }

    public static string? Nearest(string word, IReadOnlyList<string> known)
    {
        if (word.Length is 0 or > 40)
        {
            return null;
        }
        var lower = word.ToLowerInvariant();
        var (near, distance) = known
            .Select(k => (k, Distance(lower, k.ToLowerInvariant())))
            .OrderBy(x => x.Item2)
            .ThenBy(x => x.k, StringComparer.Ordinal)
            .First();
        return distance <= Math.Max(1, near.Length / 3) ? near : null;
    }

    /// <summary>Levenshtein: letters to insert, remove or replace.</summary>
    private static int Distance(string a, string b)
    {
        var row = new int[b.Length + 1];
        for (var j = 0; j <= b.Length; j++)
        {
            row[j] = j;
        }
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[b.Length];
    }
}
