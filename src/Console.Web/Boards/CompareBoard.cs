using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Compare;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using DeepLab.Web.Charts;

namespace DeepLab.Web.Boards;

/// <summary>Runs side by side: what differs, their metrics, and one chart a metric with the curves of all of them.</summary>
/// <param name="ids">as <see cref="RunChoice.Read"/> allows them</param>
/// <param name="metric">whose chart is drawn first; empty = none</param>
public sealed class CompareBoard(
    Actor actor,
    IReadOnlyList<long> ids,
    CurveAxis axis,
    string metric,
    CompareJobs compare,
    SeriesReader reader,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<CompareBoard> logger
) : SeriesBoard(reader, feed, time, logger)
{
    /// <summary>Charts that are drawn; the table has the metrics of the others.</summary>
    public const int MostCharts = 12;

    /// <summary>So long after its end, nothing of a run is read any more.</summary>
    private static readonly TimeSpan s_settles = TimeSpan.FromMinutes(2);
    private readonly KnownCurves _known = new();
    private IReadOnlyList<ChartPlan> _charts = [];

    /// <summary>Null until it is loaded.</summary>
    public Comparison? Comparison { get; private set; }

    protected override bool ByStep => axis == CurveAxis.Step;

    /// <summary>False where a chart of the metric could be drawn, and is not among those that are.</summary>
    public bool Draws(string? name) =>
        Comparison is not { } c || c.Metrics.All(m => m.Name != name) || _charts.Any(p => p.Title == name);

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        var before = Comparison;
        var drawn = await base.LoadAsync(changes, ct);
        return drawn || !ReferenceEquals(before, Comparison);
    }

    protected override async Task<IReadOnlyList<ChartPlan>> PlanAsync(CancellationToken ct)
    {
        if (Comparison is { Runs.Count: > 0 } before && before.Runs.All(HasSettled))
        {
            return _charts;
        }
        var now = await compare.RunAsync(actor, ids, metric.Length > 0 ? metric : null, _known, ct);
        _charts = [.. now.Shared.All.OrderBy(m => m.Name != metric).Take(MostCharts).Select(Chart)];
        Comparison = now;
        return _charts;
    }

    protected override string? CsvOf(ChartPlan plan) =>
        plan.CsvAt($"/api/v1/jobs/compare/csv?ids={string.Join(',', ids)}");

    protected override (long From, long To) Range() => (0, long.MaxValue);

    private ChartPlan Chart(SharedMetric shared) =>
        new(
            shared.Name,
            ChartUnit.Number,
            [.. ids.Zip(shared.Curves).SelectMany(r => r.Second.Select(c => new LinePlan(Label(r.First, c), c)))]
        );

    private static string Label(long id, SeriesInfo curve) => $"#{id} {curve.Key.Source}".TrimEnd();

    private bool HasSettled(JobRow run) => run.State.IsTerminal() && Time.GetUtcNow() - run.EndedAt > s_settles;
}
