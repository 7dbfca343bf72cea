using System.Globalization;
using System.Text.RegularExpressions;
using DeepLab.Core.Metrics;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Checkpoints;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using static DeepLab.Engine.Tests.Checkpoints.CheckpointConsole;

namespace DeepLab.Engine.Tests.Jobs;

/// <summary>The second framework: the sample of TorchSharp, as users submit it.</summary>
[Collection(CheckpointConsole.Collection)]
public sealed class TorchSharpTests(CheckpointConsole shared, ITestOutputHelper output)
{
    private const double LeastAccuracy = 0.93;
    private const int Period = 100;
    private const int Steps = 880;
    private static readonly string s_sample = Path.Combine(
        Path.GetDirectoryName(Environment.GetEnvironmentVariable("DEEPLAB_TEST_LAB"))!,
        "../../samples/digits-torchsharp/job.json"
    );
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact(Explicit = true)]
    public async Task Only_in_a_soak_as_its_image_is_large_a_training_in_CSharp_that_is_killed_goes_on_and_learns()
    {
        await Shell.LoadImageAsync("torchsharp", ConsoleHarness.Engine, Ct);
        var console = shared.Console;
        var reading = SpecReader.Read(await File.ReadAllTextAsync(s_sample, Ct));
        Assert.Empty(reading.Errors);
        var began = TimeProvider.System.GetTimestamp();
        var id = await console.SubmitAsync(reading.Spec!, Ct);

        // Past its first checkpoint
        var first = await RunningAsync(console, id, 1);
        await LineAsync(console, first.Id, "epoch   4/");
        await KillAsync(console, first, "train.dll");
        var second = await RunningAsync(console, id, 2);
        Assert.NotNull(second.ResumeStep);
        Assert.Equal(0, second.ResumeStep % Period);
        Assert.Equal(
            $"resumed from /checkpoints/step-{second.ResumeStep:D6}.zip at step {second.ResumeStep}",
            await LineAsync(console, second.Id, "resumed from")
        );
        var job = await console.WaitForEndAsync(id, TimeSpan.FromMinutes(4), Ct);
        Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
        Assert.Equal(1, job.Restarts);
        var done = await LineAsync(console, second.Id, "done:");
        output.WriteLine($"{done}; {TimeProvider.System.GetElapsedTime(began).TotalSeconds:F1} s");
        var told = double.Parse(Regex.Match(done, "accuracy ([0-9.]+)").Groups[1].Value, CultureInfo.InvariantCulture);
        Assert.InRange(told, LeastAccuracy, 1);

        // Its event files, as the console read them: no step is missing, and the curve ends where the program says
        var steps = (await StepsAsync(console, id, 1)).Concat(await StepsAsync(console, id, 2));
        Assert.Equal(Enumerable.Range(1, Steps).Select(s => (long)s), steps.Distinct().Order());
        var reader = console.Services.GetRequiredService<SeriesReader>();
        var accuracy = Assert.Single(
            await reader.ListAsync(SeriesOwner.Job, id.ToString(CultureInfo.InvariantCulture), Ct),
            s => s.Key is { Name: "test/accuracy", Source: "worker-0/2" }
        );
        var last = (await reader.TailAsync(accuracy.Id, 0, -1, Steps, Ct))[^1];
        Assert.Equal(Steps, last.Step);
        Assert.Equal(told, last.Value, tolerance: 1e-4);

        await using var db = await console.DbAsync(Ct);
        var kept = await db.Checkpoints.AsNoTracking().Where(c => c.WorkloadId == id).ToListAsync(Ct);
        Assert.Contains(
            kept,
            c => c is { Step: Steps, Complete: true, Attempt: 2, Layout: CheckpointLayout.Pattern, Bytes: > 1_000_000 }
        );
    }
}
