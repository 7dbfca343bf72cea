using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// Events that claim an end, streams that come to theirs, containers that did not start yet: nothing of it is the end of a
/// program. Only a look at the container is, which says that it started and exited.
/// </summary>
public sealed class EndSightTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_event_of_an_end_ends_nothing_that_the_engine_shows_running()
    {
        var fleet = new FakeFleet();
        await using var console = await fleet.ConsoleAsync(Ct);
        var id = await console.SubmitAsync(Specs.Shell("program"), Ct);
        await console.UntilStateAsync(id, WorkloadState.Running, Ct);
        var container = fleet.Of(id);

        foreach (var action in new[] { "die", "stop", "destroy", "oom" })
        {
            var looks = Looks(fleet, container.Id);
            fleet.Engine.Claim(container.Id, action);
            await UntilAsync(() => Looks(fleet, container.Id) > looks);
        }
        fleet.Engine.BreakStreams();
        await Fixpoint.UntilListedAsync(console, 1, Ct);
        Assert.Equal(AttemptState.Running, (await console.AttemptAsync(id, Ct)).State);

        fleet.Engine.End(container.Id, 0);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(id, Ct)).Row.State);
    }

    [Fact]
    public async Task A_container_that_is_only_created_has_not_ended_with_the_code_zero_that_it_shows()
    {
        var fleet = new FakeFleet();
        await using var console = await fleet.ConsoleAsync(Ct);
        fleet.OnStart = c => fleet.Engine.End(c.Id, 3);
        for (var i = 0; i < 3; i++)
        {
            fleet.Engine.FailNext("StartAsync", new EngineUnreachableException("lost before it arrived"));
        }

        var id = await console.SubmitAsync(Specs.Shell("program"), Ct);

        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Failed, Reason.ExitedNonZero), (job.Row.State, job.Row.Reason));
        Assert.Equal(3, Assert.Single(Assert.Single(job.Replicas).Attempts).ExitCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_container_removed_as_soon_as_it_started_was_lost_and_its_log_says_that_lines_may_be_missing(
        bool replyIsLost
    )
    {
        var fleet = new FakeFleet();
        await using var console = await fleet.ConsoleAsync(Ct);
        fleet.OnStart = c =>
        {
            fleet.OnStart = second => fleet.Engine.End(second.Id, 0);
            c.Write("a first line");
            fleet.Engine.Vanish(c.Id);
            if (replyIsLost)
            {
                throw new EngineUnreachableException("the reply was lost");
            }
        };

        var id = await console.SubmitAsync(Specs.Shell("program", maxRestarts: 1), Ct);

        var job = await console.WaitForEndAsync(id, Ct);
        var attempts = Assert.Single(job.Replicas).Attempts;
        Assert.Equal(WorkloadState.Succeeded, job.Row.State);
        Assert.Equal([Reason.ContainerLost, Reason.Completed], attempts.OrderBy(a => a.Number).Select(a => a.Reason));
        var logs = console.Services.GetRequiredService<LogReader>();
        var lost = attempts.Single(a => a.Reason == Reason.ContainerLost);
        await console.UntilCleanAsync(Ct);
        Assert.True(Assert.Single(await logs.ReadAsync(lost.Id, 0, 10, Ct)).IsGap);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_container_that_ran_unseen_on_a_host_that_was_given_up_leaves_a_log_that_says_that_lines_may_be_missing(
        bool isFenced
    )
    {
        var fleet = new FakeFleet();
        await using var console = await fleet.ConsoleAsync(Ct, hostGrace: TimeSpan.FromSeconds(1));
        fleet.OnStart = c =>
        {
            c.Write("a first line");
            fleet.Engine.GoAway();
            throw new EngineUnreachableException("the reply was lost");
        };
        var id = await console.SubmitAsync(Specs.Shell("program"), Ct);
        await console.UntilAsync(
            db => db.Attempts.AnyAsync(a => a.WorkloadId == id && a.State == AttemptState.Lost, Ct),
            TimeSpan.FromSeconds(30),
            Ct
        );
        var lost = await console.AttemptAsync(id, Ct);
        Assert.Equal((AttemptState.Lost, null), (lost.State, lost.StartedAt));

        fleet.OnStart = c => fleet.Engine.End(c.Id, 0);
        if (isFenced)
        {
            Assert.IsType<Outcome<string>.Done>(
                await console.Services.GetRequiredService<FenceHost>().RunAsync(ConsoleHarness.Admin, "local", Ct)
            );
        }
        else
        {
            fleet.Engine.Vanish(fleet.Of(id).Id);
            fleet.Engine.Return();
        }
        await console.UntilAsync(
            db => db.Attempts.AnyAsync(a => a.Id == lost.Id && a.ContainerRemoved, Ct),
            TimeSpan.FromSeconds(30),
            Ct
        );
        var logs = console.Services.GetRequiredService<LogReader>();
        Assert.True(Assert.Single(await logs.ReadAsync(lost.Id, 0, 10, Ct)).IsGap);
    }

    [Fact]
    public async Task A_log_whose_stream_ends_early_is_no_end_and_loses_no_line()
    {
        await using var proxy = EngineProxy.Start(ConsoleHarness.Engine);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = proxy.Address });
        var id = await console.SubmitAsync(
            Specs.Shell("i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.05; done"),
            Ct
        );
        await console.UntilStateAsync(id, WorkloadState.Running, Ct);
        var attempt = await console.AttemptAsync(id, Ct);

        foreach (var line in new[] { "line 5", "line 15", "line 25" })
        {
            await console.UntilLineAsync(attempt.Id, line, TimeSpan.FromSeconds(30), Ct);
            proxy.Cut($"/{(await console.AttemptAsync(id, Ct)).ContainerId}/logs");
            Assert.Equal(AttemptState.Running, (await console.AttemptAsync(id, Ct)).State);
        }

        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(id, Ct)).Row.State);
        await console.UntilCleanAsync(Ct);
        var lines = await console.Services.GetRequiredService<LogReader>().ReadAsync(attempt.Id, 0, 1000, Ct);
        Assert.Equal(Enumerable.Range(0, 60).Select(i => $"line {i}"), lines.Select(l => l.Text));
    }

    /// <summary>Inspects by id: the driver's, and the collector's.</summary>
    private static int Looks(FakeFleet fleet, string id) =>
        fleet.Engine.Calls.Count(c => c.Verb == nameof(IContainerEngine.InspectAsync) && c.Subject == id);

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(TimeSpan.FromSeconds(10));
        while (!condition())
        {
            await Task.Delay(10, patience.Token);
        }
    }
}
