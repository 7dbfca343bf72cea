using System.Globalization;
using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Web.Charts;

namespace DeepLab.Web.Boards;

/// <summary>What the program itself wrote: one chart a tag, one line a replica, attempt and run.</summary>
/// <param name="workloadId">the page has checked that the viewer may see it</param>
public sealed class CurvesBoard(
    long workloadId,
    CurveAxis axis,
    SeriesReader reader,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<CurvesBoard> logger
) : SeriesBoard(reader, feed, time, logger)
{
    private readonly SeriesReader _reader = reader;

    protected override bool ByStep => axis == CurveAxis.Step;

    protected override async Task<IReadOnlyList<ChartPlan>> PlanAsync(CancellationToken ct)
    {
        var series = await _reader.ListAsync(SeriesOwner.Job, workloadId.ToString(CultureInfo.InvariantCulture), ct);
        return
        [
            .. series
                .GroupBy(s => s.Key.Name)
                .OrderBy(g => g.Key, StringComparer.Ordinal)
                .Select(g => new ChartPlan(
                    g.Key,
                    ChartUnit.Number,
                    [
                        .. g.OrderBy(s => s.Key.Source, StringComparer.Ordinal)
                            .Select(s => new LinePlan(s.Key.Source.Length > 0 ? s.Key.Source : g.Key, s)),
                    ]
                )),
        ];
    }

    protected override string? CsvOf(ChartPlan plan) => plan.CsvAt($"/api/v1/jobs/{workloadId}/metrics/csv");

    protected override (long From, long To) Range() => (0, long.MaxValue);
}

public enum CurveAxis
{
    Step,
    Time,
}
