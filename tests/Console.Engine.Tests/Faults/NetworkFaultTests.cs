using DeepLab.Core.Clusters;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Hosts;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// Networks of jobs that span hosts: many at once, none left to give, and a Swarm whose only manager is gone. What waits says
/// why and starts when it can; what runs is left alone; no network stays behind.
/// </summary>
public sealed class NetworkFaultTests(LabFleet fleet)
{
    private const int JobsAtOnce = 20;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Many_jobs_that_span_hosts_at_once_all_get_a_network_and_leave_none()
    {
        await fleet.ReadyAsync(Ct);
        await using var console = await SwarmCluster.StartAsync(fleet, Ct);
        var jobs = new List<long>();
        for (var i = 0; i < JobsAtOnce; i++)
        {
            jobs.Add(await console.SubmitAsync(Spanning("true"), Ct));
        }
        foreach (var id in jobs)
        {
            AssertWentWell(await console.WaitForEndAsync(id, s_patience, Ct));
        }
        await SwarmCluster.AtRestAsync(console, fleet, jobs, Ct);
    }

    [Fact]
    public async Task A_job_for_whose_network_no_addresses_are_left_says_so_and_starts_when_there_are()
    {
        await fleet.ReadyAsync(Ct);
        var manager = fleet.Hosts[0];
        await using var console = await SwarmCluster.StartAsync(fleet, Ct);
        var running = await console.SubmitAsync(Spanning("exec sleep 600"), Ct);
        await StateAsync(console, running, WorkloadState.Running);
        var foreign = new List<string>();
        try
        {
            // The manager takes each, and gives addresses to as many as it has, in the order in which they came
            for (var i = 0; i < LabFleet.Networks; i++)
            {
                foreign.Add($"foreign-{i}");
                await manager.DockerAsync(Ct, "network", "create", "-d", "overlay", "--attachable", foreign[^1]);
            }
            var id = await console.SubmitAsync(Spanning("true"), Ct);
            await SaysAsync(console, id, "no addresses left");
            await StateAsync(console, running, WorkloadState.Running);
            await manager.DockerAsync(Ct, ["network", "rm", .. foreign]);
            foreign.Clear();
            var job = await console.WaitForEndAsync(id, s_patience, Ct);
            AssertWentWell(job);
            await StopAsync(console, running, rounds: 1);
            await SwarmCluster.AtRestAsync(console, fleet, [running, id], Ct);
        }
        finally
        {
            if (foreign.Count > 0)
            {
                await manager.DockerAsync(CancellationToken.None, ["network", "rm", .. foreign]);
            }
        }
    }

    [Fact]
    public async Task A_job_whose_Swarm_has_lost_its_manager_waits_says_so_and_no_other_host_is_troubled()
    {
        await fleet.ReadyAsync(Ct);
        var manager = fleet.Hosts[0];
        await using var console = await SwarmCluster.StartAsync(fleet, Ct);
        var elsewhere = new PlacementSpec { Mode = PlacementMode.Spread, ExcludeHosts = [manager.Name] };
        var running = await console.SubmitAsync(Spanning("exec sleep 600") with { Placement = elsewhere }, Ct);
        await StateAsync(console, running, WorkloadState.Running);
        await manager.StopAsync(Ct);
        long waits;
        try
        {
            waits = await console.SubmitAsync(Spanning("true") with { Placement = elsewhere }, Ct);
            await SaysAsync(console, waits, "waits for the Swarm's manager");
            // One that needs no network is started meanwhile, on the same hosts
            var alone = await console.SubmitAsync(
                Specs.Shell("true", cpus: 0.05) with
                {
                    Cluster = SwarmCluster.Name,
                    Placement = new PlacementSpec { ExcludeHosts = [manager.Name] },
                },
                Ct
            );
            Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(alone, s_patience, Ct)).Row.State);
            await using var db = await console.DbAsync(Ct);
            Assert.Equal(
                2,
                await db.Hosts.CountAsync(
                    h => h.NodeId != null && h.Name != manager.Name && h.State == HostState.Ready,
                    Ct
                )
            );
            await StateAsync(console, running, WorkloadState.Running);
        }
        finally
        {
            await manager.StartAsync(CancellationToken.None);
        }
        var job = await console.WaitForEndAsync(waits, s_patience, Ct);
        AssertWentWell(job);
        await StopAsync(console, running, rounds: 1);
        await SwarmCluster.AtRestAsync(console, fleet, [running, waits, waits + 1], Ct);
    }

    [Fact]
    public async Task A_network_that_does_not_come_within_the_grace_is_an_interruption()
    {
        await fleet.ReadyAsync(Ct);
        var manager = fleet.Hosts[0];
        await using var console = await SwarmCluster.StartAsync(
            fleet,
            Ct,
            o => o with { HostGrace = TimeSpan.FromSeconds(2) }
        );
        await manager.StopAsync(Ct);
        long id;
        try
        {
            id = await console.SubmitAsync(
                Spanning("true") with
                {
                    Placement = new PlacementSpec { Mode = PlacementMode.Spread, ExcludeHosts = [manager.Name] },
                },
                Ct
            );
            var job = await console.WaitForEndAsync(id, s_patience, Ct);
            // It may not be run twice
            Assert.Equal((WorkloadState.Failed, Reason.NetworkFailed), (job.Row.State, job.Row.Reason));
            Assert.Contains("waits for the Swarm's manager", job.Row.Message);
        }
        finally
        {
            await manager.StartAsync(CancellationToken.None);
        }
        await SwarmCluster.AtRestAsync(console, fleet, [id], Ct);
    }

    private static void AssertWentWell(JobDetail job) =>
        Assert.True(
            job.Row.State == WorkloadState.Succeeded && job.Interruptions == 0,
            $"{job.Row.State} after {job.Interruptions} interruptions, {job.Row.Reason}: {job.Row.Message}"
        );

    private static JobSpec Spanning(string script) =>
        Specs.Shell(script, replicas: 2, cpus: 0.05) with
        {
            Cluster = SwarmCluster.Name,
            Placement = new PlacementSpec { Mode = PlacementMode.Spread },
        };

    private static Task StateAsync(ConsoleHarness console, long id, WorkloadState state) =>
        console.UntilAsync(db => db.Workloads.AnyAsync(w => w.Id == id && w.State == state, Ct), s_patience, Ct);

    private static Task SaysAsync(ConsoleHarness console, long id, string words) =>
        console.UntilAsync(
            db =>
                db.Workloads.AnyAsync(
                    w => w.Id == id && w.Reason == Reason.WaitingForNetwork && w.Message.Contains(words),
                    Ct
                ),
            s_patience,
            Ct
        );

    private static async Task StopAsync(ConsoleHarness console, long id, int rounds)
    {
        await console.Services.GetRequiredService<StopWorkload>().RunAsync(ConsoleHarness.Admin, id, Ct);
        var job = await console.WaitForEndAsync(id, s_patience, Ct);
        Assert.Equal(WorkloadState.Stopped, job.Row.State);
        // Nothing had troubled it before
        Assert.All(job.Replicas, r => Assert.Equal(rounds, r.Attempts.Count));
    }
}
