using DeepLab.Core.Metrics;

namespace DeepLab.Core.Operations.Compare;

/// <summary>A metric that at least two of the runs wrote.</summary>
/// <param name="Curves">of each run, in the order of the runs, the newest last; empty where it wrote none</param>
public sealed record SharedMetric(string Name, IReadOnlyList<IReadOnlyList<SeriesInfo>> Curves);

/// <param name="LeftOut">shared metrics beyond the most that are told</param>
public sealed record SharedMetrics(IReadOnlyList<SharedMetric> All, int LeftOut)
{
    public const int Most = 200;

    /// <summary>Of one metric and run: the newest, where replicas, attempts and folders each have their own.</summary>
    public const int MostCurves = 8;

    /// <summary>By name.</summary>
    /// <param name="runs">the curves of each</param>
    /// <param name="wanted">a metric that is among them however many there are; null = none</param>
    public static SharedMetrics Of(IReadOnlyList<IReadOnlyList<SeriesInfo>> runs, string? wanted)
    {
        var byName = runs.Select(r =>
                r.Where(s => s.Last is not null).ToLookup(s => s.Key.Name, StringComparer.Ordinal)
            )
            .ToArray();
        var names = byName
            .SelectMany(r => r.Select(g => g.Key))
            .GroupBy(n => n, StringComparer.Ordinal)
            .Where(g => g.Skip(1).Any())
            .Select(g => g.Key)
            .Order(StringComparer.Ordinal)
            .ToArray();
        var shown = names.Take(Most).ToArray();
        if (
            wanted is not null
            && names.Contains(wanted, StringComparer.Ordinal)
            && !shown.Contains(wanted, StringComparer.Ordinal)
        )
        {
            shown[^1] = wanted;
        }
        return new SharedMetrics(
            [.. shown.Select(n => new SharedMetric(n, [.. byName.Select(r => Newest(r[n]))]))],
            names.Length - shown.Length
        );
    }

    private static IReadOnlyList<SeriesInfo> Newest(IEnumerable<SeriesInfo> curves) =>
        [
            .. curves
                .OrderBy(c => c.Last!.Value.UnixMillis)
                .ThenBy(c => c.Key.Source, StringComparer.Ordinal)
                .TakeLast(MostCurves),
        ];
}
