using System.Globalization;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Compare;

/// <param name="Runs">in the order in which they were asked for, as is every list of values</param>
/// <param name="Metrics">those that at least two runs wrote, by name</param>
/// <param name="Shared">the curves behind them, in the same order</param>
public sealed record Comparison(
    IReadOnlyList<JobRow> Runs,
    FieldLines Fields,
    IReadOnlyList<MetricLine> Metrics,
    SharedMetrics Shared
)
{
    /// <summary>Jobs that there are not, or that the actor may not see: where there are any, nothing else is told.</summary>
    public IReadOnlyList<long> Missing { get; init; } = [];

    /// <summary>Those that are final test runs: all others are compared on validation.</summary>
    public IReadOnlyList<long> Final { get; init; } = [];
}

/// <summary>Least and greatest values that were read before, by series: they hold while no point was added.</summary>
public sealed class KnownCurves
{
    private readonly Dictionary<long, (long Points, double Least, double Greatest)> _known = [];

    public (double Least, double Greatest)? Find(SeriesInfo series) =>
        _known.TryGetValue(series.Id, out var known) && known.Points == series.Points
            ? (known.Least, known.Greatest)
            : null;

    public void Keep(SeriesInfo series, double least, double greatest) =>
        _known[series.Id] = (series.Points, least, greatest);
}

/// <summary>What differs among runs, and how their metrics compare. Members compare their own, admins all.</summary>
public sealed class CompareJobs(IDbContextFactory<ConsoleDb> databases, SeriesReader series, IMediaStore media)
{
    /// <summary>Sources of hyper-parameters that are read of a run: replicas, attempts, folders.</summary>
    private const int MostSources = 16;

    /// <param name="ids">as <see cref="RunChoice.Read"/> allows them</param>
    /// <param name="metric">one that is among the metrics however many are shared; null = none</param>
    public async Task<Comparison> RunAsync(
        Actor actor,
        IReadOnlyList<long> ids,
        string? metric,
        KnownCurves known,
        CancellationToken ct
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var found = await JobQueries
            .Filter(db, actor, new JobFilter())
            .Where(w => ids.Contains(w.Id))
            .ToDictionaryAsync(w => w.Id, ct);
        if (ids.Where(id => !found.ContainsKey(id)).ToArray() is { Length: > 0 } missing)
        {
            return new Comparison([], FieldLines.Of([]), [], new SharedMetrics([], 0)) { Missing = missing };
        }
        var fields = new List<IReadOnlyList<RunField>>();
        var curves = new List<IReadOnlyList<SeriesInfo>>();
        foreach (var id in ids)
        {
            fields.Add([
                .. await ParametersAsync(id, ct),
                .. SpecOf(found[id]),
                .. await RunOfAsync(db, found[id], ct),
            ]);
            curves.Add(await series.ListAsync(SeriesOwner.Job, id.ToString(CultureInfo.InvariantCulture), ct));
        }
        var shared = SharedMetrics.Of(curves, metric);
        var lines = new List<MetricLine>();
        foreach (var one in shared.All)
        {
            var runs = new List<CurveFigures?>();
            foreach (var of in one.Curves)
            {
                runs.Add(CurveFigures.Of(await ReadAsync(of, known, ct)));
            }
            lines.Add(new MetricLine(one.Name, runs));
        }
        return new Comparison([.. ids.Select(id => JobRows.Compiled(found[id]))], FieldLines.Of(fields), lines, shared)
        {
            Final = [.. ids.Where(id => StoredSpec.TryRead(found[id].SpecJson, out _)?.Final == true)],
        };
    }

    /// <summary>With every default spelled out; what does not read back is told as it is stored.</summary>
    private static IReadOnlyList<RunField> SpecOf(Workload w) =>
        RunFields.OfSpec(
            StoredSpec.Write(StoredSpec.TryRead(w.SpecJson, out _), w.SpecJson),
            w.PinnedImage,
            w.PinnedRoleImages
        );

    private static async Task<IReadOnlyList<RunField>> RunOfAsync(ConsoleDb db, Workload w, CancellationToken ct)
    {
        var attempts = await db
            .Attempts.AsNoTracking()
            .Where(a => a.WorkloadId == w.Id)
            // Its host may have been taken out since
            .LeftJoin(
                db.Hosts,
                a => a.HostId,
                h => h.Id,
                (a, h) =>
                    new
                    {
                        a.Id,
                        a.Round,
                        Host = h!.Name,
                        a.ImageId,
                    }
            )
            .ToListAsync(ct);
        var round = attempts.Select(a => a.Round).DefaultIfEmpty().Max();
        var last = attempts.Where(a => a.Round == round).Select(a => a.Id).ToArray();
        var gpus = await db
            .Leases.Where(l => l.WorkloadId == w.Id && last.Contains(l.AttemptId))
            .Select(l => l.GpuUuid)
            .ToListAsync(ct);
        return RunFields.OfRun(
            w,
            [.. attempts.Select(a => (a.Round, a.Host ?? "a host that is gone", a.ImageId))],
            gpus
        );
    }

    private async Task<IReadOnlyList<RunField>> ParametersAsync(long id, CancellationToken ct)
    {
        var written = new List<ReadOnlyMemory<byte>>();
        var found = (await media.ListAsync(id, ct)).Where(m => m.Kind == MediaKind.Parameters);
        foreach (var one in found.OrderBy(m => m.Source, StringComparer.Ordinal).Take(MostSources))
        {
            var items = await media.ReadAsync(id, one.Kind, one.Tag, one.Source, one.Steps[^1], ct);
            written.AddRange(items.Select(i => (ReadOnlyMemory<byte>)i.Data));
        }
        return RunFields.OfParameters(written);
    }

    private async Task<IReadOnlyList<(SeriesInfo, double, double)>> ReadAsync(
        IReadOnlyList<SeriesInfo> curves,
        KnownCurves known,
        CancellationToken ct
    )
    {
        var read = new List<(SeriesInfo, double, double)>();
        foreach (var curve in curves)
        {
            if (known.Find(curve) is not { } figures)
            {
                figures = await series.ExtremesAsync(curve, ct);
                known.Keep(curve, figures.Least, figures.Greatest);
            }
            read.Add((curve, figures.Least, figures.Greatest));
        }
        return read;
    }
}
