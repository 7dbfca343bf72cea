using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Web.Charts;

namespace DeepLab.Web.Boards;

/// <summary>
/// Charts that grow: each line is read whole once, in buckets, and then only its tail. What is planned may change, as
/// when a program begins another curve.
/// </summary>
public abstract class SeriesBoard(SeriesReader reader, ChangeFeed feed, TimeProvider time, ILogger logger)
    : Board(feed, time, logger)
{
    private const int Buckets = 800;

    /// <summary>Appended points after which a line is read in buckets again, so that charts stay light.</summary>
    private const int MostAppended = 2400;
    private const int TailAtOnce = 1000;
    private static readonly TimeSpan s_replan = TimeSpan.FromSeconds(5);
    private readonly Dictionary<(string Chart, string Label), Line> _lines = [];
    private readonly Dictionary<string, ChartModel> _models = [];
    private IReadOnlyList<ChartPlan> _plan = [];
    private long _plannedAt;

    public IReadOnlyList<ChartModel> Charts { get; private set; } = [];

    /// <summary>A point is on the page within a second of its being stored.</summary>
    protected override TimeSpan Pace { get; } = TimeSpan.FromMilliseconds(750);
    protected override TimeSpan Patience { get; } = TimeSpan.FromSeconds(5);
    protected virtual bool ByStep => false;

    protected override bool Matters(Change change) => change.Kind == ChangeKind.Metrics;

    protected abstract Task<IReadOnlyList<ChartPlan>> PlanAsync(CancellationToken ct);

    /// <summary>Milliseconds since 1970, both inclusive.</summary>
    protected abstract (long From, long To) Range();

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        if (_plannedAt == 0 || Time.GetElapsedTime(_plannedAt) >= s_replan)
        {
            _plan = await PlanAsync(ct);
            _plannedAt = Time.GetTimestamp();
            Forget();
        }
        foreach (var chart in _plan)
        {
            await DrawAsync(chart, ct);
        }
        var shown = _plan.Select(p => _models[p.Title]).Where(m => !m.IsEmpty).ToArray();
        if (shown.SequenceEqual(Charts))
        {
            return false;
        }
        Charts = shown;
        return true;
    }

    /// <summary>The address of a file with every point of a chart; null = there is none.</summary>
    protected virtual string? CsvOf(ChartPlan plan) => null;

    /// <summary>A page that is open for weeks keeps nothing of what it does not show any more.</summary>
    private void Forget()
    {
        var charts = _plan.Select(p => p.Title).ToHashSet();
        foreach (var title in _models.Keys.Where(t => !charts.Contains(t)).ToArray())
        {
            _models.Remove(title);
        }
        foreach (var key in _lines.Keys.Where(k => !charts.Contains(k.Chart)).ToArray())
        {
            _lines.Remove(key);
        }
    }

    private async Task DrawAsync(ChartPlan plan, CancellationToken ct)
    {
        if (!_models.TryGetValue(plan.Title, out var model))
        {
            model = _models[plan.Title] = new ChartModel(plan.Title, plan.Unit, ByStep) { Csv = CsvOf(plan) };
            model.Closer = (from, to, ct) => CloserAsync(model, from, to, ct);
        }
        var redraw = false;
        var news = new Dictionary<string, IReadOnlyList<ChartDot>>();
        foreach (var line in plan.Lines)
        {
            var known = _lines.TryGetValue((plan.Title, line.Label), out var drawn) && drawn.Id == line.Series.Id;
            if (known && drawn!.Appended < MostAppended)
            {
                var dots = await TailAsync(drawn, line.Range ?? Range(), ct);
                if (dots.Count > 0)
                {
                    news[line.Label] = dots;
                }
                continue;
            }
            redraw |= await ReadAsync(model, line, known ? drawn : null, ct);
        }
        await model.AppendAsync(news);
        if (redraw)
        {
            await model.RedrawAsync();
        }
    }

    private async Task<bool> ReadAsync(ChartModel model, LinePlan line, Line? drawn, CancellationToken ct)
    {
        // The listing's last point is where the tail goes on; what came after it is left to the tail
        var last = drawn is null ? line.Series.Last : new SeriesPoint(drawn.Step, drawn.UnixMillis, 0);
        if (last is not { } end)
        {
            return false;
        }
        var (from, to) = line.Range ?? Range();
        var chart = await reader.ChartAsync(line.Series, from, Math.Min(to, end.UnixMillis), Buckets, ByStep, ct);
        model.Set(line.Label, chart.Points.Select(p => ChartModel.Dot(p, ByStep)));
        _lines[(model.Title, line.Label)] = new Line(line.Series.Id) { UnixMillis = end.UnixMillis, Step = end.Step };
        return true;
    }

    /// <summary>The page asks, beside the loop: what is drawn stays as it is.</summary>
    private async Task<byte[]> CloserAsync(ChartModel model, double from, double to, CancellationToken ct)
    {
        var parts = new List<(int, IReadOnlyList<ChartDot>)>();
        foreach (var line in _plan.FirstOrDefault(p => p.Title == model.Title)?.Lines ?? [])
        {
            var at = model.Lines.ToList().IndexOf(line.Label);
            var (first, last) = line.Range ?? Range();
            var asked = (From: Whole(Math.Floor(from)), To: Whole(Math.Ceiling(to)));
            if (!ByStep)
            {
                (first, last) = (
                    Math.Max(first, Whole(Math.Floor(from * 1000))),
                    Math.Min(last, Whole(Math.Ceiling(to * 1000)))
                );
            }
            var chart = await reader.ChartAsync(line.Series, first, last, Buckets, ByStep, ct, ByStep ? asked : null);
            if (at >= 0)
            {
                parts.Add((at, [.. chart.Points.Select(p => ChartModel.Dot(p, ByStep))]));
            }
        }
        return ChartBytes.Encode(parts);
    }

    private static long Whole(double x) =>
        x >= long.MaxValue ? long.MaxValue
        : x <= long.MinValue ? long.MinValue
        : (long)x;

    private async Task<IReadOnlyList<ChartDot>> TailAsync(Line line, (long From, long To) range, CancellationToken ct)
    {
        if (line.UnixMillis >= range.To)
        {
            // What came since is another's
            return [];
        }
        var points = await reader.TailAsync(line.Id, line.UnixMillis, line.Step, TailAtOnce, ct);
        if (points.Count == 0)
        {
            return [];
        }
        line.UnixMillis = points[^1].UnixMillis;
        line.Step = points[^1].Step;
        line.Appended += points.Count;
        return
        [
            .. points
                .Where(p => p.UnixMillis >= range.From && p.UnixMillis <= range.To)
                .Select(p => ChartModel.Dot(p, ByStep)),
        ];
    }

    private sealed class Line(long id)
    {
        public long Id => id;
        public long UnixMillis { get; set; }
        public long Step { get; set; }
        public int Appended { get; set; }
    }
}
