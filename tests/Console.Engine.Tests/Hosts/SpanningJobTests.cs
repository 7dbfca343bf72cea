using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Hosts;

/// <summary>Jobs over three real engines in a Swarm.</summary>
public sealed class SpanningJobTests(LabFleet fleet)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>
    /// Every replica finds every other by name; the first try goes on until it is ended, the second ends a while after, since
    /// the name of a replica that has ended is gone for those that still look for it.
    /// </summary>
    private const string Meet =
        "for w in worker-0 worker-1 worker-2; do until getent hosts $w; do sleep 0.2; done; done; echo all are here; [ $DEEPLAB_ATTEMPT = 2 ] && exec sleep 10; exec sleep 600";

    [Fact]
    public async Task A_gang_over_three_hosts_survives_the_loss_of_one_and_no_gpu_is_held_twice()
    {
        await fleet.ReadyAsync(Ct);
        await using var console = await ConsoleHarness.StartAsync(
            Ct,
            o => o with { HostGrace = TimeSpan.FromSeconds(3) }
        );
        await SwarmCluster.AddAsync(console, fleet, Ct);
        await SwarmCluster.OpenAsync(console, s_patience, Ct);
        var spec = Specs.Shell(Meet, gpus: 1, replicas: 3, maxRestarts: 1) with
        {
            Cluster = SwarmCluster.Name,
            Placement = new PlacementSpec { Mode = PlacementMode.Spread },
        };
        var id = await console.SubmitAsync(spec, Ct);
        await console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == id && w.State == WorkloadState.Running, Ct),
            s_patience,
            Ct
        );
        var job = (await Jobs(console).FindAsync(ConsoleHarness.Admin, id, Ct))!;
        Assert.Equal(fleet.Hosts.Select(h => h.Name).Order(), job.Row.Host!.Split(", ").Order());
        foreach (var replica in job.Replicas)
        {
            await console.UntilLineAsync(replica.Attempts[0].Id, "all are here", s_patience, Ct);
        }

        var lost = fleet.Hosts[2];
        await lost.CutAsync(Ct);
        try
        {
            job = await console.WaitForEndAsync(id, TimeSpan.FromSeconds(120), Ct);
        }
        catch
        {
            await lost.HealAsync(CancellationToken.None);
            throw;
        }
        Assert.Equal(WorkloadState.Succeeded, job.Row.State);
        Assert.Equal((0, 1), (job.Restarts, job.Interruptions));
        Assert.All(job.Replicas, r => Assert.DoesNotContain(r.Attempts[1].Host, lost.Name));
        await using (var db = await console.DbAsync(Ct))
        {
            // Nobody has seen that container dead yet
            var held = Assert.Single(await db.Leases.Where(l => l.ReleasedAt == null).ToListAsync(Ct));
            Assert.Equal(lost.Name, await db.Hosts.Where(h => h.Id == held.HostId).Select(h => h.Name).SingleAsync(Ct));
        }

        await lost.HealAsync(Ct);
        await console.UntilAsync(db => db.Attempts.AllAsync(a => a.ContainerRemoved, Ct), s_patience, Ct);
        await using (var db = await console.DbAsync(Ct))
        {
            var leases = await db.Leases.AsNoTracking().OrderBy(l => l.LeasedAt).ToListAsync(Ct);
            Assert.Equal(6, leases.Count);
            Assert.All(
                leases.GroupBy(l => l.GpuUuid),
                of => Assert.All(of.Zip(of.Skip(1)), pair => Assert.True(pair.First.ReleasedAt <= pair.Second.LeasedAt))
            );
        }
        // Both rounds' networks are gone from the Swarm, and their rows with them
        await console.UntilAsync(async db => !await db.Networks.AnyAsync(Ct), s_patience, Ct);
        var manager = console.Services.GetRequiredService<IEngineFactory>().Get(fleet.Hosts[0].Socket);
        Assert.Empty(await manager.NetworksAsync(console.Services.GetRequiredService<InstallationId>().Value, Ct));
    }

    private static JobQueries Jobs(ConsoleHarness console) => console.Services.GetRequiredService<JobQueries>();
}
