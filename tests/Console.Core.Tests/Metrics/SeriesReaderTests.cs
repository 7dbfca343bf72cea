using System.Diagnostics;
using DeepLab.Core.Metrics;
using Microsoft.Extensions.Logging.Abstractions;

namespace DeepLab.Core.Tests.Metrics;

public sealed class SeriesReaderTests
{
    private const long T0 = 1_795_460_400_000;
    private static readonly SeriesKey Loss = new(SeriesOwner.Job, "7", "loss", "worker-0/1");
    private static readonly SeriesKey Host = new(SeriesOwner.Host, "h", SeriesNames.Cpu);
    private readonly MemorySeriesStore _store = new();
    private readonly SeriesReader _reader;

    public SeriesReaderTests() => _reader = new SeriesReader(_store);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_short_curve_is_drawn_point_by_point_in_order_of_steps()
    {
        var series = await WriteAsync(Loss, [new(3, T0, 3), new(1, T0 + 1, 1), new(2, T0 + 2, double.NaN)]);
        var chart = await _reader.ChartAsync(series, 0, long.MaxValue, 500, byStep: true, Ct);
        Assert.Equal([1L, 2, 3], chart.Points.Select(p => p.Step));
        Assert.Equal(3, chart.TotalPoints);
        chart = await _reader.ChartAsync(series, T0 + 1, T0 + 2, 500, byStep: false, Ct);
        Assert.Equal([T0 + 1, T0 + 2], chart.Points.Select(p => p.UnixMillis));
        Assert.Empty((await _reader.ChartAsync(series, T0 + 5, T0 + 9, 500, byStep: false, Ct)).Points);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Buckets_hold_least_mean_and_greatest_of_all_their_points(bool byStep)
    {
        var random = new Random(1);
        var points = Enumerable
            .Range(0, 10_000)
            .Select(i => new SeriesPoint(i * 2, T0 + i * 7, random.NextDouble()))
            .ToArray();
        var series = await WriteAsync(Loss, points);
        var chart = await _reader.ChartAsync(series, 0, long.MaxValue, 500, byStep, Ct);
        Assert.InRange(chart.Points.Count, 400, 500);
        Assert.Equal((points[^1].Step, points[^1].UnixMillis), (chart.Points[^1].Step, chart.Points[^1].UnixMillis));
        var from = 0;
        foreach (var bucket in chart.Points)
        {
            var to = Array.FindIndex(points, p => p.Step == bucket.Step) + 1;
            var inside = points[from..to].Select(p => p.Value).ToArray();
            Assert.Equal((inside.Min(), inside.Max()), (bucket.Min, bucket.Max));
            Assert.Equal(inside.Average(), bucket.Mean, 1e-9);
            from = to;
        }
        Assert.Equal(points.Length, from);
    }

    [Fact]
    public async Task Groups_stand_for_points_only_where_points_are_many()
    {
        // A minute of a point a millisecond, then a point a minute: a bucket of the chart is wider than a group of the first
        var dense = Enumerable.Range(0, 60_000).Select(i => new SeriesPoint(i, T0 + i, i % 100));
        var sparse = Enumerable
            .Range(1, 2_000)
            .Select(i => new SeriesPoint(60_000 + i, T0 + i * 60_000L, i == 700 ? 500 : 7));
        var series = await WriteAsync(Loss, [.. dense, .. sparse]);
        var chart = await _reader.ChartAsync(series, 0, long.MaxValue, 1_000, byStep: false, Ct);
        Assert.InRange(chart.Points.Count, 980, 1_000);
        Assert.Equal((0.0, 99.0), (chart.Points[0].Min, chart.Points[0].Max));
        Assert.Equal(49.5, chart.Points[0].Mean, 0.1);
        var peak = Assert.Single(chart.Points, p => p.Max == 500);
        Assert.InRange(peak.UnixMillis, T0 + 699 * 60_000L, T0 + 702 * 60_000L);
        // By step, and zoomed: what a part shows is what its points say
        chart = await _reader.ChartAsync(series, T0 + 5_000, T0 + 24_999, 100, byStep: true, Ct);
        Assert.Equal(100, chart.Points.Count);
        Assert.Equal((24_999L, T0 + 24_999), (chart.Points[^1].Step, chart.Points[^1].UnixMillis));
        Assert.Equal(49.5, chart.Points.Average(p => p.Mean), 0.1);
        var bySteps = await _reader.ChartAsync(series, 0, long.MaxValue, 100, byStep: true, Ct, (5_000, 24_999));
        Assert.Equal(chart.Points, bySteps.Points);
        chart = await _reader.ChartAsync(series, 0, long.MaxValue, 1_000, byStep: true, Ct, (59_990, 60_009));
        Assert.Equal(
            Enumerable.Range(59_990, 20).Select(s => (long)s).Except([60_000L]),
            chart.Points.Select(p => p.Step)
        );
    }

    [Fact]
    public async Task Of_a_curve_whose_steps_go_back_a_part_is_found_wherever_it_lies()
    {
        var again = Enumerable.Range(0, 20_000).Select(i => new SeriesPoint(i % 1_500, T0 + i, i / 1_500));
        var series = await WriteAsync(Loss, [.. again]);
        var chart = await _reader.ChartAsync(series, 0, long.MaxValue, 1_000, byStep: true, Ct, (100, 100));
        Assert.Equal(Enumerable.Range(0, 14).Select(r => (double)r), chart.Points.Select(p => p.Mean));
    }

    [Fact]
    public void Values_that_are_no_numbers_and_steps_that_go_back_have_no_groups()
    {
        Assert.NotNull(SeriesGroups.Pack([new(1, T0, 1), new(1, T0 + 1, 2)]));
        Assert.Null(SeriesGroups.Pack([new(1, T0, 1), new(2, T0 + 1, double.NaN)]));
        Assert.Null(SeriesGroups.Pack([new(1, T0, double.MaxValue), new(2, T0 + 1, double.MaxValue)]));
        Assert.Null(SeriesGroups.Pack([new(2, T0, 1), new(1, T0 + 1, 2)]));
    }

    [Fact]
    public async Task Steps_at_the_ends_of_the_numbers_are_drawn()
    {
        var series = await WriteAsync(
            Loss,
            [new(long.MinValue, T0, 1), new(0, T0 + 1, 2), new(long.MaxValue, T0 + 2, 3)]
        );
        var chart = await _reader.ChartAsync(series, 0, long.MaxValue, 2, byStep: true, Ct);
        Assert.Equal([1.0, 2.5], chart.Points.Select(p => p.Mean));
    }

    [Fact]
    public async Task A_week_of_a_machine_takes_few_blocks_and_loses_no_peak()
    {
        var points = Enumerable
            .Range(0, 7 * 24 * 3_600)
            .Select(i => new SeriesPoint(0, T0 + i * 1_000L, i == 123_456 ? 99 : 1));
        var series = await WriteAsync(Host, [.. points]);
        foreach (var (seconds, most) in new[] { (600L, 2), (12 * 3_600L, 50), (3 * 86_400L, 50), (8 * 86_400L, 50) })
        {
            var fresh = new SeriesReader(_store);
            var to = series.Last!.Value.UnixMillis;
            var before = _store.MostRead;
            var chart = await fresh.ChartAsync(series, to - seconds * 1_000, to, 300, byStep: false, Ct);
            Assert.InRange(chart.Points.Count, 200, 300);
            Assert.Equal(to, chart.Points[^1].UnixMillis);
            Assert.InRange(_store.MostRead, before, Math.Max(before, most));
            Assert.Equal(seconds > 7 * 86_400 ? 99 : 1, chart.Points.Max(p => p.Max));
        }
    }

    [Fact]
    public async Task Where_raw_points_are_gone_roll_ups_are_drawn()
    {
        var points = Enumerable.Range(0, 20_000).Select(i => new SeriesPoint(0, T0 + i * 1_000L, i));
        await WriteAsync(Host, [.. points]);
        _store.Drop(Host, 0, T0 + 15_000_000);
        _store.Drop(Host, 10, T0 + 11_000_000);
        var series = Assert.Single(await _reader.ListAsync(SeriesOwner.Host, "h", Ct));
        var chart = await _reader.ChartAsync(series, 0, long.MaxValue, 100_000, byStep: false, Ct);
        Assert.Equal((T0, 0.0, 299.0), (chart.Points[0].UnixMillis, chart.Points[0].Min, chart.Points[0].Max));
        Assert.Equal(chart.Points.Select(p => p.UnixMillis).Distinct().Order(), chart.Points.Select(p => p.UnixMillis));
        Assert.Equal(
            [300_000L, 10_000, 1_000],
            chart
                .Points.Zip(chart.Points.Skip(1), (a, b) => b.UnixMillis - a.UnixMillis)
                .Distinct()
                .Where(d => d is 300_000 or 10_000 or 1_000)
        );
        // No hole wider than the coarsest bucket
        Assert.True(
            chart.Points.Zip(chart.Points.Skip(1)).All(p => p.Second.UnixMillis - p.First.UnixMillis <= 600_000)
        );
    }

    [Fact]
    public async Task A_tail_goes_on_behind_a_position()
    {
        var points = Enumerable.Range(0, 3_000).Select(i => new SeriesPoint(i, T0 + i / 4, i)).ToArray();
        var series = await WriteAsync(Loss, points);
        var read = new List<SeriesPoint>();
        var (millis, step) = (0L, -1L);
        while (await _reader.TailAsync(series.Id, millis, step, 700, Ct) is { Count: > 0 } more)
        {
            read.AddRange(more);
            (millis, step) = (more[^1].UnixMillis, more[^1].Step);
        }
        Assert.Equal(Enumerable.Range(0, 3_000), read.Select(p => (int)p.Value));
    }

    [Fact]
    public async Task A_million_points_are_drawn_quickly()
    {
        var random = new Random(1);
        var series = await WriteAsync(
            Loss,
            [
                .. Enumerable
                    .Range(0, 1_000_000)
                    .Select(i => new SeriesPoint(i, T0 + i * 20L, (float)random.NextDouble())),
            ]
        );
        var watch = Stopwatch.StartNew();
        var chart = await _reader.ChartAsync(series, 0, long.MaxValue, 1_000, byStep: true, Ct);
        TestContext.Current.SendDiagnosticMessage("1,000,000 points drawn in {0} ms", watch.ElapsedMilliseconds);
        Assert.Equal(1_000, chart.Points.Count);
    }

    private async Task<SeriesInfo> WriteAsync(SeriesKey key, SeriesPoint[] points)
    {
        using var writer = new SeriesWriter(
            _store,
            new SeriesWriterTests.ManualTime(),
            NullLogger<SeriesWriter>.Instance
        );
        foreach (var part in points.Chunk(100_000))
        {
            foreach (var point in part)
            {
                writer.Add(key, point);
            }
            await writer.FlushAsync(Ct);
        }
        return Assert.Single(await _reader.ListAsync(key.Owner, key.OwnerId, Ct));
    }
}
