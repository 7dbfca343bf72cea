using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Checkpoints;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Engine.Tests.Hosts;

/// <summary>A replica whose scope is itself, and whose host is lost while the others run on.</summary>
public sealed class LostReplicaTests(LabFleet fleet)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_starts_on_another_host_and_the_others_notice_nothing()
    {
        const string Task = """
            [ $DEEPLAB_ATTEMPT -gt 1 ] && exit 0
            until [ -e /tmp/go ]; do sleep 0.1; done
            """;
        await fleet.ReadyAsync(Ct);
        await using var console = await SwarmCluster.StartAsync(
            fleet,
            Ct,
            o => o with { HostGrace = TimeSpan.FromSeconds(3) }
        );
        var spec = Specs.Shell(Task, gpus: 1, replicas: 3, cpus: 0.1, maxRestarts: 1);
        spec = spec with
        {
            Cluster = SwarmCluster.Name,
            Topology = Topology.Array,
            Placement = new PlacementSpec { Mode = PlacementMode.Spread },
            Roles = [spec.Roles[0] with { RestartScope = RestartScope.Replica }],
        };
        var id = await console.SubmitAsync(spec, Ct);
        await console.UntilStateAsync(id, WorkloadState.Running, Ct);
        await using var db = await console.DbAsync(Ct);
        var names = await db.Hosts.ToDictionaryAsync(h => h.Id, h => h.Name, Ct);
        var first = await AttemptsAsync(db, id);
        Assert.Equal(3, first.Select(a => a.HostId).Distinct().Count());
        var host = fleet.Hosts.Single(h => h.Name == names[first[2].HostId]);

        await host.CutAsync(Ct);
        try
        {
            await console.UntilAsync(
                x => x.Attempts.AnyAsync(a => a.WorkloadId == id && a.Number == 2 && a.ExitCode == 0, Ct),
                CheckpointConsole.Patience,
                Ct
            );
        }
        finally
        {
            await host.HealAsync(CancellationToken.None);
        }
        foreach (var other in first.Take(2))
        {
            var engine = fleet.Hosts.Single(h => h.Name == names[other.HostId]).Socket;
            await Shell.TellAsync(engine, other.ContainerName, Ct, "touch", "/tmp/go");
        }
        var job = await console.WaitForEndAsync(id, CheckpointConsole.Patience, Ct);
        Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
        Assert.Equal((0, 1), (job.Restarts, job.Interruptions));
        var attempts = await AttemptsAsync(db, id);
        Assert.Equal(
            ["worker-0 1 Completed", "worker-1 1 Completed", "worker-2 1 HostLost", "worker-2 2 Completed"],
            attempts.Select(a => $"{a.ReplicaName} {a.Number} {a.Reason}")
        );
        Assert.All(attempts, a => Assert.Equal(1, a.Round));
        Assert.Equal(first[2].HostId, attempts[2].HostId);
        Assert.NotEqual(first[2].HostId, attempts[3].HostId);
        var told = await db
            .Events.Where(e => e.WorkloadId == id && e.Kind == "restarting")
            .Select(e => e.Message)
            .SingleAsync(Ct);
        Assert.StartsWith($"worker-2 on {names[first[2].HostId]} was given up", told);
        Assert.EndsWith(
            $"; it alone is started again on {names[attempts[3].HostId]}: interruption 1 of at most 10",
            told
        );
        await SwarmCluster.AtRestAsync(console, fleet, [id], Ct);
    }

    private static Task<List<Attempt>> AttemptsAsync(Core.Storage.ConsoleDb db, long id) =>
        db
            .Attempts.AsNoTracking()
            .Where(a => a.WorkloadId == id)
            .OrderBy(a => a.ReplicaName)
            .ThenBy(a => a.Number)
            .ToListAsync(Ct);
}
