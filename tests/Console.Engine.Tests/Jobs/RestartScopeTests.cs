using System.Collections.Immutable;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Jobs;

/// <summary>A replica that dies and is started again alone.</summary>
public sealed class RestartScopeTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static JobSpec Alone(JobSpec spec) =>
        spec with
        {
            Topology = Topology.Array,
            Roles = [spec.Roles[0] with { RestartScope = RestartScope.Replica }],
        };

    private static Task TouchAsync(string container, string path) =>
        Shell.TellAsync(ConsoleHarness.Engine, container, Ct, "touch", path);

    [Fact]
    public async Task One_that_is_killed_comes_back_with_its_GPU_and_the_others_run_on()
    {
        const string Task = """
            echo attempt $DEEPLAB_ATTEMPT
            [ $DEEPLAB_ARRAY_INDEX = 1 ] && [ $DEEPLAB_ATTEMPT = 2 ] && exit 0
            until [ -e /tmp/go ]; do sleep 0.1; done
            """;
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var id = await console.SubmitAsync(Alone(Specs.Shell(Task, gpus: 1, replicas: 2, maxRestarts: 2)), Ct);
        await console.UntilStateAsync(id, WorkloadState.Running, Ct);
        var first = await AttemptsAsync(console, id);
        await Shell.DockerAsync(ConsoleHarness.Engine, Ct, "kill", "-s", "KILL", first[1].ContainerName);
        await console.UntilAsync(
            db => db.Attempts.AnyAsync(a => a.WorkloadId == id && a.Number == 2 && a.ExitCode == 0, Ct),
            s_patience,
            Ct
        );
        var running = (await DetailAsync(console, id)).Row;
        Assert.Equal(WorkloadState.Running, running.State);
        Assert.Contains("worker-1 ", running.Message);
        Assert.Contains("was started again alone", running.Message);

        await TouchAsync(first[0].ContainerName, "/tmp/go");
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
        Assert.StartsWith("all 2 replicas ended with exit code 0; worker-1 ", job.Row.Message);
        Assert.Equal((1, 0), (job.Restarts, job.Interruptions));
        Assert.Equal([1, 2], job.Replicas.Select(r => r.Attempts.Count));
        var untouched = job.Replicas[0].Attempts[0];
        Assert.Equal((first[0].Id, first[0].StartedAt), (untouched.Id, untouched.StartedAt));
        var (died, came) = (job.Replicas[1].Attempts[0], job.Replicas[1].Attempts[1]);
        Assert.Equal((137, Reason.Completed), (died.ExitCode, came.Reason));
        Assert.Equal((died.Host, died.Gpus[0]), (came.Host, Assert.Single(came.Gpus)));
        Assert.NotEqual(untouched.Gpus[0], came.Gpus[0]);

        await console.UntilCleanAsync(Ct);
        await using var db = await console.DbAsync(Ct);
        var leases = await db.Leases.Where(l => l.WorkloadId == id).OrderBy(l => l.Id).ToListAsync(Ct);
        Assert.All(leases, l => Assert.NotNull(l.ReleasedAt));
        // The second holds it from the moment at which the first does not any more
        var handed = leases.Where(l => l.GpuUuid == came.Gpus[0]).ToList();
        Assert.Equal([died.Id, came.Id], handed.Select(l => l.AttemptId));
        Assert.Equal(handed[0].ReleasedAt, handed[1].LeasedAt);
        var told = await db
            .Events.Where(e => e.WorkloadId == id && e.Kind == "restarting")
            .Select(e => new
            {
                e.Replica,
                e.Attempt,
                e.Message,
            })
            .SingleAsync(Ct);
        Assert.Equal(("worker-1", 2), (told.Replica, told.Attempt));
        Assert.StartsWith("worker-1 ", told.Message);
        Assert.EndsWith("; it alone is started again in place: restart 1 of 2", told.Message);
        Assert.False(await db.Events.AnyAsync(e => e.WorkloadId == id && e.Kind == "stopping", Ct));
    }

    [Fact]
    public async Task Of_an_array_only_the_tasks_that_have_not_succeeded_are_started_again()
    {
        const string Task = """
            echo task $DEEPLAB_ARRAY_INDEX of $DEEPLAB_ARRAY_SIZE
            [ $DEEPLAB_ARRAY_INDEX = 0 ] || [ $DEEPLAB_ATTEMPT -gt $DEEPLAB_ARRAY_INDEX ]
            """;
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var spec = Specs.Shell(Task, gpus: 1, replicas: 3, maxRestarts: 2) with { Topology = Topology.Array };
        var id = await console.SubmitAsync(spec, Ct);
        var job = await console.WaitForEndAsync(id, s_patience, Ct);
        Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
        Assert.Equal("all 3 replicas ended with exit code 0, 2 of them in earlier rounds", job.Row.Message);
        Assert.Equal(2, job.Restarts);
        var attempts = await AttemptsAsync(console, id);
        Assert.Equal(
            ["worker-0 1", "worker-1 1", "worker-1 2", "worker-2 1", "worker-2 2", "worker-2 3"],
            attempts.Select(a => $"{a.ReplicaName} {a.Number}").Order(StringComparer.Ordinal)
        );
        foreach (var a in attempts)
        {
            await console.UntilLineAsync(a.Id, $"task {a.ReplicaName[^1]} of 3", s_patience, Ct);
        }
        await console.UntilCleanAsync(Ct);
        await using var db = await console.DbAsync(Ct);
        var placed = await db
            .Events.Where(e => e.WorkloadId == id && e.Kind == "placed")
            .OrderBy(e => e.Seq)
            .Select(e => e.Message)
            .ToListAsync(Ct);
        Assert.EndsWith(" with 3 GPUs", placed[0]);
        Assert.EndsWith(" with 2 GPUs, the 2 tasks that had not succeeded", placed[1]);
        Assert.EndsWith(" with 1 GPU, the 1 task that had not succeeded", placed[2]);
    }

    [Fact]
    public async Task Beside_it_another_role_takes_the_gang_along_and_that_is_numbered_above_all()
    {
        const string Dies = """
            [ $DEEPLAB_ATTEMPT = 1 ] && exit 3
            [ $DEEPLAB_ATTEMPT = 3 ] && exit 0
            exec sleep 600
            """;
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var servers = Specs
            .Shell("[ $DEEPLAB_ATTEMPT = 3 ] && exec sleep 600; until [ -e /tmp/fail ]; do sleep 0.1; done; exit 4")
            .Roles[0] with
        {
            Name = "ps",
        };
        var spec = Specs.Shell(Dies, maxRestarts: 2) with { Topology = Topology.ParameterServers };
        spec = spec with { Roles = [servers, spec.Roles[0] with { RestartScope = RestartScope.Replica }] };
        var id = await console.SubmitAsync(spec, Ct);
        await console.UntilAsync(
            db => db.Attempts.AnyAsync(a => a.WorkloadId == id && a.ReplicaName == "worker-0" && a.Number == 2, Ct),
            s_patience,
            Ct
        );
        // A server that dies has the gang's scope
        var server = (await AttemptsAsync(console, id)).First(a => a.ReplicaName == "ps-0");
        await TouchAsync(server.ContainerName, "/tmp/fail");
        var job = await console.WaitForEndAsync(id, s_patience, Ct);
        Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
        Assert.Equal(2, job.Restarts);
        await using var db = await console.DbAsync(Ct);
        var attempts = await db.Attempts.Where(a => a.WorkloadId == id).OrderBy(a => a.Id).ToListAsync(Ct);
        Assert.Equal(
            ["ps-0 1 1", "ps-0 3 2", "worker-0 1 1", "worker-0 2 1", "worker-0 3 2"],
            attempts.Select(a => $"{a.ReplicaName} {a.Number} {a.Round}").Order(StringComparer.Ordinal)
        );
    }

    [Fact]
    public async Task An_evaluator_that_dies_comes_back_alone_and_is_stopped_once_the_chief_is_done()
    {
        const string Meets =
            "until getent hosts worker-0 > /dev/null; do sleep 0.1; done; echo $TF_CONFIG; until [ -e /tmp/go ]; do sleep 0.1; done";
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var chief = Specs.Shell(Meets).Roles[0];
        var spec = Specs.Shell("", maxRestarts: 1) with { Topology = Topology.ChiefEvaluator };
        var evaluator = Specs.Shell("[ $DEEPLAB_ATTEMPT = 1 ] && exit 7; echo watches; exec sleep 600").Roles[0];
        spec = spec with
        {
            Roles =
            [
                chief with
                {
                    Name = "chief",
                },
                chief with
                {
                    Name = "worker",
                },
                evaluator with
                {
                    Name = "evaluator",
                    RestartScope = RestartScope.Replica,
                },
            ],
        };
        var id = await console.SubmitAsync(spec, Ct);
        await console.UntilAsync(
            db => db.Attempts.AnyAsync(a => a.WorkloadId == id && a.Number == 2 && a.StartedAt != null, Ct),
            s_patience,
            Ct
        );
        var attempts = await AttemptsAsync(console, id);
        await console.UntilLineAsync(attempts.Single(a => a.Number == 2).Id, "watches", s_patience, Ct);
        const string Cluster =
            """{"cluster":{"chief":["chief-0:2222"],"worker":["worker-0:2222"]},"task":{"type":"chief","index":0}}""";
        await console.UntilLineAsync(attempts.Single(a => a.ReplicaName == "chief-0").Id, Cluster, s_patience, Ct);
        foreach (var computes in attempts.Where(a => a.ReplicaName is "chief-0" or "worker-0"))
        {
            await TouchAsync(computes.ContainerName, "/tmp/go");
        }
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
        Assert.Equal(
            ["chief-0 Completed", "evaluator-0 ExitedNonZero", "evaluator-0 NoLongerNeeded", "worker-0 Completed"],
            job.Replicas.SelectMany(r => r.Attempts.Select(a => $"{r.Name} {a.Reason}")).Order(StringComparer.Ordinal)
        );
    }

    private static async Task<JobDetail> DetailAsync(ConsoleHarness console, long id) =>
        Assert.IsType<JobDetail>(
            await console.Services.GetRequiredService<JobQueries>().FindAsync(ConsoleHarness.Admin, id, Ct)
        );

    private static async Task<ImmutableArray<Attempt>> AttemptsAsync(ConsoleHarness console, long id)
    {
        await using var db = await console.DbAsync(Ct);
        return
        [
            .. await db
                .Attempts.AsNoTracking()
                .Where(a => a.WorkloadId == id)
                .OrderBy(a => a.ReplicaName)
                .ToListAsync(Ct),
        ];
    }
}
