using DeepLab.Core;
using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Metrics;

/// <summary>Curves of a real program, written by the package of the images, through a real engine into PostgreSQL.</summary>
public sealed class EventFileTests
{
    private const string Program = """
        import os, time, deeplab
        curves = deeplab.SummaryWriter(flush_secs=0.2)
        evaluation = deeplab.SummaryWriter(os.path.join(os.environ["DEEPLAB_LOG_DIR"], "eval"), flush_secs=0.2)
        curves.add_text("note", "hello **world**", 3)
        for step in range(20):
            curves.add_histogram("weights", [step, step + 1, step + 1], step)
        for step in range(5000):
            if step == 2500:
                curves.flush()
                while not os.path.exists("/tmp/go-on"):
                    time.sleep(0.05)
            curves.add_scalar("loss", step / 8, step)
            if step % 10 == 0:
                evaluation.add_scalar("accuracy", step, step)
        """;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Curves_are_read_while_the_program_runs_and_whole_at_its_end()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var store = console.Services.GetRequiredService<ISeriesStore>();
        var reader = console.Services.GetRequiredService<SeriesReader>();
        var spec = Specs.Shell($"python3 - <<'END'\n{Program}\nEND", image: "deeplab/pytorch-cpu:2.6");
        var id = await console.SubmitAsync(spec, Ct);

        // The program waits in the middle: what is seen now was read while it runs
        await console.UntilAsync(
            async _ =>
                (await store.ListAsync(SeriesOwner.Job, $"{id}", Ct)).Any(s => s is { Key.Name: "loss", Points: 2500 }),
            TimeSpan.FromSeconds(60),
            Ct
        );
        var engine = console.Services.GetRequiredService<IEngineFactory>().Get(ConsoleHarness.Engine);
        var install = console.Services.GetRequiredService<InstallationId>();
        var container = Assert.Single(
            await engine.ListAsync(install.Value, Ct),
            c => c.Labels.GetValueOrDefault(Labels.Workload) == $"{id}"
        );
        await engine.ExecAsync(container.Id, ["touch", "/tmp/go-on"], _ => ValueTask.CompletedTask, Ct);
        await console.WaitForEndAsync(id, Ct);
        // What is left is read between the end and the removal of the container
        await console.UntilAsync(db => db.Attempts.AllAsync(a => a.LogArchived, Ct), TimeSpan.FromSeconds(30), Ct);

        var series = await reader.ListAsync(SeriesOwner.Job, $"{id}", Ct);
        Assert.Equal(
            [("accuracy", "worker-0/1/eval"), ("loss", "worker-0/1")],
            series.Select(s => (s.Key.Name, s.Key.Source))
        );
        var loss = await reader.TailAsync(series[1].Id, 0, -1, 10_000, Ct);
        Assert.Equal(Enumerable.Range(0, 5_000).Select(i => (i, i / 8.0)), loss.Select(p => ((int)p.Step, p.Value)));
        var accuracy = await reader.TailAsync(series[0].Id, 0, -1, 10_000, Ct);
        Assert.Equal(Enumerable.Range(0, 500).Select(i => i * 10L), accuracy.Select(p => p.Step));
        var media = console.Services.GetRequiredService<IMediaStore>();
        Assert.Equal(
            [
                (MediaKind.Histogram, "weights", "worker-0/1", 20),
                (MediaKind.Text, "note/text_summary", "worker-0/1", 1),
            ],
            (await media.ListAsync(id, Ct)).Select(m => (m.Kind, m.Tag, m.Source, m.Steps.Count))
        );
        var histogram = await media.ReadAsync(id, MediaKind.Histogram, "weights", "worker-0/1", 19, Ct);
        var (least, greatest, count, _) = EventHistogram.Unpack(Assert.Single(histogram).Data);
        Assert.Equal((19.0, 20.0, 3.0), (least, greatest, count));
        var chart = await reader.ChartAsync(series[1], 0, long.MaxValue, 500, byStep: true, Ct);
        Assert.Equal((500, 0.0, 4_999 / 8.0), (chart.Points.Count, chart.Points[0].Min, chart.Points[^1].Max));
    }

    [Fact]
    public async Task Metrics_of_log_lines_become_curves_where_the_job_asks_for_them()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var reader = console.Services.GetRequiredService<SeriesReader>();
        const string Lines =
            "for i in $(seq 1 300); do echo \"step=$i loss=0.$i\"; echo \"Iteration $i took 5 ms\"; done";
        var spec = Specs.Shell(Lines) with
        {
            Metrics = new MetricsSpec
            {
                Patterns = [LogPatterns.NameAndValue, @"^Iteration (?<step>\d+) took (?<took>\d+) ms"],
            },
        };
        var id = await console.SubmitAsync(spec, Ct);
        var plain = await console.SubmitAsync(Specs.Shell(Lines), Ct);
        await console.WaitForEndAsync(id, Ct);
        await console.WaitForEndAsync(plain, Ct);
        await console.UntilAsync(db => db.Attempts.AllAsync(a => a.LogArchived, Ct), TimeSpan.FromSeconds(30), Ct);

        var series = await reader.ListAsync(SeriesOwner.Job, $"{id}", Ct);
        Assert.Equal(
            [("loss", "worker-0/1/log"), ("took", "worker-0/1/log")],
            series.Select(s => (s.Key.Name, s.Key.Source))
        );
        var loss = await reader.TailAsync(series[0].Id, 0, -1, 1_000, Ct);
        Assert.Equal(Enumerable.Range(1, 300).Select(i => (long)i), loss.Select(p => p.Step).Order());
        Assert.All(
            loss,
            p => Assert.Equal(double.Parse($"0.{p.Step}", System.Globalization.CultureInfo.InvariantCulture), p.Value)
        );
        Assert.Equal((300L, 5.0), (series[1].Points, series[1].Last!.Value.Value));
        Assert.Empty(await reader.ListAsync(SeriesOwner.Job, $"{plain}", Ct));
    }

    [Fact]
    public async Task Images_and_hyper_parameters_of_a_program_are_kept_and_bounded()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var media = console.Services.GetRequiredService<IMediaStore>();
        byte[] picture = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, .. new byte[1_000_000]];
        for (var step = 0; step < 120; step++)
        {
            MediaItem[] pictures =
            [
                new(MediaKind.Image, "digit", "worker-0/1", step, step, picture),
                new(MediaKind.Image, "other", "worker-0/1", step, step, picture),
            ];
            await media.WriteAsync(
                900_002,
                [
                    new MediaItem(MediaKind.Histogram, "w", "worker-0/1", step * 10, step, [1, 2, 3]),
                    new MediaItem(MediaKind.Text, "note", "worker-0/1", step, step, [(byte)'a']),
                    new MediaItem(MediaKind.Parameters, "hparams", "worker-0/1", 0, step, [(byte)'{', (byte)'}']),
                    .. step < 40 ? pictures : [],
                ],
                Ct
            );
        }
        var kept = await media.ListAsync(900_002, Ct);
        Assert.Equal(["w", "digit", "other", "note", "hparams"], kept.Select(k => k.Tag));
        Assert.InRange(
            kept.Where(k => k.Kind == MediaKind.Image).Sum(k => k.Bytes),
            16L << 20,
            RunMedia.MostImageBytes
        );
        Assert.All(kept.Where(k => k.Kind == MediaKind.Image), k => Assert.Equal(39, k.Steps[^1]));
        Assert.Equal((120, 119L, 1), (kept[0].Steps.Count, kept[3].Steps[^1], kept[4].Steps.Count));
        Assert.InRange(kept[3].Steps.Count, RunMedia.MostOthers / 2, RunMedia.MostOthers);
        Assert.Equal(
            picture,
            Assert.Single(await media.ReadAsync(900_002, MediaKind.Image, "digit", "worker-0/1", 39, Ct)).Data
        );
    }
}
