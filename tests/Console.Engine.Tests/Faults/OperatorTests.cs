using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// An operator who works on our containers with `docker`: removes, renames, limits and pauses them. It is seen, told once
/// and not fought, and no GPU is taken for free that a container still has.
/// </summary>
public sealed class OperatorTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_removed_container_is_lost_once_and_its_job_goes_on_if_it_may()
    {
        await using var console = await StartAsync();
        const string Program = "echo attempt $DEEPLAB_ATTEMPT; [ $DEEPLAB_ATTEMPT = 2 ] || sleep 600";
        var goesOn = await RunAsync(console, Specs.Shell(Program, gpus: 2, maxRestarts: 1));
        var fails = await RunAsync(console, Specs.Shell(Program, gpus: 2));
        foreach (var id in new[] { goesOn, fails })
        {
            await console.UntilLineAsync((await console.AttemptAsync(id, Ct)).Id, "attempt 1", s_patience, Ct);
        }

        await DockerAsync(
            "rm",
            "-f",
            (await console.AttemptAsync(goesOn, Ct)).ContainerName,
            (await console.AttemptAsync(fails, Ct)).ContainerName
        );

        var lost = await console.WaitForEndAsync(fails, Ct);
        Assert.Equal((WorkloadState.Failed, Reason.ContainerLost), (lost.Row.State, lost.Row.Reason));
        var job = await console.WaitForEndAsync(goesOn, Ct);
        Assert.Equal((WorkloadState.Succeeded, 0), (job.Row.State, job.Restarts));
        Assert.Equal(
            [Reason.ContainerLost, Reason.Completed],
            Assert.Single(job.Replicas).Attempts.Select(a => a.Reason)
        );
        await console.UntilCleanAsync(Ct);
        Assert.Single(await EventsAsync(console, goesOn), e => e is { Kind: "exited", Reason: Reason.ContainerLost });
        await AssertAtRestAsync(console, goesOn, fails);
    }

    [Fact]
    public async Task A_renamed_container_keeps_its_gpus_and_is_stopped_and_removed_under_its_new_name()
    {
        await using var console = await StartAsync();
        var id = await RunAsync(console, Specs.Shell("sleep 600", gpus: 4));
        var attempt = await console.AttemptAsync(id, Ct);
        var other = $"renamed-{Guid.NewGuid():N}"[..20];

        await DockerAsync("rename", attempt.ContainerName, other);
        await UntilToldAsync(console, id, "rename", 1, other);
        await Fixpoint.AssertAsync(console, Ct, lists: 1);
        Assert.Equal(AttemptState.Running, (await console.AttemptAsync(id, Ct)).State);

        await DockerAsync("rename", other, attempt.ContainerName);
        await UntilToldAsync(console, id, "rename", 2, "its own name again");
        await DockerAsync("rename", attempt.ContainerName, other);
        await UntilToldAsync(console, id, "rename", 3, other);
        await console.StopAsync(id, Ct);
        Assert.Equal(WorkloadState.Stopped, (await console.WaitForEndAsync(id, Ct)).Row.State);
        await console.UntilCleanAsync(Ct);
        await AssertAtRestAsync(console, id);
    }

    [Fact]
    public async Task Changed_limits_are_told_with_numbers_and_left_as_they_are()
    {
        await using var console = await StartAsync();
        var id = await RunAsync(console, Specs.Shell("sleep 3"));
        var name = (await console.AttemptAsync(id, Ct)).ContainerName;

        await DockerAsync("update", "--memory", "48m", "--memory-swap", "48m", "--cpus", "0.5", name);

        await UntilToldAsync(
            console,
            id,
            "update",
            1,
            "memory is 48 MiB instead of 64 MiB, CPUs are 0.5 instead of 0.25"
        );
        Assert.Equal("50331648", (await DockerAsync("inspect", "-f", "{{.HostConfig.Memory}}", name)).Trim());
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(id, Ct)).Row.State);
        Assert.Single(await EventsAsync(console, id), e => e.Kind == "update");
    }

    [Fact]
    public async Task A_paused_job_keeps_its_place_and_goes_on_when_it_is_unpaused()
    {
        await using var console = await StartAsync();
        var id = await RunAsync(
            console,
            Specs.Shell("i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.1; done", gpus: 1)
        );
        var attempt = await console.AttemptAsync(id, Ct);

        await PauseAsync(console, id);
        await Fixpoint.AssertAsync(console, Ct, lists: 1);
        Assert.Equal(AttemptState.Running, (await console.AttemptAsync(id, Ct)).State);
        await DockerAsync("unpause", attempt.ContainerName);
        await UntilToldAsync(console, id, "pause", 2, "goes on");

        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(id, Ct)).Row.State);
        await console.UntilCleanAsync(Ct);
        await console.UntilLineAsync(attempt.Id, "line 59", s_patience, Ct);
    }

    [Fact]
    public async Task A_paused_job_can_be_stopped()
    {
        await using var console = await StartAsync();
        var id = await RunAsync(console, Specs.Shell("sleep 600", gpus: 1));
        await PauseAsync(console, id);

        await console.StopAsync(id, Ct);

        Assert.Equal(WorkloadState.Stopped, (await console.WaitForEndAsync(id, Ct)).Row.State);
        await console.UntilCleanAsync(Ct);
        await AssertAtRestAsync(console, id);
    }

    /// <summary>
    /// Of a job that makes nothing in its log folder, so that no reader of curves runs anything in it: an engine whose container
    /// is paused while a process enters it waits for that process for ever, and neither unpauses nor removes it.
    /// </summary>
    private static async Task PauseAsync(ConsoleHarness console, long id)
    {
        await DockerAsync("pause", (await console.AttemptAsync(id, Ct)).ContainerName);
        await UntilToldAsync(console, id, "pause", 1, "somebody paused");
    }

    private static async Task<ConsoleHarness> StartAsync()
    {
        var console = await ConsoleHarness.StartAsync(Ct);
        await console.UntilAsync(async db => await db.Gpus.CountAsync(Ct) == 4, s_patience, Ct);
        return console;
    }

    private static async Task<long> RunAsync(ConsoleHarness console, JobSpec spec)
    {
        var id = await console.SubmitAsync(spec, Ct);
        await console.UntilStateAsync(id, WorkloadState.Running, Ct);
        return id;
    }

    private static Task<string> DockerAsync(params string[] arguments) =>
        Shell.DockerAsync(ConsoleHarness.Engine, Ct, arguments);

    private static async Task<IReadOnlyList<WorkloadEvent>> EventsAsync(ConsoleHarness console, long id)
    {
        await using var db = await console.DbAsync(Ct);
        return await db.Events.AsNoTracking().Where(e => e.WorkloadId == id).OrderBy(e => e.Seq).ToListAsync(Ct);
    }

    /// <summary>Waits until a kind was told so often, and looks for words in the last of them.</summary>
    private static async Task UntilToldAsync(ConsoleHarness console, long id, string kind, int times, string words)
    {
        await console.UntilAsync(
            async db => await db.Events.CountAsync(e => e.WorkloadId == id && e.Kind == kind, Ct) >= times,
            s_patience,
            Ct
        );
        var told = (await EventsAsync(console, id)).Where(e => e.Kind == kind).ToList();
        Assert.Equal(times, told.Count);
        Assert.Contains(words, told[^1].Message);
    }

    private static async Task AssertAtRestAsync(ConsoleHarness console, params long[] jobs)
    {
        await using var sql = NpgsqlDataSource.Create(console.Options.Database);
        var engine = console.Services.GetRequiredService<IEngineFactory>().Get(ConsoleHarness.Engine);
        await Invariants.AtRestAsync(sql, engine, jobs, Ct);
    }
}
