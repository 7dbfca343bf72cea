using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Reconcile;

public sealed class LaunchTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_job_runs_to_its_end_and_leaves_no_container()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var id = await console.SubmitAsync(Specs.Shell("echo hello"), Ct);
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Succeeded, Reason.Completed), (job.Row.State, job.Row.Reason));
        var attempt = Assert.Single(Assert.Single(job.Replicas).Attempts);
        Assert.Equal(0, attempt.ExitCode);
        await console.UntilAsync(db => db.Attempts.AllAsync(a => a.ContainerRemoved, Ct), TimeSpan.FromSeconds(15), Ct);
        var events = await console
            .Services.GetRequiredService<JobQueries>()
            .EventsAsync(ConsoleHarness.Admin, id, 0, 100, Ct);
        Assert.Equal(Enumerable.Range(1, events!.Count), events.Select(e => e.Seq));
        Assert.Equal(
            ["submitted", "placed", "started", "running", "exited", "ended", "archived"],
            events.Select(e => e.Kind)
        );
    }

    [Theory]
    [InlineData("exit 3", Reason.ExitedNonZero, "exit code 3")]
    [InlineData("kill -9 $$", Reason.KilledBySignal, "SIGKILL")]
    [InlineData("no-such-command", Reason.CommandNotFound, "not found")]
    public async Task A_failure_is_told_in_words(string script, Reason reason, string words)
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var id = await console.SubmitAsync(Specs.Shell(script), Ct);
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Failed, reason), (job.Row.State, job.Row.Reason));
        Assert.Contains(words, job.Row.Message);
    }
}
