using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// GPUs that go bad under a job: errors that the driver reports, devices that are taken from running containers
/// (`systemctl daemon-reload`), and indices that change over a reboot.
/// </summary>
public sealed class GpuFaultTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("ecc=3", "3 ECC errors")]
    [InlineData("temperature=ERR!", "ERR!")]
    public async Task A_sick_gpu_is_not_leased_its_job_is_told_and_a_failure_on_it_is_an_interruption(
        string fault,
        string words
    )
    {
        await using var host = await LabHost.UpAsync(2, Ct);
        await using var console = await StartAsync(host, 2);
        // Until it is told, it knows of nothing
        const string Program = "[ $DEEPLAB_ATTEMPT = 2 ] && exit; until [ -e /tmp/die ]; do sleep 0.1; done; exit 74";
        var id = await console.SubmitAsync(Specs.Shell(Program, gpus: 1, maxRestarts: 1), Ct);
        await StateAsync(console, id, WorkloadState.Running);
        var gpu = await HeldAsync(console, id);
        var both = await console.SubmitAsync(Specs.Shell("true", gpus: 2), Ct);

        await host.FaultAsync(gpu.Index, Ct, fault);
        await console.UntilAsync(
            db => db.Gpus.AnyAsync(g => g.Uuid == gpu.Uuid && g.Health == GpuHealth.Sick, Ct),
            s_patience,
            Ct
        );
        // Told, and it runs on
        var told = Assert.Single(await EventsAsync(console, id), e => e.Kind == "gpu-sick");
        Assert.Contains(gpu.Uuid, told.Message);
        Assert.Contains(words, told.Message);
        await StateAsync(console, id, WorkloadState.Running);
        await Shell.TellAsync(host.Address, await ContainerAsync(console, id), Ct, "touch", "/tmp/die");
        var job = await console.WaitForEndAsync(id, s_patience, Ct);
        Assert.Equal((WorkloadState.Succeeded, 0, 1), (job.Row.State, job.Restarts, job.Interruptions));
        var attempts = Assert.Single(job.Replicas).Attempts;
        Assert.Equal([Reason.GpuFailed, Reason.Completed], attempts.Select(a => a.Reason));
        Assert.DoesNotContain(gpu.Uuid, attempts[1].Gpus);
        await StateAsync(console, both, WorkloadState.Queued);
        // Sound again, and the job that needs both has them
        await host.FaultAsync(gpu.Index, Ct);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(both, s_patience, Ct)).Row.State);
        await using var db = await console.DbAsync(Ct);
        Assert.Equal(2, await db.Gpus.CountAsync(g => g.Health == GpuHealth.Healthy && g.HealthMessage == "", Ct));
    }

    [Fact]
    public async Task A_job_that_dies_of_its_gpu_before_anybody_knew_is_interrupted_and_the_gpu_goes_to_nobody()
    {
        await using var host = await LabHost.UpAsync(2, Ct);
        await using var console = await StartAsync(host, 2);
        const string Program = """
            [ $DEEPLAB_ATTEMPT = 2 ] && exit
            errors=0
            while [ $errors = 0 ]; do errors=$(nvidia-smi --query-gpu=ecc.errors.uncorrected.volatile.total --format=csv,noheader,nounits); done
            exit 74
            """;
        var id = await console.SubmitAsync(Specs.Shell(Program, gpus: 1, maxRestarts: 1), Ct);
        await StateAsync(console, id, WorkloadState.Running);
        var gpu = await HeldAsync(console, id);
        await host.FaultAsync(gpu.Index, Ct, "ecc=1");
        var job = await console.WaitForEndAsync(id, s_patience, Ct);
        Assert.Equal((WorkloadState.Succeeded, 0, 1), (job.Row.State, job.Restarts, job.Interruptions));
        var attempts = Assert.Single(job.Replicas).Attempts;
        Assert.Equal(Reason.GpuFailed, attempts[0].Reason);
        Assert.Contains("1 ECC error that", attempts[0].Message);
        Assert.DoesNotContain(gpu.Uuid, attempts[1].Gpus);
    }

    [Fact]
    public async Task Containers_that_lose_their_devices_are_interrupted_and_the_host_says_so()
    {
        await using var host = await LabHost.UpAsync(1, Ct);
        await using var console = await StartAsync(host, 1);
        const string Program =
            "[ $DEEPLAB_ATTEMPT = 2 ] && exec nvidia-smi -L; while nvidia-smi -L; do sleep 0.2; done; exit 1";
        var id = await console.SubmitAsync(Specs.Shell(Program, gpus: 1, maxRestarts: 1), Ct);
        await StateAsync(console, id, WorkloadState.Running);
        await host.ReloadAsync(Ct);
        var job = await console.WaitForEndAsync(id, s_patience, Ct);
        Assert.Equal((WorkloadState.Succeeded, 0, 1), (job.Row.State, job.Restarts, job.Interruptions));
        var attempt = Assert.Single(job.Replicas).Attempts[0];
        Assert.Equal(Reason.GpuFailed, attempt.Reason);
        Assert.Contains("Failed to initialize NVML: Unknown Error", attempt.Message);
        await console.UntilAsync(
            async db =>
                (await db.Hosts.AsNoTracking().SingleAsync(Ct)).Preflight!.Findings.Any(f =>
                    f is { Check: "gpu-access", Severity: FindingSeverity.Warning }
                    && f.Message.Contains($"-{id}-worker-0-1")
                ),
            s_patience,
            Ct
        );
    }

    [Fact]
    public async Task A_program_that_fails_by_itself_is_not_excused_by_sound_gpus()
    {
        await using var host = await LabHost.UpAsync(1, Ct);
        await using var console = await StartAsync(host, 1);
        var id = await console.SubmitAsync(Specs.Shell("exit 3", gpus: 1), Ct);
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Failed, Reason.ExitedNonZero), (job.Row.State, job.Row.Reason));
    }

    [Fact]
    public async Task Gpus_whose_indices_change_over_a_reboot_are_held_by_their_uuids()
    {
        await using var host = await LabHost.UpAsync(4, Ct);
        await using var console = await StartAsync(host, 4);
        var before = await IndicesAsync(console);
        const string Program = "[ $DEEPLAB_ATTEMPT = 2 ] && exit; exec sleep 600";
        var running = await console.SubmitAsync(Specs.Shell(Program, gpus: 3, maxRestarts: 1), Ct);
        await StateAsync(console, running, WorkloadState.Running);

        await host.StopAsync(Ct);
        await host.ReorderAsync(Ct);
        await host.StartAsync(Ct);

        var job = await console.WaitForEndAsync(running, s_patience, Ct);
        Assert.Equal((WorkloadState.Succeeded, 1), (job.Row.State, job.Interruptions));
        await console.UntilAsync(
            async db => (await db.Gpus.ToListAsync(Ct)).All(g => g.Index == 3 - before[g.Uuid]),
            s_patience,
            Ct
        );
        Assert.Equal(before.Keys.Order(), (await IndicesAsync(console)).Keys.Order());
        // Two at once hold two each; what each sees is what it was leased, and its container asked for just that
        var pair = new[]
        {
            await console.SubmitAsync(Specs.Shell("nvidia-smi -L; echo seen; exec sleep 600", gpus: 2), Ct),
            await console.SubmitAsync(Specs.Shell("nvidia-smi -L; echo seen; exec sleep 600", gpus: 2), Ct),
        };
        foreach (var id in pair)
        {
            await StateAsync(console, id, WorkloadState.Running);
        }
        var engine = console.Services.GetRequiredService<IEngineFactory>().Get(host.Address);
        await using (var sql = NpgsqlDataSource.Create(console.Options.Database))
        {
            await Invariants.AlwaysAsync(sql, engine, Ct);
        }
        foreach (var id in pair)
        {
            var attempt = Assert.Single(Assert.Single((await FindAsync(console, id)).Replicas).Attempts);
            await console.UntilLineAsync(attempt.Id, "seen", s_patience, Ct);
            var lines = await console.Services.GetRequiredService<LogReader>().ReadAsync(attempt.Id, 0, 2, Ct);
            Assert.Equal(
                attempt.Gpus.Order(),
                lines
                    .Select(l => l.Text[(l.Text.IndexOf("UUID: ", StringComparison.Ordinal) + 6)..].TrimEnd(')'))
                    .Order()
            );
        }
    }

    private static async Task<ConsoleHarness> StartAsync(LabHost host, int gpus)
    {
        var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = host.Address });
        await console.UntilAsync(async db => await db.Gpus.CountAsync(Ct) == gpus, s_patience, Ct);
        return console;
    }

    private static Task StateAsync(ConsoleHarness console, long id, WorkloadState state) =>
        console.UntilAsync(db => db.Workloads.AnyAsync(w => w.Id == id && w.State == state, Ct), s_patience, Ct);

    private static async Task<Gpu> HeldAsync(ConsoleHarness console, long id)
    {
        await using var db = await console.DbAsync(Ct);
        var lease = await db.Leases.SingleAsync(l => l.WorkloadId == id && l.ReleasedAt == null, Ct);
        return await db.Gpus.SingleAsync(g => g.Uuid == lease.GpuUuid, Ct);
    }

    private static async Task<Dictionary<string, int>> IndicesAsync(ConsoleHarness console)
    {
        await using var db = await console.DbAsync(Ct);
        return await db.Gpus.ToDictionaryAsync(g => g.Uuid, g => g.Index, Ct);
    }

    private static async Task<string> ContainerAsync(ConsoleHarness console, long id)
    {
        await using var db = await console.DbAsync(Ct);
        return await db.Attempts.Where(a => a.WorkloadId == id).Select(a => a.ContainerName).SingleAsync(Ct);
    }

    private static async Task<JobDetail> FindAsync(ConsoleHarness console, long id) =>
        (await console.Services.GetRequiredService<JobQueries>().FindAsync(ConsoleHarness.Admin, id, Ct))!;

    private static async Task<IReadOnlyList<EventView>> EventsAsync(ConsoleHarness console, long id) =>
        (await console.Services.GetRequiredService<JobQueries>().EventsAsync(ConsoleHarness.Admin, id, 0, 200, Ct))!;
}
