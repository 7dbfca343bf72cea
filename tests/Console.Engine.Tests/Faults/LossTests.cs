using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>Hosts that are lost, come back, or are emptied by their operator.</summary>
public sealed class LossTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Runs until it is stopped in its first attempt, ends by itself in its second.</summary>
    private const string TwoTries = "echo attempt $DEEPLAB_ATTEMPT; [ $DEEPLAB_ATTEMPT = 2 ] || sleep 600";

    [Fact]
    public async Task Gpus_of_a_lost_host_are_leased_again_only_after_the_old_container_was_seen_dead()
    {
        await using var host = await LabHost.UpAsync(2, Ct);
        await using var console = await ConsoleHarness.StartAsync(
            Ct,
            o => o with { DockerHost = host.Address, HostGrace = TimeSpan.FromSeconds(2) }
        );
        await console.UntilAsync(async db => await db.Gpus.CountAsync(Ct) == 2, s_patience, Ct);
        var id = await console.SubmitAsync(Specs.Shell(TwoTries, gpus: 2, maxRestarts: 1), Ct);
        await UntilAsync(console, id, w => w.State == WorkloadState.Running);

        await host.PauseAsync(Ct);
        await UntilAsync(console, id, w => w.State == WorkloadState.Queued);
        await using (var db = await console.DbAsync(Ct))
        {
            // Given up, and waiting again; but nobody has seen the container dead
            var w = await db.Workloads.SingleAsync(x => x.Id == id, Ct);
            Assert.Equal((1, 0, 2, 2), (w.Interruptions, w.Restarts, w.Round, w.GpusHeld));
            Assert.Equal(2, await db.Leases.CountAsync(l => l.WorkloadId == id && l.ReleasedAt == null, Ct));
            var lost = await db.Attempts.SingleAsync(a => a.WorkloadId == id, Ct);
            Assert.Equal((AttemptState.Lost, Reason.HostLost), (lost.State, lost.Reason));
        }

        await host.ResumeAsync(Ct);
        var job = await console.WaitForEndAsync(id, s_patience, Ct);
        Assert.Equal(WorkloadState.Succeeded, job.Row.State);
        var attempts = Assert.Single(job.Replicas).Attempts;
        Assert.Equal([Reason.HostLost, Reason.Completed], attempts.Select(a => a.Reason));
        Assert.Equal(attempts[0].Gpus.Order(), attempts[1].Gpus.Order());
        await console.UntilAsync(db => db.Attempts.AllAsync(a => a.ContainerRemoved, Ct), s_patience, Ct);
        await using (var db = await console.DbAsync(Ct))
        {
            var first = await db.Leases.Where(l => l.AttemptId == attempts[0].Id).ToListAsync(Ct);
            var second = await db.Leases.Where(l => l.AttemptId == attempts[1].Id).ToListAsync(Ct);
            Assert.True(first.Max(l => l.ReleasedAt) <= second.Min(l => l.LeasedAt), "a GPU was leased twice at once");
            Assert.Equal(0, (await db.Workloads.SingleAsync(w => w.Id == id, Ct)).GpusHeld);
        }
    }

    [Fact]
    public async Task A_job_that_may_not_restart_fails_with_its_host_and_says_so()
    {
        await using var host = await LabHost.UpAsync(0, Ct);
        await using var console = await ConsoleHarness.StartAsync(
            Ct,
            o => o with { DockerHost = host.Address, HostGrace = TimeSpan.FromSeconds(1) }
        );
        var id = await console.SubmitAsync(Specs.Shell("sleep 600"), Ct);
        await UntilAsync(console, id, w => w.State == WorkloadState.Running);
        await host.PauseAsync(Ct);
        var job = await console.WaitForEndAsync(id, s_patience, Ct);
        Assert.Equal((WorkloadState.Failed, Reason.HostLost), (job.Row.State, job.Row.Reason));
        Assert.Contains("has not answered for", job.Row.Message);
        await host.ResumeAsync(Ct);
        // It is over: what runs on there is ended, and its log kept
        await console.UntilAsync(
            db => db.Attempts.AllAsync(a => a.ContainerRemoved && a.LogArchived, Ct),
            s_patience,
            Ct
        );
    }

    [Fact]
    public async Task A_drain_whose_deadline_is_over_requeues_and_the_job_resumes_from_its_checkpoint()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        const string Program =
            "cd $DEEPLAB_CHECKPOINT_DIR; [ -f step ] && echo resumed from $(cat step) && exit; echo 7 > step; echo kept; sleep 600";
        var id = await console.SubmitAsync(Specs.Shell(Program) with { Checkpoint = new CheckpointSpec() }, Ct);
        await UntilAsync(console, id, w => w.State == WorkloadState.Running);
        await LineAsync(console, id, "kept");
        await WishAsync(console, HostWish.Draining, TimeSpan.FromSeconds(1));
        await UntilAsync(console, id, w => w.State == WorkloadState.Queued && w.Preemptions == 1);
        await using (var db = await console.DbAsync(Ct))
        {
            var first = await db.Attempts.SingleAsync(a => a.WorkloadId == id, Ct);
            Assert.Equal(Reason.HostDrained, first.Reason);
        }
        // It takes nothing new until it is wanted again
        await UntilAsync(console, id, w => w.Waits.Count > 0);
        await WishAsync(console, HostWish.Active, null);
        var job = await console.WaitForEndAsync(id, s_patience, Ct);
        Assert.Equal((WorkloadState.Succeeded, 0), (job.Row.State, job.Restarts));
        Assert.Equal([1, 2], Assert.Single(job.Replicas).Attempts.Select(a => a.Number));
        await LineAsync(console, id, "resumed from 7");

        // Its volume goes with it, and not before
        await console.UntilAsync(db => db.Attempts.AllAsync(a => a.ContainerRemoved, Ct), s_patience, Ct);
        var engine = console.Services.GetRequiredService<IEngineFactory>().Get(ConsoleHarness.Engine);
        var install = console.Services.GetRequiredService<InstallationId>().Value;
        // One of its checkpoints and one of its event files
        Assert.Equal(2, (await engine.VolumesAsync(install, Ct)).Count);
        await console.Services.GetRequiredService<JobVolumes>().SweepAsync(Ct);
        Assert.Empty(await engine.VolumesAsync(install, Ct));
    }

    /// <summary>Waits until the job's newest attempt has written a line.</summary>
    private static async Task LineAsync(ConsoleHarness console, long id, string text)
    {
        var attempt = await console
            .Services.GetRequiredService<JobQueries>()
            .FindAttemptAsync(ConsoleHarness.Admin, id, null, null, Ct);
        await console.UntilLineAsync(attempt!.Id, text, s_patience, Ct);
    }

    private static async Task WishAsync(ConsoleHarness console, HostWish wish, TimeSpan? deadline)
    {
        await using var db = await console.DbAsync(Ct);
        var id = (await db.Hosts.AsNoTracking().SingleAsync(Ct)).Id;
        await db
            .Database.CreateExecutionStrategy()
            .ExecuteAsync(async () =>
            {
                await using var transaction = await db.Database.BeginTransactionAsync(Ct);
                var host = await db.LockHostAsync(id, Ct);
                host!.Wish = wish;
                host.DrainDeadline = deadline is { } d ? TimeProvider.System.GetUtcNow() + d : null;
                host.Settle();
                db.Tell(ChangeKind.Queue);
                await db.CommitAsync(Ct);
            });
    }

    private static Task UntilAsync(
        ConsoleHarness console,
        long id,
        System.Linq.Expressions.Expression<Func<Workload, bool>> holds
    ) =>
        console.UntilAsync(
            async db =>
                (await db.Workloads.AsNoTracking().SingleAsync(w => w.Id == id, Ct)) is var w && holds.Compile()(w),
            s_patience,
            Ct
        );
}
