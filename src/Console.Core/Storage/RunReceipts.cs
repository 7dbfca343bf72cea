using System.Globalization;
using DeepLab.Core.Metrics;
using DeepLab.Core.Workloads;
using DeepLab.Core.Workloads.Receipts;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Storage;

/// <summary>The receipt of a run that has ended, as it was made while its samples were there.</summary>
public sealed class RunReceipt
{
    public long WorkloadId { get; set; }
    public DateTimeOffset KeptAt { get; set; }
    public required Receipt Receipt { get; set; }
}

/// <summary>Least and greatest value of one metric of a run that has ended, over its replicas and attempts.</summary>
public sealed class RunMetric
{
    public long WorkloadId { get; set; }
    public required string Name { get; set; }
    public double Least { get; set; }
    public double Greatest { get; set; }
}

/// <summary>Makes receipts, and finds the metrics of runs, from what is stored of them.</summary>
public sealed class RunReceipts(IDbContextFactory<ConsoleDb> databases, SeriesReader series)
{
    /// <summary>Whose samples are read, the newest; of the others nothing is measured.</summary>
    private const int MostAttempts = 128;
    private const int MostGpus = 256;
    private const int MostPoints = 4000;
    private const int MostSlowNetworks = 32;

    /// <summary>Metrics of one run that are kept.</summary>
    public const int MostMetrics = 500;

    public async Task<Receipt> MakeAsync(Workload w, DateTimeOffset now, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var attempts = await db
            .Attempts.AsNoTracking()
            .Where(a => a.WorkloadId == w.Id)
            .OrderByDescending(a => a.Id)
            .ToListAsync(ct);
        var leases = (
            await db
                .Leases.AsNoTracking()
                .Where(l => l.WorkloadId == w.Id)
                .OrderBy(l => l.Id)
                // It may have been taken out of its host since
                .LeftJoin(
                    db.Gpus,
                    l => l.GpuUuid,
                    g => g.Uuid,
                    (l, g) =>
                        new
                        {
                            l.AttemptId,
                            l.GpuUuid,
                            g!.Model,
                            MemoryBytes = (long?)g.MemoryBytes,
                        }
                )
                .ToListAsync(ct)
        ).ToLookup(l => l.AttemptId, l => new GpuRun(l.GpuUuid, l.Model ?? "", l.MemoryBytes ?? 0));
        var pulls = await PullsAsync(db, w.Id, ct);
        var saved = await db
            .Checkpoints.Where(c => c.WorkloadId == w.Id && c.Complete)
            .GroupBy(c => c.Attempt)
            .Select(g => new { Round = g.Key, At = g.Max(c => c.WrittenAt) })
            .ToDictionaryAsync(c => c.Round, c => c.At, ct);
        var (runs, gpusLeft) = (new List<AttemptRun>(), MostGpus);
        foreach (var (i, a) in attempts.Index())
        {
            var run = new AttemptRun(
                a.Number,
                a.ReplicaName,
                a.LeasedAt,
                a.StartedAt,
                a.EndedAt,
                a.Reason == Reason.Completed,
                a.Cpus,
                a.MemoryBytes
            )
            {
                Pulls =
                [
                    .. pulls[(a.ReplicaName, a.Number)].Select(p => (p.From, p.To ?? a.StartedAt ?? a.EndedAt ?? now)),
                ],
                Gpus = [.. leases[a.Id]],
            };
            if (i < MostAttempts && a.StartedAt is not null)
            {
                run = await MeasureAsync(run, a, gpusLeft, w.EndedAt ?? now, ct);
                gpusLeft -= Math.Min(gpusLeft, run.Gpus.Count);
            }
            runs.Add(run);
        }
        runs.Reverse();
        return ReceiptMaker.Make(
            new RunFacts(w.SubmittedAt, w.EndedAt, w.State == WorkloadState.Succeeded, runs, saved)
            {
                SlowNetworks = await db
                    .Events.Where(e => e.WorkloadId == w.Id && e.Kind == PairEvents.Slow)
                    .OrderByDescending(e => e.Seq)
                    .Take(MostSlowNetworks)
                    .Select(e => e.Message)
                    .ToListAsync(ct),
            },
            now
        );
    }

    /// <summary>From the events of each attempt; the end is null where none tells it.</summary>
    private static async Task<
        ILookup<(string? Replica, int? Attempt), (DateTimeOffset From, DateTimeOffset? To)>
    > PullsAsync(ConsoleDb db, long id, CancellationToken ct)
    {
        string[] kinds = ["pulling", "pulled", "creating", "started", "exited"];
        var events = await db
            .Events.AsNoTracking()
            .Where(e => e.WorkloadId == id && kinds.Contains(e.Kind))
            .OrderBy(e => e.Seq)
            .Select(e => new
            {
                e.Replica,
                e.Attempt,
                e.Kind,
                e.At,
            })
            .ToListAsync(ct);
        return events
            .GroupBy(e => (e.Replica, e.Attempt))
            .Where(g => g.Any(e => e.Kind == "pulling"))
            .ToLookup(
                g => g.Key,
                g =>
                {
                    var from = g.First(e => e.Kind == "pulling").At;
                    return (from, g.FirstOrDefault(e => e.Kind != "pulling" && e.At >= from)?.At);
                }
            );
    }

    private async Task<AttemptRun> MeasureAsync(
        AttemptRun run,
        Attempt a,
        int gpusLeft,
        DateTimeOffset until,
        CancellationToken ct
    )
    {
        var (from, to) = (a.StartedAt!.Value.ToUnixTimeMilliseconds(), (a.EndedAt ?? until).ToUnixTimeMilliseconds());
        var gpus = new List<GpuRun>();
        foreach (var (i, gpu) in run.Gpus.Index())
        {
            if (i >= gpusLeft)
            {
                gpus.Add(gpu);
                continue;
            }
            var own = await series.ListAsync(SeriesOwner.Gpu, gpu.Uuid, ct);
            gpus.Add(
                gpu with
                {
                    Utilisation = await PointsAsync(own, SeriesNames.GpuUtilisation, from, to, ct),
                    Memory = await PointsAsync(own, SeriesNames.GpuMemory, from, to, ct),
                    Temperature = await PointsAsync(own, SeriesNames.GpuTemperature, from, to, ct),
                }
            );
        }
        var use = await series.ListAsync(SeriesOwner.Attempt, a.Id.ToString(CultureInfo.InvariantCulture), ct);
        return run with
        {
            Gpus = gpus,
            Cpu = await PointsAsync(use, SeriesNames.Cpu, from, to, ct),
            Memory = await PointsAsync(use, SeriesNames.Memory, from, to, ct),
        };
    }

    private async Task<IReadOnlyList<UsePoint>> PointsAsync(
        IReadOnlyList<SeriesInfo> all,
        string name,
        long from,
        long to,
        CancellationToken ct
    ) =>
        all.FirstOrDefault(s => s.Key.Name == name) is { } info
            ?
            [
                .. (await series.ChartAsync(info, from, to, MostPoints, byStep: false, ct)).Points.Select(
                    p => new UsePoint(p.UnixMillis, p.Mean, p.Max)
                ),
            ]
            : [];

    /// <summary>Of metrics that have a value that is a number, by name.</summary>
    public async Task<IReadOnlyList<RunMetric>> MetricsAsync(long workloadId, CancellationToken ct)
    {
        var found = new SortedDictionary<string, RunMetric>(StringComparer.Ordinal);
        var curves = await series.ListAsync(SeriesOwner.Job, workloadId.ToString(CultureInfo.InvariantCulture), ct);
        foreach (var curve in curves.OrderBy(c => c.Key.Name, StringComparer.Ordinal))
        {
            var known = found.GetValueOrDefault(curve.Key.Name);
            if (known is null && found.Count >= MostMetrics)
            {
                continue;
            }
            var (least, greatest) = await series.ExtremesAsync(curve, ct);
            if (double.IsNaN(least))
            {
                continue;
            }
            known ??= found[curve.Key.Name] = new RunMetric
            {
                WorkloadId = workloadId,
                Name = curve.Key.Name,
                Least = least,
                Greatest = greatest,
            };
            known.Least = Math.Min(known.Least, least);
            known.Greatest = Math.Max(known.Greatest, greatest);
        }
        return [.. found.Values];
    }
}
