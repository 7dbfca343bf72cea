using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>Ends that look alike to an engine, exit code 137 or an OOM mark, and mean different things.</summary>
public sealed class EndTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Looks for the last line of an endless one, and keeps all of it.</summary>
    private const string Hog = "tail /dev/zero";

    [Fact]
    public async Task A_program_that_the_kernel_kills_for_memory_has_failed_for_want_of_memory()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var id = await console.SubmitAsync(Specs.Shell($"exec {Hog}"), Ct);
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Failed, Reason.OutOfMemory), (job.Row.State, job.Row.Reason));
        Assert.Contains("64 MiB", job.Row.Message);
        var attempt = Assert.Single(Assert.Single(job.Replicas).Attempts);
        Assert.Equal((137, true), (attempt.ExitCode, attempt.OomKilled));
    }

    [Fact]
    public async Task A_program_that_ends_well_after_the_kernel_killed_its_child_has_succeeded_with_a_warning()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var id = await console.SubmitAsync(Specs.Shell($"{Hog}; echo went on; exit 0"), Ct);
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Succeeded, Reason.Completed), (job.Row.State, job.Row.Reason));
        Assert.Contains("killed one of its processes at the memory limit", job.Row.Message);
        var attempt = Assert.Single(Assert.Single(job.Replicas).Attempts);
        Assert.Equal((0, true), (attempt.ExitCode, attempt.OomKilled));
    }

    [Fact]
    public async Task A_program_that_ignores_its_stop_and_is_killed_for_that_was_stopped()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var id = await console.SubmitAsync(Specs.Shell("trap '' TERM; echo deaf; while :; do sleep 1; done"), Ct);
        await console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == id && w.State == WorkloadState.Running, Ct),
            s_patience,
            Ct
        );
        var jobs = console.Services.GetRequiredService<JobQueries>();
        var attempt = (await jobs.FindAttemptAsync(ConsoleHarness.Admin, id, null, null, Ct))!;
        await console.UntilLineAsync(attempt.Id, "deaf", s_patience, Ct);
        await console.Services.GetRequiredService<StopWorkload>().RunAsync(ConsoleHarness.Admin, id, Ct);
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Stopped, Reason.StoppedByUser), (job.Row.State, job.Row.Reason));
        var end = Assert.Single(Assert.Single(job.Replicas).Attempts);
        Assert.Equal((137, Reason.StoppedByUser), (end.ExitCode, end.Reason));
    }
}
