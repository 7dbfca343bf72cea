using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>How numbers are said. Never an age or an estimate: a reason changes only when the numbers behind it do.</summary>
internal static class Words
{
    public static string Number(double value) => $"{value:0.##}";

    public static string Bytes(double bytes) => Quantity.Say(bytes);

    public static string Count(int count, string what) => $"{count} {what}{(count == 1 ? "" : "s")}";

    /// <summary>` of model A100 with at least 40 GiB`; empty where any GPU will do.</summary>
    public static string Kind(ResourcesSpec asked) =>
        (asked.GpuModel, asked.GpuMemory) switch
        {
            (null, null) => "",
            ({ } m, null) => $" of model {m}",
            (null, { } b) => $" of at least {Bytes(b)}",
            ({ } m, { } b) => $" of model {m} with at least {Bytes(b)}",
        };

    public static string Labels(PlacementSpec placement) =>
        string.Join(", ", placement.HostLabels.Select(l => $"{l.Key}={l.Value}"));
}
