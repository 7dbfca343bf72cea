using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>Loss in one direction: what the console asks arrives and is done, and nothing that the engine says comes back.</summary>
public sealed class LostReplyTests
{
    private const int Jobs = 20;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lost_replies_make_no_second_container_and_lease_no_gpu_twice()
    {
        await using var proxy = EngineProxy.Start(ConsoleHarness.Engine);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = proxy.Address });
        await console.UntilAsync(async db => await db.Gpus.CountAsync(Ct) == 4, s_patience, Ct);
        await using var watch = await EngineWatch.StartAsync(console, ConsoleHarness.Engine, Ct);
        await using var sql = NpgsqlDataSource.Create(console.Options.Database);
        var jobs = new List<long>();
        for (var i = 0; i < Jobs; i++)
        {
            jobs.Add(await console.SubmitAsync(Specs.Shell("sleep 1", gpus: i % 2, cpus: 0.05), Ct));
        }
        await watch.UntilAsync("create", 1, Ct);

        proxy.LoseReplies();
        for (var looks = 0; looks < 5; looks++)
        {
            await Invariants.AlwaysAsync(sql, watch.Engine, Ct);
            await Task.Delay(TimeSpan.FromSeconds(1), Ct);
        }
        proxy.Heal();

        foreach (var id in jobs)
        {
            Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(id, s_patience, Ct)).Row.State);
            await Invariants.AlwaysAsync(sql, watch.Engine, Ct);
        }
        await console.UntilCleanAsync(Ct);
        await Invariants.AtRestAsync(sql, watch.Engine, jobs, Ct);
        Assert.Equal((Jobs, Jobs), (watch.Count("create"), watch.Count("start")));
    }

    [Fact]
    public async Task Replies_that_are_lost_beyond_the_grace_lose_the_host_and_its_gpus_wait_for_its_return()
    {
        await using var proxy = EngineProxy.Start(ConsoleHarness.Engine);
        await using var console = await ConsoleHarness.StartAsync(
            Ct,
            o => o with { DockerHost = proxy.Address, HostGrace = TimeSpan.FromSeconds(1) }
        );
        await console.UntilAsync(async db => await db.Gpus.CountAsync(Ct) == 4, s_patience, Ct);
        await using var watch = await EngineWatch.StartAsync(console, ConsoleHarness.Engine, Ct);
        // Runs until it is stopped in its first attempt, ends by itself in its second
        var id = await console.SubmitAsync(
            Specs.Shell("[ $DEEPLAB_ATTEMPT = 2 ] || sleep 600", gpus: 4, maxRestarts: 1),
            Ct
        );
        await console.UntilStateAsync(id, WorkloadState.Running, Ct);

        proxy.LoseReplies();
        proxy.Cut("/events");
        await console.UntilStateAsync(id, WorkloadState.Queued, Ct);
        await using (var db = await console.DbAsync(Ct))
        {
            Assert.Equal(4, await db.Leases.CountAsync(l => l.WorkloadId == id && l.ReleasedAt == null, Ct));
        }
        Assert.Equal(0, watch.Count("die"));
        proxy.Heal();

        var job = await console.WaitForEndAsync(id, s_patience, Ct);
        Assert.Equal((WorkloadState.Succeeded, 0), (job.Row.State, job.Restarts));
        Assert.Equal([Reason.HostLost, Reason.Completed], Assert.Single(job.Replicas).Attempts.Select(a => a.Reason));
        await console.UntilCleanAsync(Ct);
        await using var sql = NpgsqlDataSource.Create(console.Options.Database);
        await Invariants.AtRestAsync(sql, watch.Engine, [id], Ct);
        // The first was dead before the second was made
        Assert.Equal(["create", "start", "die", "create", "start", "die"], watch.Actions.Where(IsOfItsLife));
    }

    private static bool IsOfItsLife(string action) => action is "create" or "start" or "die";
}
