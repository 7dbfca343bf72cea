using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using DeepLab.Engine.Tests.Hosts;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using static DeepLab.Engine.Tests.Checkpoints.CheckpointConsole;

namespace DeepLab.Engine.Tests.Checkpoints;

/// <summary>Checkpoints on a file system that several hosts have, and on one that they do not.</summary>
public sealed class SharedVolumeTests(LabFleet fleet)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_job_whose_host_is_cut_off_goes_on_elsewhere_where_its_volume_reaches_and_says_so_where_not()
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
        const string Program =
            $"cd $DEEPLAB_CHECKPOINT_DIR; {Seal}; first=${{DEEPLAB_RESUME_STEP:-0}}; n=$first; while :; do sleep 0.3; n=$((n + 1)); seal step-$n.pt; [ $DEEPLAB_ATTEMPT = 2 ] && [ $n -gt $((first + 3)) ] && exit 0; done";
        // Not the Swarm's manager, which is the first
        var elsewhere = new PlacementSpec { ExcludeHosts = [fleet.Hosts[0].Name] };
        JobSpec Spec(string? volume) =>
            Specs.Shell(Program, cpus: 0.1, maxRestarts: 1) with
            {
                Cluster = SwarmCluster.Name,
                Placement = elsewhere,
                Checkpoint = new CheckpointSpec { Volume = volume, Keep = 50 },
            };
        var shared = await console.SubmitAsync(Spec(SharedFolder.Volume), Ct);
        var first = await RunningAsync(console, shared, 1);
        var alone = await console.SubmitAsync(Spec(null), Ct);
        Assert.Equal(first.HostId, (await RunningAsync(console, alone, 1)).HostId);
        foreach (var id in new[] { shared, alone })
        {
            await console.UntilAsync(
                db => db.Workloads.AnyAsync(w => w.Id == id && w.CheckpointStep > 0, Ct),
                Patience,
                Ct
            );
        }
        await using var db = await console.DbAsync(Ct);
        var name = await db.Hosts.Where(h => h.Id == first.HostId).Select(h => h.Name).SingleAsync(Ct);
        var host = fleet.Hosts.Single(h => h.Name == name);
        var kept = (await db.Workloads.AsNoTracking().SingleAsync(w => w.Id == shared, Ct)).CheckpointStep;

        await host.CutAsync(Ct);
        try
        {
            foreach (var id in new[] { shared, alone })
            {
                var job = await console.WaitForEndAsync(id, Patience, Ct);
                Assert.Equal((WorkloadState.Succeeded, 1), (job.Row.State, job.Interruptions));
            }
        }
        finally
        {
            await host.HealAsync(CancellationToken.None);
        }
        var second = await db.Attempts.AsNoTracking().SingleAsync(a => a.WorkloadId == shared && a.Number == 2, Ct);
        Assert.NotEqual(first.HostId, second.HostId);
        // What the cut host wrote unseen is there as well
        Assert.True(second.ResumeStep >= kept, $"step {second.ResumeStep} is before {kept}");
        var begun = await db.Attempts.AsNoTracking().SingleAsync(a => a.WorkloadId == alone && a.Number == 2, Ct);
        Assert.Null(begun.ResumeFrom);
        Assert.Contains("does not reach", Assert.Single(await EventsAsync(console, alone, "resume-lost")));
        await SwarmCluster.AtRestAsync(console, fleet, [shared, alone], Ct);
    }
}
