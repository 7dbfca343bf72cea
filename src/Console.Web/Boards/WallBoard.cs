using System.Globalization;
using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using DeepLab.Web.Charts;

namespace DeepLab.Web.Boards;

/// <summary>What a lab's screen shows: one curve chart a run, and the GPUs of the fleet. Of runs, those that the viewer may see.</summary>
/// <param name="ids">which runs; none = the newest that run</param>
/// <param name="metric">of which the curves are drawn, where a run has it; empty = the one that says most</param>
public sealed class WallBoard(
    Actor actor,
    IReadOnlyList<long> ids,
    string metric,
    JobQueries jobs,
    FleetQueries fleet,
    LatestReadings readings,
    SeriesReader reader,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<WallBoard> logger
) : SeriesBoard(reader, feed, time, logger)
{
    /// <summary>Charts that can be read from afar.</summary>
    public const int MostRuns = 6;
    private const int MostLines = 8;
    private static readonly string[] s_telling = ["val", "eval", "test", "loss", "acc"];
    private readonly SeriesReader _reader = reader;
    private IReadOnlyList<HostView> _hosts = [];
    private Dictionary<string, long> _charts = [];

    /// <summary>In the order in which they were chosen, or the newest first.</summary>
    public IReadOnlyList<JobRow> Runs { get; private set; } = [];
    public IReadOnlyList<HostView> Hosts { get; private set; } = [];

    public ChartModel? ChartOf(long run) => Charts.FirstOrDefault(c => _charts.GetValueOrDefault(c.Title) == run);

    protected override TimeSpan Pace { get; } = TimeSpan.FromSeconds(2);

    protected override bool Matters(Change change) =>
        change.Kind is ChangeKind.Metrics or ChangeKind.Workload or ChangeKind.Everything;

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        await base.LoadAsync(changes, ct);
        Hosts = HostReadings.Renew(_hosts, readings);
        return true;
    }

    protected override async Task<IReadOnlyList<ChartPlan>> PlanAsync(CancellationToken ct)
    {
        _hosts = await fleet.HostsAsync(actor, ct);
        Runs = await FindAsync(ct);
        var (plans, charts) = (new List<ChartPlan>(), new Dictionary<string, long>());
        foreach (var run in Runs)
        {
            var curves = await _reader.ListAsync(SeriesOwner.Job, run.Id.ToString(CultureInfo.InvariantCulture), ct);
            if (Choose(curves, metric) is { } name)
            {
                var title = $"{name} of #{run.Id}";
                charts[title] = run.Id;
                plans.Add(
                    new ChartPlan(
                        title,
                        ChartUnit.Number,
                        [
                            .. curves
                                .Where(c => c.Key.Name == name && c.Last is not null)
                                .OrderBy(c => c.Last!.Value.UnixMillis)
                                .TakeLast(MostLines)
                                .OrderBy(c => c.Key.Source, StringComparer.Ordinal)
                                .Select(c => new LinePlan(c.Key.Source.Length > 0 ? c.Key.Source : name, c)),
                        ]
                    )
                );
            }
        }
        _charts = charts;
        return plans;
    }

    protected override bool ByStep => true;

    protected override (long From, long To) Range() => (0, long.MaxValue);

    /// <summary>The one that was asked for, else one of a validation, else a loss, else the first by name.</summary>
    internal static string? Choose(IReadOnlyList<SeriesInfo> curves, string metric)
    {
        var names = curves
            .Where(c => c.Last is not null)
            .Select(c => c.Key.Name)
            .Distinct()
            .Order(StringComparer.Ordinal)
            .ToArray();
        return names.Contains(metric)
            ? metric
            : s_telling
                .Select(word => names.FirstOrDefault(n => n.Contains(word, StringComparison.OrdinalIgnoreCase)))
                .FirstOrDefault(n => n is not null)
                ?? names.FirstOrDefault();
    }

    private async Task<IReadOnlyList<JobRow>> FindAsync(CancellationToken ct)
    {
        if (ids.Count == 0)
        {
            var filter = new JobFilter { States = [WorkloadState.Running] };
            return (await jobs.WindowAsync(actor, filter, 0, MostRuns, ct)).Rows;
        }
        var found = (await jobs.FindRowsAsync(actor, [.. ids], ct)).ToDictionary(r => r.Id);
        return [.. ids.Where(found.ContainsKey).Select(id => found[id])];
    }
}
