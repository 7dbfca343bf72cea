using System.Collections.Immutable;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace DeepLab.Core.Workloads;

/// <summary>Labels: names with short texts. Hosts carry them, specs ask for those of hosts, and runs are found by theirs.</summary>
public static partial class SpecLabels
{
    public const int Most = 32;

    /// <summary>Characters of a label's text.</summary>
    public const int LongestText = 255;
    internal static ImmutableSortedDictionary<string, string> None { get; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>An object of labels and texts, as a body of its own; every error at once, each at its path below <paramref name="path"/>.</summary>
    public static (ImmutableSortedDictionary<string, string> Labels, IReadOnlyList<SpecError> Errors) Read(
        JsonElement value,
        string path
    )
    {
        var errors = new SpecErrors();
        var labels = Read(new SpecNode(value, path, errors));
        return (labels, errors.All);
    }

    internal static ImmutableSortedDictionary<string, string> Read(SpecNode? node)
    {
        if (node is not { } given)
        {
            return None;
        }
        if (given.Value.ValueKind != JsonValueKind.Object)
        {
            given.Fail(
                $"This is {given.Kind}; an object of labels and texts is allowed, such as {{ \"zone\": \"a\" }}."
            );
            return None;
        }
        var properties = given.Properties();
        if (properties.Count > Most)
        {
            given.Fail($"There are {properties.Count:N0} labels; at most {Most} are allowed.");
            return None;
        }
        var labels = None.ToBuilder();
        foreach (var (name, value) in properties)
        {
            if (!NamePattern().IsMatch(name))
            {
                value.Fail(
                    $"The label is {SpecText.Quote(name)}; 1 to 63 letters, digits, '.', '_', '/' and '-' are allowed."
                );
            }
            else if (value.Line(0, LongestText) is { } text)
            {
                labels[name] = text;
            }
        }
        return labels.Count == 0 ? None : labels.ToImmutable();
    }

    internal static void Write(Utf8JsonWriter w, string key, ImmutableSortedDictionary<string, string> labels)
    {
        w.WriteStartObject(key);
        foreach (var (name, value) in labels.OrderBy(l => l.Key, StringComparer.Ordinal))
        {
            w.WriteString(name, value);
        }
        w.WriteEndObject();
    }

    [GeneratedRegex(@"^[A-Za-z0-9._/-]{1,63}\z", RegexOptions.NonBacktracking)]
    internal static partial Regex NamePattern();
}
