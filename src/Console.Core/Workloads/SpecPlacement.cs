using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace DeepLab.Core.Workloads;

/// <summary>The `placement` of a spec: which hosts its replicas may go to, and how they are spread.</summary>
internal static partial class SpecPlacement
{
    public const int MostLabels = 32;
    public const int MostHosts = 256;
    private static readonly string[] Keys = ["mode", "hostLabels", "excludeHosts", "onlyHosts"];
    private static readonly string[] Modes = ["pack", "sameHost", "spread"];

    public static string NameOf(PlacementMode mode) => Modes[(int)mode];

    public static PlacementSpec Read(SpecNode? node)
    {
        if (node is not { } given || SpecObject.Read(given, Keys, _ => null) is not { } placement)
        {
            return new PlacementSpec();
        }
        return new PlacementSpec
        {
            Mode = Mode(placement.Find("mode")),
            HostLabels = HostLabels(placement.Find("hostLabels")),
            ExcludeHosts = Hosts(placement.Find("excludeHosts")),
            OnlyHosts = Hosts(placement.Find("onlyHosts")),
        };
    }

    private static ImmutableArray<string> Hosts(SpecNode? node)
    {
        var hosts = (node?.Items(0, MostHosts) ?? []).Select(h => h.Name()).OfType<string>().ToHashSet();
        // The shared empty array: equal specs are equal
        return hosts.Count == 0 ? [] : [.. hosts.Order(StringComparer.Ordinal)];
    }

    private static PlacementMode Mode(SpecNode? node)
    {
        if (node?.Text(64) is not { } text)
        {
            return PlacementMode.Pack;
        }
        var mode = Array.IndexOf(Modes, text);
        if (mode < 0)
        {
            node.Value.Fail($"This is {SpecText.Quote(text)}; one of {string.Join(", ", Modes)} is allowed.");
        }
        return (PlacementMode)Math.Max(0, mode);
    }

    private static ImmutableSortedDictionary<string, string> HostLabels(SpecNode? node)
    {
        var none = PlacementSpec.NoLabels;
        if (node is not { } given)
        {
            return none;
        }
        if (given.Value.ValueKind != System.Text.Json.JsonValueKind.Object)
        {
            given.Fail(
                $"This is {given.Kind}; an object of labels and texts is allowed, such as {{ \"zone\": \"a\" }}."
            );
            return none;
        }
        var properties = given.Properties();
        if (properties.Count > MostLabels)
        {
            given.Fail($"There are {properties.Count:N0} labels; at most {MostLabels} are allowed.");
            return none;
        }
        var labels = none.ToBuilder();
        foreach (var (name, value) in properties)
        {
            if (!LabelPattern().IsMatch(name))
            {
                value.Fail(
                    $"The label is {SpecText.Quote(name)}; 1 to 63 letters, digits, '.', '_', '/' and '-' are allowed."
                );
            }
            else if (value.Line(0, 255) is { } text)
            {
                labels[name] = text;
            }
        }
        return labels.Count == 0 ? none : labels.ToImmutable();
    }

    [GeneratedRegex(@"^[A-Za-z0-9._/-]{1,63}\z", RegexOptions.NonBacktracking)]
    internal static partial Regex LabelPattern();
}
