using System.Globalization;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using DeepLab.Engine.Tests.Hosts;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using static DeepLab.Engine.Tests.Checkpoints.CheckpointConsole;

namespace DeepLab.Engine.Tests.Checkpoints;

/// <summary>A training of two ranks on a real PyTorch and three real hosts, hit by whatever may hit it, again and again.</summary>
public sealed class CheckpointSoakTests(LabFleet fleet, ITestOutputHelper output)
{
    private const int Period = 100;
    private const int Steps = 8000;
    private const string Program = "data_parallel.py";
    private static readonly int s_rounds = int.Parse(
        Environment.GetEnvironmentVariable("DEEPLAB_TEST_ROUNDS") ?? "4",
        CultureInfo.InvariantCulture
    );
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private readonly List<long> _jobs = [];

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
        using var shared = await SharedFolder.AddAsync(console, Ct);
        var seed = Environment.GetEnvironmentVariable("DEEPLAB_TEST_SEED") is { } given
            ? int.Parse(given, CultureInfo.InvariantCulture)
            : Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var code = await SampleTopologyTests.UploadAsync(console);
        // At least one of each, then as it comes
        for (var round = 1; round <= s_rounds; round++)
        {
            await RoundAsync(console, code, round <= 4 ? (Blow)(round - 1) : (Blow)random.Next(4), random);
        }
    }

    /// <summary>Two ranks on two hosts, in step with each other; rank 0 keeps the checkpoints and writes the curve.</summary>
    private JobSpec Peers(string code) =>
        Specs.Shell("", image: "deeplab/pytorch-cpu:2.6", maxRestarts: 5) with
        {
            Name = "peers",
            Cluster = SwarmCluster.Name,
            Topology = Topology.Peers,
            Code = code,
            Checkpoint = new CheckpointSpec { Volume = SharedFolder.Volume, EverySteps = Period },
            // The first manages the Swarm
            Placement = new PlacementSpec { Mode = PlacementMode.Spread, ExcludeHosts = [fleet.Hosts[0].Name] },
            Preemptible = true,
            Priority = 10,
            Roles =
            [
                new RoleSpec
                {
                    Name = "worker",
                    Replicas = 2,
                    Command = ["python3", Program, "--steps", Steps.ToString(CultureInfo.InvariantCulture)],
                    Resources = new ResourcesSpec
                    {
                        Gpus = 1,
                        Cpus = 0.5,
                        Memory = 512L << 20,
                    },
                },
            ],
        };

    private async Task RoundAsync(ConsoleHarness console, string code, Blow blow, Random random)
    {
        var began = TimeProvider.System.GetTimestamp();
        var id = await console.SubmitAsync(Peers(code), Ct);
        _jobs.Add(id);
        await console.UntilAsync(
            db => db.Checkpoints.AnyAsync(c => c.WorkloadId == id && c.Complete, Ct),
            Patience,
            Ct
        );
        await Task.Delay(random.Next(3_000), Ct);
        var victim = $"worker-{random.Next(2)}";
        await using var db = await console.DbAsync(Ct);
        var first = await db
            .Attempts.AsNoTracking()
            .SingleAsync(a => a.WorkloadId == id && a.Number == 1 && a.ReplicaName == victim, Ct);
        var name = await db.Hosts.Where(h => h.Id == first.HostId).Select(h => h.Name).SingleAsync(Ct);
        await StrikeAsync(console, id, blow, first, fleet.Hosts.Single(h => h.Name == name));
        var job = await console.WaitForEndAsync(id, TimeSpan.FromMinutes(5), Ct);
        Assert.True(
            job.Row.State == WorkloadState.Succeeded,
            $"{blow} on {victim}: {job.Row.State}, {job.Row.Message}"
        );

        var attempts = job.Replicas.Single(r => r.Name == "worker-0").Attempts;
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
        var missing = Enumerable.Range(1, Steps).Where(s => !seen.Contains(s)).ToArray();
        Assert.True(seen.Max == Steps, $"{blow} on {victim}: {string.Join(", ", told)}");
        Assert.True(
            blow == Blow.Cut || missing.Length == 0,
            $"{blow} on {victim}: {string.Join(", ", told)}; {missing.Length} steps are in no curve, from {missing.FirstOrDefault()} to {missing.LastOrDefault()}"
        );
        await SwarmCluster.AtRestAsync(console, fleet, _jobs, Ct);
        output.WriteLine(
            $"{blow} on {victim}: {string.Join(", ", told)}; {TimeProvider.System.GetElapsedTime(began).TotalSeconds:0} s"
        );
    }

    private async Task StrikeAsync(ConsoleHarness console, long id, Blow blow, Attempt first, FleetHost host)
    {
        switch (blow)
        {
            case Blow.Kill:
                await KillAsync(console, first, Program);
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
                _jobs.Add(urgent);
                await console.WaitForEndAsync(urgent, TimeSpan.FromMinutes(4), Ct);
                break;
        }
    }
}
