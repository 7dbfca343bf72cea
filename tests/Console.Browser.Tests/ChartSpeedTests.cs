using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using DeepLab.Core.Metrics;
using DeepLab.Core.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Playwright;
using Npgsql;
using static Microsoft.Playwright.Assertions;

namespace DeepLab.Browser.Tests;

/// <summary>
/// The curves of a long run under a reader's hands: how soon they are painted, and how evenly the browser goes on while they are
/// hovered, zoomed and fed. The figures are printed; what is asserted has room for a machine of two cores that does other work too.
/// </summary>
public sealed class ChartSpeedTests(ConsoleProcess console, Chromium chromium, ITestOutputHelper output)
{
    private const int Lines = 10;
    private const int Points = 100_000;
    private const int Rounds = 5;

    // Milliseconds, several times what a free machine of two cores takes: 300 to paint, 1,000 to the pixel, no long task
    private const double MostGap = 100;
    private const double MostTask = 250;
    private const double MostPainting = 2_000;
    private const double MostToPixel = 4_000;
    private const int FedAtOnce = 50;
    private const int MsBetween = 40;

    /// <summary>
    /// The curve ends now: charts of one job share an axis of time, and what its host measured of it may be beside this one.
    /// </summary>
    private static readonly long s_began = TimeProvider
        .System.GetUtcNow()
        .AddMilliseconds(-MsBetween * (Points + (Rounds * FedAtOnce)))
        .ToUnixTimeMilliseconds();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("By step")]
    [InlineData("By time")]
    public async Task Ten_lines_of_a_hundred_thousand_points_are_painted_hovered_zoomed_and_fed_without_a_stutter(
        string axis
    )
    {
        await using var visit = await chromium.VisitAsync(console);
        var page = visit.Page;
        await visit.SignInAsync();
        await visit.OpenAsync("/");
        var id = await EndedAsync(visit);
        await using var database = NpgsqlDataSource.Create(console.ConnectionString);
        using var writer = new SeriesWriter(
            new PostgresSeriesStore(database),
            TimeProvider.System,
            NullLogger<SeriesWriter>.Instance
        );
        await WriteAsync(writer, id, 0, Points);

        var chart = page.Locator("figure.chart").Filter(new() { HasText = "loss" });
        var painted = new List<double>();
        for (var round = 0; round < Rounds; round++)
        {
            await visit.OpenAsync($"/jobs/{id}");
            await page.EvaluateAsync(
                """
                () => {
                  window.painted = new Promise(done => {
                    let from = 0;
                    document.addEventListener('click', () => { from = performance.now(); }, { capture: true, once: true });
                    const look = () => document.querySelector('figure.chart canvas')
                      ? requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - from)))
                      : requestAnimationFrame(look);
                    look();
                  });
                }
                """
            );
            await page.GetByRole(AriaRole.Tab, new() { Name = "Curves" }).ClickAsync();
            painted.Add(await page.EvaluateAsync<double>("() => window.painted"));
        }
        output.WriteLine($"painted after the click: {Spread(painted)}");
        if (axis != "By step")
        {
            await chart.EvaluateAsync("figure => { figure.id = 'turned'; }");
            await page.GetByRole(AriaRole.Button, new() { Name = axis }).ClickAsync();
            await Expect(page.Locator("#turned")).ToHaveCountAsync(0);
        }
        await Expect(chart.Locator(".chart-legend button")).ToHaveCountAsync(Lines);

        var hovered = await FramesAsync(page, () => HoverAsync(page, chart));
        var zoomed = await FramesAsync(
            page,
            async () =>
            {
                for (var round = 0; round < Rounds; round++)
                {
                    await ZoomAsync(page, chart, 0.1 + (0.15 * round));
                    await HoverAsync(page, chart);
                    await chart.Locator(".u-over").DblClickAsync();
                }
            }
        );
        var toPixel = new List<double>();
        var fed = await FramesAsync(
            page,
            async () =>
            {
                for (var round = 0; round < Rounds; round++)
                {
                    var from = Points + (round * FedAtOnce);
                    await WriteAsync(writer, id, from, from + FedAtOnce);
                    var written = Stopwatch.GetTimestamp();
                    await page.WaitForFunctionAsync(
                        "last => document.querySelector('figure.chart .plot').getAttribute('aria-label').includes(last)",
                        $"worker-0/1 {Shown(from + FedAtOnce - 1)}"
                    );
                    toPixel.Add(Stopwatch.GetElapsedTime(written).TotalMilliseconds);
                }
            }
        );
        await SeesEveryStepAsync(page, chart);
        output.WriteLine($"hovered: {hovered}");
        output.WriteLine($"zoomed and hovered: {zoomed}");
        output.WriteLine($"fed: {fed}");
        output.WriteLine($"a point from the database to the page: {Spread(toPixel)}");
        await visit.ShootAsync($"chart-{axis.Replace(' ', '-').ToLowerInvariant()}");

        Assert.InRange(Median(painted), 0, MostPainting);
        Assert.InRange(Median(toPixel), 0, MostToPixel);
        Assert.All(
            [hovered, zoomed, fed],
            f => Assert.True(f.P97 <= MostGap && f.LongestTask <= MostTask, f.ToString())
        );
        visit.AssertQuiet();
    }

    /// <summary>milliseconds between frames, and of the longest task of the page's thread; 0 where none took 50</summary>
    private sealed record Frames(int Count, double P50, double P97, double Longest, int Tasks, double LongestTask)
    {
        public override string ToString() =>
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Count} frames, between them p50 {P50:0.0}, p97 {P97:0.0}, most {Longest:0.0} ms; {Tasks} tasks above 50 ms, the longest {LongestTask:0} ms"
            );
    }

    private static async Task<Frames> FramesAsync(IPage page, Func<Task> meanwhile)
    {
        await page.EvaluateAsync(
            """
            () => {
              const frames = { gaps: [], tasks: [], ends: false };
              const tasks = new PerformanceObserver(list => frames.tasks.push(...list.getEntries().map(e => e.duration)));
              tasks.observe({ entryTypes: ['longtask'] });
              let last = performance.now();
              const next = now => {
                frames.gaps.push(now - last);
                last = now;
                if (!frames.ends) requestAnimationFrame(next);
                else tasks.disconnect();
              };
              requestAnimationFrame(next);
              window.frames_ = frames;
            }
            """
        );
        await meanwhile();
        var json = await page.EvaluateAsync<JsonElement>(
            "() => { window.frames_.ends = true; return { gaps: window.frames_.gaps.slice(1), tasks: window.frames_.tasks }; }"
        );
        double[] Numbers(string name) =>
            [.. json.GetProperty(name).EnumerateArray().Select(n => n.GetDouble()).Order()];
        var (gaps, tasks) = (Numbers("gaps"), Numbers("tasks"));
        return new Frames(
            gaps.Length,
            gaps[gaps.Length / 2],
            gaps[gaps.Length * 97 / 100],
            gaps[^1],
            tasks.Length,
            tasks.LastOrDefault()
        );
    }

    private static async Task HoverAsync(IPage page, ILocator chart)
    {
        var box = (await chart.Locator(".u-over").BoundingBoxAsync())!;
        await page.Mouse.MoveAsync(box.X + 4, box.Y + (box.Height / 2));
        await page.Mouse.MoveAsync(box.X + box.Width - 4, box.Y + 20, new() { Steps = 60 });
    }

    private static async Task ZoomAsync(IPage page, ILocator chart, double from, double part = 0.2)
    {
        var box = (await chart.Locator(".u-over").BoundingBoxAsync())!;
        var y = box.Y + (box.Height / 2);
        await page.Mouse.MoveAsync((float)(box.X + (box.Width * from)), y);
        await page.Mouse.DownAsync();
        await page.Mouse.MoveAsync((float)(box.X + (box.Width * (from + part))), y, new() { Steps = 20 });
        await page.Mouse.UpAsync();
    }

    /// <summary>A hundredth of the curve has more points than pixels, of which the whole had eight.</summary>
    private static async Task SeesEveryStepAsync(IPage page, ILocator chart)
    {
        var box = (await chart.Locator(".u-over").BoundingBoxAsync())!;
        await ZoomAsync(page, chart, 0.5, 0.01);
        await Expect(chart.Locator(".plot")).ToHaveAttributeAsync("aria-busy", "false");
        var tip = chart.Locator(".chart-tip > div").First;
        var seen = new List<string> { "" };
        for (var x = 60; x < 260; x += 20)
        {
            await page.Mouse.MoveAsync(box.X + x, box.Y + 40);
            // It follows in the next frame, and the fine part of the curve when that has come
            await Expect(tip).Not.ToHaveTextAsync(seen[^1]);
            seen.Add(await tip.InnerTextAsync());
        }
        Assert.Equal(11, seen.Distinct().Count());
    }

    /// <summary>A job that ran and wrote no curve by itself.</summary>
    private static async Task<long> EndedAsync(Visit visit)
    {
        var answer = await visit.CallAsync(
            "POST",
            "jobs",
            new
            {
                name = "long",
                image = "base",
                roles = new[]
                {
                    new
                    {
                        name = "worker",
                        command = new[] { "true" },
                        resources = new { cpus = 0.1 },
                    },
                },
            }
        );
        Assert.True(answer.Ok, await answer.TextAsync());
        var id = (await answer.JsonAsync())!.Value.GetProperty("id").GetInt64();
        var ended = await visit.CallAsync("POST", $"jobs/{id}/wait?timeout=120");
        Assert.Equal("Succeeded", (await ended.JsonAsync())!.Value.GetProperty("state").GetString());
        return id;
    }

    private static async Task WriteAsync(SeriesWriter writer, long job, int from, int to)
    {
        const int AtOnce = 10_000;
        var keys = Enumerable
            .Range(0, Lines)
            .Select(line => new SeriesKey(
                SeriesOwner.Job,
                job.ToString(CultureInfo.InvariantCulture),
                "loss",
                $"worker-{line}/1"
            ))
            .ToArray();
        for (var at = from; at < to; at += AtOnce)
        {
            var points =
                from step in Enumerable.Range(at, Math.Min(AtOnce, to - at))
                from line in Enumerable.Range(0, Lines)
                // No two workers write at the same moment
                select (
                    keys[line],
                    new SeriesPoint(step, s_began + (step * (long)MsBetween) + (line * 3), ValueOf(line, step))
                );
            // Above any attempt that the console itself has
            await writer.WriteCurvesAsync(1_000_000 + job, [.. points], "bench", Ct);
        }
    }

    /// <summary>A loss that falls, with the noise of its batches.</summary>
    private static double ValueOf(int line, int step)
    {
        var noise = ((uint)step * 2_654_435_761u ^ (uint)line * 40_503u) / (double)uint.MaxValue;
        return (2.5 * Math.Exp(-step / 30_000.0)) + (0.05 * line) + (0.2 * noise);
    }

    /// <summary>As the chart writes it.</summary>
    private static string Shown(int step) =>
        ValueOf(0, step).ToString("0.#####", CultureInfo.InvariantCulture) is var text
        && text.StartsWith("0.", StringComparison.Ordinal)
            ? text
            : ValueOf(0, step).ToString("0.###", CultureInfo.InvariantCulture);

    private static double Median(IEnumerable<double> all) => all.Order().ElementAt(all.Count() / 2);

    private static string Spread(IReadOnlyCollection<double> all) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"least {all.Min():0}, p50 {Median(all):0}, most {all.Max():0} ms of {all.Count}"
        );
}
