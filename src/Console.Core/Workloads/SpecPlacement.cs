using System.Collections.Immutable;

namespace DeepLab.Core.Workloads;

/// <summary>The `placement` of a spec: which hosts its replicas may go to, and how they are spread.</summary>
internal static class SpecPlacement
{
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
            HostLabels = SpecLabels.Read(placement.Find("hostLabels")),
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
}
