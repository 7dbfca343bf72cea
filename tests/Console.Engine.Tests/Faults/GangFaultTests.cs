using System.Globalization;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Hosts;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// A gang of six replicas over three hosts of two GPUs each, one of which cannot make its containers: all of it or nothing,
/// and the job says which replica failed on which host and why.
/// </summary>
public sealed class GangFaultTests(LabFleet fleet)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_gang_whose_image_one_host_cannot_get_leaves_nothing_and_names_replica_host_and_reason()
    {
        await fleet.ReadyAsync(Ct);
        await using var registry = await TestRegistry.StartAsync(Ct);
        var image = $"{registry.Name}/only/elsewhere:1";
        var (without, with) = (fleet.Hosts[1], new[] { fleet.Hosts[0], fleet.Hosts[2] });
        await using var console = await SwarmCluster.StartAsync(fleet, Ct);
        foreach (var host in with)
        {
            await host.DockerAsync(Ct, "tag", "deeplab/base:13", image);
        }
        try
        {
            var id = await console.SubmitAsync(Gang("exec sleep 600", image, maxRestarts: 3), Ct);
            var job = await console.WaitForEndAsync(id, s_patience, Ct);
            // What another try cannot mend is not tried again
            Assert.Equal(
                (WorkloadState.Failed, Reason.ImageNotFound, 0),
                (job.Row.State, job.Row.Reason, job.Restarts)
            );
            Assert.Matches($"^worker-[0-5] on {without.Name}: the image {image} could not be pulled", job.Row.Message);
            await SwarmCluster.AtRestAsync(console, fleet, [id], Ct);
        }
        finally
        {
            foreach (var host in with)
            {
                await host.DockerAsync(CancellationToken.None, "rmi", image);
            }
        }
    }

    [Fact]
    public async Task A_gang_whose_name_is_taken_on_one_host_leaves_nothing_but_the_strangers_container()
    {
        await fleet.ReadyAsync(Ct);
        await using var console = await SwarmCluster.StartAsync(fleet, Ct);
        // The next job's number follows that of one which is there
        var before = await console.SubmitAsync(Specs.Shell("true"), Ct);
        await console.WaitForEndAsync(before, Ct);
        var install = console.Services.GetRequiredService<InstallationId>().Value;
        var taken = fleet.Hosts[1];
        var names = Enumerable
            .Range(0, 6)
            .Select(i => string.Create(CultureInfo.InvariantCulture, $"dl-{install[..6]}-{before + 1}-worker-{i}-1"))
            .ToArray();
        foreach (var name in names)
        {
            await taken.DockerAsync(Ct, "create", "--name", name, "deeplab/base:13", "true");
        }
        try
        {
            var id = await console.SubmitAsync(Gang("exec sleep 600"), Ct);
            Assert.Equal(before + 1, id);
            var job = await console.WaitForEndAsync(id, s_patience, Ct);
            Assert.Equal((WorkloadState.Failed, Reason.NameTaken), (job.Row.State, job.Row.Reason));
            Assert.Matches(
                $"^worker-[0-5] on {taken.Name}: found a container that is not ours under its name",
                job.Row.Message
            );
            await SwarmCluster.AtRestAsync(console, fleet, [before, id], Ct);
            var strangers = await taken.DockerAsync(Ct, "ps", "-aq", "--filter", $"name=dl-{install[..6]}-{id}-");
            Assert.Equal(6, strangers.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        }
        finally
        {
            await taken.DockerAsync(CancellationToken.None, ["rm", "-f", .. names]);
        }
    }

    [Fact]
    public async Task A_gang_one_of_whose_engines_is_killed_before_it_creates_waits_for_room_and_runs_later()
    {
        await fleet.ReadyAsync(Ct);
        await using var console = await SwarmCluster.StartAsync(
            fleet,
            Ct,
            o => o with { HostGrace = TimeSpan.FromSeconds(2) }
        );
        var dies = fleet.Hosts[1];
        // It takes calls and answers none, so that the gang is placed on it too
        await dies.PauseAsync(Ct);
        long id;
        try
        {
            id = await console.SubmitAsync(
                Gang("[ $DEEPLAB_ATTEMPT = 2 ] && exit; exec sleep 600", maxRestarts: 1),
                Ct
            );
            await console.UntilAsync(
                async db => await db.Attempts.CountAsync(a => a.State == AttemptState.Running, Ct) == 4,
                s_patience,
                Ct
            );
            await dies.KillAsync(Ct);
            await console.UntilAsync(
                db => db.Workloads.AnyAsync(w => w.Id == id && w.State == WorkloadState.Queued && w.Round == 2, Ct),
                s_patience,
                Ct
            );
            // The GPUs of the two hosts that answer are free; nobody has seen what the third holds
            await console.UntilAsync(
                async db => await db.Leases.CountAsync(l => l.ReleasedAt == null, Ct) == 2,
                s_patience,
                Ct
            );
        }
        finally
        {
            await dies.StartAsync(CancellationToken.None);
        }
        var job = await console.WaitForEndAsync(id, s_patience, Ct);
        Assert.Equal((WorkloadState.Succeeded, 0, 1), (job.Row.State, job.Restarts, job.Interruptions));
        var events = await console
            .Services.GetRequiredService<JobQueries>()
            .EventsAsync(ConsoleHarness.Admin, id, 0, 200, Ct);
        Assert.Matches(
            $"^worker-[0-5] on {dies.Name} was given up: .* has not answered",
            Assert.Single(events!, e => e.Kind == "restarting").Message
        );
        await SwarmCluster.AtRestAsync(console, fleet, [id], Ct);
    }

    private static JobSpec Gang(string script, string image = "deeplab/base:13", int maxRestarts = 0) =>
        Specs.Shell(script, gpus: 1, replicas: 6, image: image, maxRestarts: maxRestarts) with
        {
            Cluster = SwarmCluster.Name,
        };
}
