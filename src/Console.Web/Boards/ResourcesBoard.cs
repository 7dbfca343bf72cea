using System.Globalization;
using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Web.Charts;

namespace DeepLab.Web.Boards;

/// <summary>What one attempt used, and what the GPUs that it held did meanwhile.</summary>
/// <param name="workloadId">whose attempt it is</param>
public sealed class ResourcesBoard(
    long workloadId,
    AttemptView attempt,
    SeriesReader reader,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<ResourcesBoard> logger
) : SeriesBoard(reader, feed, time, logger)
{
    private readonly SeriesReader _reader = reader;

    protected override async Task<IReadOnlyList<ChartPlan>> PlanAsync(CancellationToken ct)
    {
        var own = await _reader.ListAsync(SeriesOwner.Attempt, attempt.Id.ToString(CultureInfo.InvariantCulture), ct);
        var gpus = new List<(string, IReadOnlyList<SeriesInfo>)>();
        foreach (var (uuid, i) in attempt.Gpus.Select((uuid, i) => (uuid, i)))
        {
            // The program's own numbering: it sees GPU 0..n-1 whatever it holds
            gpus.Add(($"GPU {i}", await _reader.ListAsync(SeriesOwner.Gpu, uuid, ct)));
        }
        return [.. MachineCharts.Container(own), .. MachineCharts.Gpus(gpus)];
    }

    protected override string? CsvOf(ChartPlan plan) =>
        plan.CsvAt($"/api/v1/jobs/{workloadId}/metrics/csv?from={Stamp(attempt.LeasedAt)}{End}");

    private string End => attempt.EndedAt is { } ended ? $"&to={Stamp(ended)}" : "";

    private static string Stamp(DateTimeOffset at) => $"{at.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss.fff'Z'}";

    protected override (long From, long To) Range() =>
        (attempt.LeasedAt.ToUnixTimeMilliseconds(), attempt.EndedAt?.ToUnixTimeMilliseconds() ?? long.MaxValue);
}
