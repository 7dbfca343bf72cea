using System.Globalization;
using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Web.Charts;

namespace DeepLab.Web.Boards;

/// <summary>What the GPUs and the containers of a job did, each attempt in its own time.</summary>
/// <param name="attempts">with the replica of each, the newest last</param>
public sealed class MachinesBoard(
    long workloadId,
    IReadOnlyList<(string Replica, AttemptView Attempt)> attempts,
    SeriesReader reader,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<MachinesBoard> logger
) : SeriesBoard(reader, feed, time, logger)
{
    /// <summary>Lines of one chart: of more, none is told from another.</summary>
    public const int MostLines = 16;

    /// <summary>What explains a curve; the rest stands under Resources.</summary>
    private static readonly string[] s_names =
    [
        SeriesNames.GpuUtilisation,
        SeriesNames.GpuMemory,
        SeriesNames.Cpu,
        SeriesNames.Memory,
    ];
    private readonly SeriesReader _reader = reader;

    protected override async Task<IReadOnlyList<ChartPlan>> PlanAsync(CancellationToken ct)
    {
        var plans = new List<ChartPlan>();
        foreach (var (replica, attempt) in attempts.TakeLast(MostLines))
        {
            var name = $"{replica}/{attempt.Number}";
            var own = await _reader.ListAsync(
                SeriesOwner.Attempt,
                attempt.Id.ToString(CultureInfo.InvariantCulture),
                ct
            );
            var gpus = new List<(string, IReadOnlyList<SeriesInfo>)>();
            foreach (var (i, uuid) in attempt.Gpus.Take(MostLines).Index())
            {
                gpus.Add(($"{name} GPU {i}", await _reader.ListAsync(SeriesOwner.Gpu, uuid, ct)));
            }
            var span = (
                attempt.LeasedAt.ToUnixTimeMilliseconds(),
                attempt.EndedAt?.ToUnixTimeMilliseconds() ?? long.MaxValue
            );
            plans.AddRange(MachineCharts.Container(own).Select(c => Within(Named(c, name), span)));
            plans.AddRange(MachineCharts.Gpus(gpus).Select(c => Within(c, span)));
        }
        return
        [
            .. plans
                .Select(c => (Chart: c, Place: Array.IndexOf(s_names, c.Lines[0].Series.Key.Name)))
                .Where(c => c.Place >= 0)
                .OrderBy(c => c.Place)
                .GroupBy(c => c.Chart.Title)
                .Select(g =>
                    g.First().Chart with
                    {
                        Lines = [.. g.SelectMany(c => c.Chart.Lines).TakeLast(MostLines)],
                    }
                ),
        ];
    }

    protected override string? CsvOf(ChartPlan plan) => plan.CsvAt($"/api/v1/jobs/{workloadId}/metrics/csv");

    protected override (long From, long To) Range() => (0, long.MaxValue);

    private static ChartPlan Named(ChartPlan chart, string name) =>
        chart with
        {
            Lines = [.. chart.Lines.Select(l => l with { Label = name })],
        };

    private static ChartPlan Within(ChartPlan chart, (long, long) span) =>
        chart with
        {
            Lines = [.. chart.Lines.Select(l => l with { Range = span })],
        };
}
