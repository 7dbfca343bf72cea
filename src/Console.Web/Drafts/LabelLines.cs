using System.Collections.Immutable;
using System.Text.Json;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Drafts;

/// <summary>Labels as people type them: one a line, `name=text` or a name alone.</summary>
public static class LabelLines
{
    public static string Write(IReadOnlyDictionary<string, string> labels) =>
        string.Join('\n', labels.OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => Word(l.Key, l.Value)));

    /// <summary>As a label is shown and searched for: `name=text`, or its name where it has no text.</summary>
    public static string Word(string name, string text) => text.Length == 0 ? name : $"{name}={text}";

    /// <summary>The labels; or everything that is wrong with the lines, by the one reader of labels.</summary>
    public static (ImmutableSortedDictionary<string, string> Labels, IReadOnlyList<SpecError> Errors) Read(string text)
    {
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var cut = line.IndexOf('=', StringComparison.Ordinal);
            labels[(cut < 0 ? line : line[..cut]).TrimEnd()] = cut < 0 ? "" : line[(cut + 1)..].TrimStart();
        }
        return SpecLabels.Read(JsonSerializer.SerializeToElement(labels), "labels");
    }
}
