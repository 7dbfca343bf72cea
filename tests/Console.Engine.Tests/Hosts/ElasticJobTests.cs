using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Checkpoints;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using static DeepLab.Engine.Tests.Checkpoints.CheckpointConsole;

namespace DeepLab.Engine.Tests.Hosts;

/// <summary>A gang over three real engines that is content with two.</summary>
public sealed class ElasticJobTests(LabFleet fleet)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Rank 0 counts on from the newest checkpoint; a gang that has grown again has done what it was for.</summary>
    private const string Program = $$"""
        echo world $WORLD_SIZE rank $RANK from ${DEEPLAB_RESUME_STEP:-0}
        [ $DEEPLAB_ATTEMPT -gt 1 ] && [ $WORLD_SIZE = 3 ] && { sleep 5; exit 0; }
        cd $DEEPLAB_CHECKPOINT_DIR; {{Seal}}; n=${DEEPLAB_RESUME_STEP:-0}
        while :; do sleep 1; [ $RANK = 0 ] && { n=$((n + 1)); seal step-$n.pt; }; done
        """;

    [Fact]
    public async Task It_goes_on_with_two_when_a_host_is_lost_and_with_three_once_it_is_back_and_loses_no_checkpoint()
    {
        await fleet.ReadyAsync(Ct);
        await using var console = await SwarmCluster.StartAsync(
            fleet,
            Ct,
            o => o with { HostGrace = TimeSpan.FromSeconds(3) }
        );
        using var shared = await SharedFolder.AddAsync(console, Ct);
        await RunAsync(console);
    }

    private async Task RunAsync(ConsoleHarness console)
    {
        // Each takes both GPUs of a host
        var spec = Specs.Shell(Program, gpus: 2, replicas: 3, cpus: 0.1, maxRestarts: 1) with
        {
            Cluster = SwarmCluster.Name,
            Checkpoint = new CheckpointSpec { Volume = SharedFolder.Volume, Keep = 100 },
        };
        spec = spec with { Roles = [spec.Roles[0] with { MinReplicas = 2 }] };
        var id = await console.SubmitAsync(spec, Ct);
        await RunningAsync(console, id, 1);
        await console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == id && w.CheckpointStep > 0, Ct),
            Patience,
            Ct
        );
        await using var db = await console.DbAsync(Ct);
        var last = await db
            .Attempts.AsNoTracking()
            .SingleAsync(a => a.WorkloadId == id && a.ReplicaName == "worker-2", Ct);
        Assert.Equal(3, (await WorkloadAsync(console, id)).RoundReplicas);
        var host = fleet.Hosts.Single(h =>
            h.Name == db.Hosts.Where(x => x.Id == last.HostId).Select(x => x.Name).Single()
        );

        await host.CutAsync(Ct);
        try
        {
            await RunningAsync(console, id, 2);
            await console.UntilAsync(
                db => db.Workloads.AnyAsync(w => w.Id == id && w.State == WorkloadState.Running && w.Round == 2, Ct),
                Patience,
                Ct
            );
        }
        finally
        {
            await host.HealAsync(CancellationToken.None);
        }
        var small = await WorkloadAsync(console, id);
        Assert.Equal(2, small.RoundReplicas);

        var job = await console.WaitForEndAsync(id, TimeSpan.FromSeconds(150), Ct);
        Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
        // That it grew is neither a failure nor did it give way to anybody
        Assert.Equal((0, 1, 0), (job.Restarts, job.Interruptions, job.Preemptions));
        var attempts = await db
            .Attempts.AsNoTracking()
            .Where(a => a.WorkloadId == id)
            .OrderBy(a => a.Id)
            .ToListAsync(Ct);
        Assert.Equal([3, 2, 3], attempts.GroupBy(a => a.Round).Select(g => g.Count()));
        Assert.All(attempts.Where(a => a.Round == 2), a => Assert.Equal(Reason.Growing, a.Reason));
        foreach (var a in attempts.Where(a => a.Round == 2))
        {
            await console.UntilLineAsync(a.Id, $"world 2 rank {a.ReplicaName[^1]} from {a.ResumeStep}", Patience, Ct);
        }
        // It was let go right after a checkpoint: nothing of the second round is lost but what came after that
        var kept = await db
            .Attempts.AsNoTracking()
            .SingleAsync(a => a.WorkloadId == id && a.Round == 3 && a.ReplicaName == "worker-0", Ct);
        Assert.True(kept.ResumeStep > attempts.First(a => a.Round == 2).ResumeStep);
        Assert.Contains(
            await EventsAsync(console, id, "yielding"),
            m => m.StartsWith("runs with 2 of 3 replicas, and there is room for 3", StringComparison.Ordinal)
        );
        Assert.Contains(
            await EventsAsync(console, id, "placed"),
            m => m.EndsWith("with 4 GPUs, as 2 of 3 replicas", StringComparison.Ordinal)
        );
        await SwarmCluster.AtRestAsync(console, fleet, [id], Ct);
    }

    private static async Task<Workload> WorkloadAsync(ConsoleHarness console, long id)
    {
        await using var db = await console.DbAsync(Ct);
        return await db.Workloads.AsNoTracking().SingleAsync(w => w.Id == id, Ct);
    }
}
