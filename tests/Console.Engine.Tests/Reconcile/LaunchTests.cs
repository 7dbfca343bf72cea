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

    [Fact]
    public async Task What_a_log_tells_of_a_failure_is_found_and_a_restart_pauses()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        const string Script = "echo begin; echo \"ModuleNotFoundError: No module named 'timm'\"; exit 1";
        var id = await console.SubmitAsync(Specs.Shell(Script, maxRestarts: 2), Ct);
        var job = await console.WaitForEndAsync(id, Ct);
        await console.UntilAsync(db => db.Attempts.AllAsync(a => a.LogArchived, Ct), TimeSpan.FromSeconds(15), Ct);
        await using var db = await console.DbAsync(Ct);
        var attempts = await db.Attempts.AsNoTracking().OrderBy(a => a.Number).ToListAsync(Ct);
        Assert.Equal(3, attempts.Count);
        Assert.All(
            attempts,
            a =>
            {
                var finding = Assert.Single(a.Findings);
                Assert.Equal((FindingKind.MissingModule, 1L), (finding.Kind, finding.Line));
                Assert.Contains("timm", finding.Message);
            }
        );
        // One second before the first restart, two before the second
        Assert.InRange(attempts[1].LeasedAt - attempts[0].EndedAt!.Value, TimeSpan.FromSeconds(1), TimeSpan.MaxValue);
        Assert.InRange(attempts[2].LeasedAt - attempts[1].EndedAt!.Value, TimeSpan.FromSeconds(2), TimeSpan.MaxValue);
        Assert.Equal((WorkloadState.Failed, 2), (job.Row.State, job.Restarts));
    }
}
