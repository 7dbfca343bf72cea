using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Web.Charts;

namespace DeepLab.Web.Boards;

/// <summary>What a host and its GPUs did in the last hours.</summary>
public sealed class HostChartsBoard(
    HostView host,
    TimeSpan span,
    SeriesReader reader,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<HostChartsBoard> logger
) : SeriesBoard(reader, feed, time, logger)
{
    private readonly SeriesReader _reader = reader;
    private readonly DateTimeOffset _from = time.GetUtcNow() - span;

    protected override TimeSpan Pace { get; } = TimeSpan.FromSeconds(2);

    protected override async Task<IReadOnlyList<ChartPlan>> PlanAsync(CancellationToken ct)
    {
        var own = await _reader.ListAsync(SeriesOwner.Host, host.Id.ToString(), ct);
        var gpus = new List<(string, IReadOnlyList<SeriesInfo>)>();
        foreach (var gpu in host.Gpus)
        {
            gpus.Add(($"GPU {gpu.Index}", await _reader.ListAsync(SeriesOwner.Gpu, gpu.Uuid, ct)));
        }
        return [.. MachineCharts.Container(own), .. MachineCharts.Gpus(gpus)];
    }

    protected override string? CsvOf(ChartPlan plan) =>
        plan.CsvAt(
            $"/api/v1/hosts/{Uri.EscapeDataString(host.Name)}/metrics/csv?from={_from.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}"
        );

    protected override (long From, long To) Range() => (_from.ToUnixTimeMilliseconds(), long.MaxValue);
}
