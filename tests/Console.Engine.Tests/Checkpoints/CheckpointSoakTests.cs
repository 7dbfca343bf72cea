using System.Globalization;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using DeepLab.Engine.Tests.Hosts;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using static DeepLab.Engine.Tests.Checkpoints.CheckpointConsole;

namespace DeepLab.Engine.Tests.Checkpoints;

/// <summary>A training on a real PyTorch and three real hosts, hit by whatever may hit it, again and again.</summary>
public sealed class CheckpointSoakTests(LabFleet fleet, ITestOutputHelper output)
{
    private const int Period = 10;
    private const int Epochs = 30;
    private static readonly int s_rounds = int.Parse(
        Environment.GetEnvironmentVariable("DEEPLAB_TEST_ROUNDS") ?? "3",
        CultureInfo.InvariantCulture
    );
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private enum Blow
    {
        Kill,
        Cut,
        EngineRestart,
        Preemption,
    }

    [Fact(Explicit = true)]
    public async Task Only_in_a_soak_as_a_round_takes_minutes_no_blow_costs_a_training_more_than_a_period()
    {
        await fleet.ReadyAsync(Ct);
        await Task.WhenAll(fleet.Hosts.Select(h => h.LoadAsync("pytorch-cpu")));
        await using var console = await SwarmCluster.StartAsync(
            fleet,
            Ct,
            o => o with { HostGrace = TimeSpan.FromSeconds(5) }
        );
        var folder = Directory.CreateTempSubdirectory("deeplab-checkpoints-");
        File.SetUnixFileMode(folder.FullName, (UnixFileMode)0b111_111_111);
        try
        {
            Assert.IsType<Outcome<string>.Done>(
                await console
                    .Services.GetRequiredService<VolumeVerbs>()
                    .CreateAsync(ConsoleHarness.Admin, new VolumeInput("kept", folder.FullName), Ct)
            );
            var seed = Environment.GetEnvironmentVariable("DEEPLAB_TEST_SEED") is { } given
                ? int.Parse(given, CultureInfo.InvariantCulture)
                : Environment.TickCount;
            output.WriteLine($"seed {seed}");
            var random = new Random(seed);
            for (var round = 1; round <= s_rounds; round++)
            {
                await RoundAsync(console, (Blow)(round % 4), random);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private async Task RoundAsync(ConsoleHarness console, Blow blow, Random random)
    {
        var began = TimeProvider.System.GetTimestamp();
        var digits = Digits(Epochs, Period, maxRestarts: 5);
        var id = await console.SubmitAsync(
            digits with
            {
                Cluster = SwarmCluster.Name,
                Checkpoint = digits.Checkpoint! with { Volume = "kept" },
                // The first manages the Swarm
                Placement = new PlacementSpec { ExcludeHosts = [fleet.Hosts[0].Name] },
                Preemptible = true,
                Priority = 10,
                Roles = [digits.Roles[0] with { Resources = digits.Roles[0].Resources with { Gpus = 2 } }],
            },
            Ct
        );
        var first = await RunningAsync(console, id, 1);
        await LineAsync(console, first.Id, "epoch   1/");
        await Task.Delay(random.Next(5_000), Ct);
        await using var db = await console.DbAsync(Ct);
        var name = await db.Hosts.Where(h => h.Id == first.HostId).Select(h => h.Name).SingleAsync(Ct);
        await StrikeAsync(console, id, blow, first, fleet.Hosts.Single(h => h.Name == name));
        var job = await console.WaitForEndAsync(id, TimeSpan.FromMinutes(5), Ct);
        Assert.Equal(WorkloadState.Succeeded, job.Row.State);

        var attempts = Assert.Single(job.Replicas).Attempts;
        var told = new List<string>();
        var seen = new SortedSet<long>();
        foreach (var attempt in attempts)
        {
            var steps = await StepsAsync(console, id, attempt.Number);
            if (attempt.ResumeStep is { } from && seen.Count > 0)
            {
                // A cut host wrote on unseen: then the resumed run begins later than what was read of it
                Assert.True(seen.Max - from <= Period, $"{blow}: back from {seen.Max} to {from}");
            }
            seen.UnionWith(steps);
            told.Add($"{attempt.Number} from {attempt.ResumeStep ?? 0} to {steps.LastOrDefault()} ({attempt.Reason})");
        }
        Assert.True(attempts.Count > 1, $"{blow} was not felt");
        Assert.Equal(Epochs * 44, seen.Max);
        if (blow != Blow.Cut)
        {
            Assert.Equal(Epochs * 44, seen.Count);
        }
        await SwarmCluster.AtRestAsync(console, fleet, [id], Ct);
        output.WriteLine(
            $"{blow}: {string.Join(", ", told)}; {TimeProvider.System.GetElapsedTime(began).TotalSeconds:0} s"
        );
    }

    private async Task StrikeAsync(ConsoleHarness console, long id, Blow blow, Attempt first, FleetHost host)
    {
        switch (blow)
        {
            case Blow.Kill:
                await KillAsync(console, first);
                break;
            case Blow.Cut:
                await host.CutAsync(Ct);
                try
                {
                    await RunningAsync(console, id, 2);
                }
                finally
                {
                    await host.HealAsync(CancellationToken.None);
                }
                break;
            case Blow.EngineRestart:
                await host.StopAsync(Ct);
                await host.StartAsync(CancellationToken.None);
                break;
            default:
                var urgent = await console.SubmitAsync(
                    Specs.Shell("true", gpus: 2) with
                    {
                        Cluster = SwarmCluster.Name,
                        Priority = 90,
                        Placement = new PlacementSpec { OnlyHosts = [host.Name] },
                    },
                    Ct
                );
                await console.WaitForEndAsync(urgent, TimeSpan.FromMinutes(4), Ct);
                break;
        }
    }
}
