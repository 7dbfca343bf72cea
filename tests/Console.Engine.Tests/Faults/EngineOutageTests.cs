using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>An engine that stops, dies or stalls: nothing ends Succeeded that did not succeed, and no kept line is lost.</summary>
public sealed class EngineOutageTests(ITestOutputHelper output)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Restarts of the engine: two in an ordinary run, twenty in a soak.</summary>
    private static int Restarts { get; } =
        int.Parse(
            Environment.GetEnvironmentVariable("DEEPLAB_TEST_RESTARTS") ?? "2",
            System.Globalization.CultureInfo.InvariantCulture
        );

    /// <summary>Ends with 0 when it is told to end: without care that looks like a success.</summary>
    private const string TrapsTheSignal =
        "trap 'echo trapped; exit 0' TERM; i=0; while :; do echo line $i; i=$((i+1)); sleep 0.05; done";

    [Fact]
    public async Task A_restarted_engine_makes_no_job_a_success_and_loses_no_line()
    {
        await using var host = await LabHost.UpAsync(0, Ct);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = host.Address });
        for (var round = 1; round <= Restarts; round++)
        {
            var traps = await console.SubmitAsync(Specs.Shell(TrapsTheSignal), Ct);
            var ignores = await console.SubmitAsync(Specs.Shell("echo begin; sleep 600"), Ct);
            await UntilRunningAsync(console, traps);
            await UntilRunningAsync(console, ignores);
            await host.StopAsync(Ct);
            await host.StartAsync(Ct);
            foreach (var id in new[] { traps, ignores })
            {
                var job = await console.WaitForEndAsync(id, TimeSpan.FromSeconds(90), Ct);
                Assert.Equal((WorkloadState.Failed, Reason.EngineStopped), (job.Row.State, job.Row.Reason));
            }
            await AssertWholeLogAsync(console, traps);
            output.WriteLine($"restart {round} of {Restarts} holds");
        }
        // The host takes work again
        var after = await console.SubmitAsync(Specs.Shell("echo after"), Ct);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(after, Ct)).Row.State);
    }

    [Fact]
    public async Task A_job_that_may_restart_goes_on_after_its_engine_was_killed()
    {
        await using var host = await LabHost.UpAsync(0, Ct);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = host.Address });
        // The second attempt ends by itself
        var id = await console.SubmitAsync(
            Specs.Shell("echo attempt $DEEPLAB_ATTEMPT; [ $DEEPLAB_ATTEMPT = 2 ] || sleep 600", maxRestarts: 1),
            Ct
        );
        await UntilRunningAsync(console, id);
        await host.KillAsync(Ct);
        await host.StartAsync(Ct);
        var job = await console.WaitForEndAsync(id, TimeSpan.FromSeconds(90), Ct);
        Assert.Equal(WorkloadState.Succeeded, job.Row.State);
        var attempts = Assert.Single(job.Replicas).Attempts;
        Assert.Equal([Reason.EngineStopped, Reason.Completed], attempts.Select(a => a.Reason));
    }

    [Fact]
    public async Task An_engine_that_does_not_answer_for_a_while_costs_no_job()
    {
        await using var host = await LabHost.UpAsync(0, Ct);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = host.Address });
        var id = await console.SubmitAsync(Specs.Shell("for i in 1 2 3 4 5 6; do echo line $i; sleep 1; done"), Ct);
        await UntilRunningAsync(console, id);
        await host.PauseAsync(Ct);
        // Unreachable is told, and is not a failure
        await console.UntilAsync(
            db => db.Hosts.AnyAsync(h => h.State == DeepLab.Core.Clusters.HostState.Unreachable, Ct),
            TimeSpan.FromSeconds(60),
            Ct
        );
        await host.ResumeAsync(Ct);
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal(WorkloadState.Succeeded, job.Row.State);
        var lines = await LinesAsync(console, id);
        Assert.Equal(Enumerable.Range(1, 6).Select(i => $"line {i}"), lines.Select(l => l.Text));
    }

    private static Task UntilRunningAsync(ConsoleHarness console, long id) =>
        console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == id && w.State == WorkloadState.Running, Ct),
            TimeSpan.FromSeconds(60),
            Ct
        );

    /// <summary>The program counts its lines and says when it was told to end: every number is there, once, in order.</summary>
    private static async Task AssertWholeLogAsync(ConsoleHarness console, long id)
    {
        var lines = await LinesAsync(console, id);
        Assert.Equal("trapped", lines[^1].Text);
        Assert.Equal(
            Enumerable.Range(0, lines.Count - 1).Select(i => $"line {i}"),
            lines.SkipLast(1).Select(l => l.Text)
        );
        Assert.DoesNotContain(lines, l => l.IsGap);
    }

    private static async Task<IReadOnlyList<LogLine>> LinesAsync(ConsoleHarness console, long id)
    {
        await console.UntilAsync(
            db => db.Attempts.AllAsync(a => a.WorkloadId != id || a.LogArchived, Ct),
            TimeSpan.FromSeconds(30),
            Ct
        );
        var attempt = await console
            .Services.GetRequiredService<JobQueries>()
            .FindAttemptAsync(ConsoleHarness.Admin, id, null, null, Ct);
        return await console.Services.GetRequiredService<LogReader>().ReadAsync(attempt!.Id, 0, 1_000_000, Ct);
    }
}
