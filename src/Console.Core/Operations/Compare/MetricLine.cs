using DeepLab.Core.Metrics;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations.Compare;

/// <summary>The curves of one metric of one run, in numbers. What is not a number counts only where nothing else is.</summary>
/// <param name="Last">of the curve that was written to last</param>
/// <param name="Step">of that value</param>
/// <param name="Points">of all its curves</param>
public sealed record CurveFigures(double Last, long Step, double Least, double Greatest, long Points)
{
    /// <param name="curves">the newest last; each with its least and greatest value</param>
    public static CurveFigures? Of(IReadOnlyList<(SeriesInfo Series, double Least, double Greatest)> curves) =>
        curves.Count == 0
            ? null
            : new CurveFigures(
                curves[^1].Series.Last!.Value.Value,
                curves[^1].Series.Last!.Value.Step,
                curves.Select(c => c.Least).Aggregate(double.MinNumber),
                curves.Select(c => c.Greatest).Aggregate(double.MaxNumber),
                curves.Sum(c => c.Series.Points)
            );

    public double By(BestBy by) => by == BestBy.Least ? Least : Greatest;
}

/// <summary>One metric of all runs.</summary>
/// <param name="Runs">in the order of the runs; null where one wrote none</param>
public sealed record MetricLine(string Name, IReadOnlyList<CurveFigures?> Runs)
{
    /// <summary>Positions of the best runs: several where they are alike, none where no run has a finite value.</summary>
    public IReadOnlyList<int> BestOf(BestBy by)
    {
        var finite = Runs.Index()
            .Where(r => r.Item is { } f && double.IsFinite(f.By(by)))
            .Select(r => (r.Index, Value: r.Item!.By(by)))
            .ToArray();
        if (finite.Length == 0)
        {
            return [];
        }
        var best = by == BestBy.Least ? finite.Min(f => f.Value) : finite.Max(f => f.Value);
        return [.. finite.Where(f => f.Value == best).Select(f => f.Index)];
    }
}
