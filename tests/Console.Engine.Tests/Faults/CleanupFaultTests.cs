using System.Net;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>Engines that do not end or remove a container as they should.</summary>
public sealed class CleanupFaultTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(HttpStatusCode.InternalServerError, "unable to remove filesystem: device or resource busy")]
    [InlineData(HttpStatusCode.Conflict, "removal of container 0123 is already in progress")]
    public async Task A_removal_that_is_refused_is_told_once_tried_less_and_less_and_done_in_the_end(
        HttpStatusCode status,
        string words
    )
    {
        await using var proxy = EngineProxy.Start(ConsoleHarness.Engine);
        await using var console = await StartAsync(proxy);
        var refused = proxy.On("DELETE", "/containers/", Fate.Answer, status: status, message: words);

        var id = await console.SubmitAsync(Specs.Shell("true", gpus: 4), Ct);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(id, Ct)).Row.State);
        // Its process is dead: its GPUs serve the next, whatever becomes of the container
        var next = await console.SubmitAsync(Specs.Shell("true", gpus: 4), Ct);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(next, Ct)).Row.State);
        await UntilToldAsync(console, id);
        await UntilToldAsync(console, next);
        var before = refused.Count;
        await Task.Delay(TimeSpan.FromSeconds(3), Ct);
        // By now a second lies between two tries of one, and more
        Assert.InRange(refused.Count - before, 0, 8);
        await using (var db = await console.DbAsync(Ct))
        {
            Assert.False(await db.Attempts.AnyAsync(a => a.ContainerRemoved, Ct));
            Assert.Equal(2, await db.Events.CountAsync(e => e.Kind == "cleanup-pending", Ct));
        }
        proxy.Heal();

        await console.UntilCleanAsync(Ct);
        var left = await Shell.DockerAsync(
            ConsoleHarness.Engine,
            Ct,
            "ps",
            "-aq",
            "--filter",
            $"name={(await console.AttemptAsync(id, Ct)).ContainerName}"
        );
        Assert.Equal("", left);
    }

    [Fact]
    public async Task A_program_that_its_engine_cannot_end_keeps_its_gpus_and_that_is_told()
    {
        await using var proxy = EngineProxy.Start(ConsoleHarness.Engine);
        await using var console = await StartAsync(proxy);
        var id = await console.SubmitAsync(Specs.Shell("sleep 600", gpus: 4), Ct);
        await console.UntilStateAsync(id, WorkloadState.Running, Ct);
        proxy.On("POST", "/stop", Fate.Answer, message: "tried to kill container, but did not receive an exit event");

        await console.StopAsync(id, Ct);
        var next = await console.SubmitAsync(Specs.Shell("true", gpus: 4), Ct);
        await UntilToldAsync(console, id);
        await console.UntilAsync(
            async db => (await db.Workloads.AsNoTracking().SingleAsync(w => w.Id == next, Ct)).Waits.Count > 0,
            s_patience,
            Ct
        );
        await using (var db = await console.DbAsync(Ct))
        {
            var w = await db.Workloads.AsNoTracking().SingleAsync(x => x.Id == id, Ct);
            Assert.Equal((WorkloadState.Stopping, 4), (w.State, w.GpusHeld));
            Assert.Equal(4, await db.Leases.CountAsync(l => l.WorkloadId == id && l.ReleasedAt == null, Ct));
        }
        proxy.Heal();

        Assert.Equal(WorkloadState.Stopped, (await console.WaitForEndAsync(id, Ct)).Row.State);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(next, Ct)).Row.State);
        await console.UntilCleanAsync(Ct);
    }

    [Fact]
    public async Task A_container_that_its_engine_is_stuck_on_disturbs_no_other()
    {
        await using var proxy = EngineProxy.Start(ConsoleHarness.Engine);
        await using var console = await StartAsync(proxy);
        var stuck = await console.SubmitAsync(Specs.Shell("sleep 600", gpus: 1), Ct);
        await console.UntilStateAsync(stuck, WorkloadState.Running, Ct);
        var container = (await console.AttemptAsync(stuck, Ct)).ContainerId!;
        var looks = proxy.On("GET", $"/containers/{container}/json", Fate.Silence);
        var sessions = proxy.On("GET", "/events", Fate.Pass);

        // Something happens to it, and the look that follows gets no answer within its ten seconds
        await Shell.DockerAsync(ConsoleHarness.Engine, Ct, "kill", "-s", "CONT", container);
        await looks.Hit.WaitAsync(Ct);
        await console.UntilAsync(_ => Task.FromResult(looks.Count >= 2), s_patience, Ct);
        var next = await console.SubmitAsync(Specs.Shell("true", gpus: 3), Ct);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(next, Ct)).Row.State);
        Assert.Equal(0, sessions.Count);
        Assert.Equal(AttemptState.Running, (await console.AttemptAsync(stuck, Ct)).State);
        proxy.Heal();
    }

    private static async Task<ConsoleHarness> StartAsync(EngineProxy proxy)
    {
        var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = proxy.Address });
        await console.UntilAsync(async db => await db.Gpus.CountAsync(Ct) == 4, s_patience, Ct);
        return console;
    }

    private static Task UntilToldAsync(ConsoleHarness console, long id) =>
        console.UntilAsync(
            db => db.Events.AnyAsync(e => e.WorkloadId == id && e.Kind == "cleanup-pending", Ct),
            s_patience,
            Ct
        );
}
