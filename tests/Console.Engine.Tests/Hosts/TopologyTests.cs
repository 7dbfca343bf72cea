using System.Collections.Immutable;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Hosts;

/// <summary>Jobs of several replicas over three real engines, on one console.</summary>
public sealed class TopologyTests(LabFleet fleet, TopologyConsole lab) : IClassFixture<TopologyConsole>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>
    /// Says what the replica was told, and whether the address that its own name has, which the others find, is of the
    /// interface that it was told: its network is the one that this interface leads to.
    /// </summary>
    private const string Tell = """
        env | grep -E '^(MASTER_|WORLD_SIZE|RANK|LOCAL_|PET_|TF_CONFIG|USE_LIBUV|[A-Z]*_SOCKET_IFNAME|DEEPLAB_ARRAY_)' | sort
        perl -e '
            use Socket;
            my $own = unpack("V", scalar gethostbyname($ENV{DEEPLAB_REPLICA}));
            open(my $routes, "<", "/proc/net/route") or die;
            while (<$routes>) {
                my ($name, $to, $mask) = (split)[0, 1, 7];
                next if $name ne $ENV{GLOO_SOCKET_IFNAME} or $mask !~ /[1-9A-F]/;
                print "the interface holds the address\n" if ($own & hex $mask) == hex $to;
            }'
        for other in $OTHERS; do until getent hosts $other > /dev/null; do sleep 0.1; done; echo "$other is there"; done

        """;

    [Fact]
    public async Task Workers_and_servers_know_each_other_and_the_servers_are_stopped_once_the_workers_have_succeeded()
    {
        var console = await lab.StartAsync(fleet, Ct);
        var servers = Specs.Shell(Tell + "exec sleep 600").Roles[0] with { Name = "ps" };
        // Its name is gone with a worker that has ended, for one that still looks for it
        var workers = Specs.Shell(Tell + "sleep 3", replicas: 2).Roles[0];
        var id = await lab.SubmitAsync(
            TopologyConsole.Spread(Specs.Shell("")) with
            {
                Topology = Topology.ParameterServers,
                Roles = [servers, workers],
                Env = ImmutableSortedDictionary<string, string>.Empty.Add("OTHERS", "ps-0 worker-0 worker-1"),
            },
            Ct
        );
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
        Assert.Equal(3, job.Replicas.Select(r => r.Attempts[0].Host).Distinct().Count());
        Assert.Equal(
            [Reason.NoLongerNeeded, Reason.Completed, Reason.Completed],
            job.Replicas.OrderBy(r => r.Name).Select(r => r.Attempts[0].Reason)
        );
        foreach (var (replica, rank) in job.Replicas.OrderBy(r => r.Name).Select((r, i) => (r, i)))
        {
            var log = await TopologyConsole.LogAsync(console, replica, Ct);
            var task = $$"""{"type":"{{replica.Role}}","index":{{replica.Index}}}""";
            Assert.Equal(
                [
                    "GLOO_SOCKET_IFNAME=eth0",
                    "LOCAL_RANK=0",
                    "LOCAL_WORLD_SIZE=1",
                    "MASTER_ADDR=ps-0",
                    "MASTER_PORT=29500",
                    "NCCL_SOCKET_IFNAME=eth0",
                    $"PET_LOCAL_ADDR={replica.Name}",
                    "PET_MASTER_ADDR=ps-0",
                    "PET_MASTER_PORT=29500",
                    "PET_NNODES=3",
                    $"PET_NODE_RANK={rank}",
                    "PET_NPROC_PER_NODE=1",
                    "PET_RDZV_BACKEND=c10d",
                    "PET_RDZV_ENDPOINT=ps-0:29400",
                    $"PET_RDZV_ID={id}-1",
                    $"RANK={rank}",
                    $$"""TF_CONFIG={"cluster":{"worker":["worker-0:2222","worker-1:2222"],"ps":["ps-0:2222"]},"task":{{task}}}""",
                    "TP_SOCKET_IFNAME=eth0",
                    "USE_LIBUV=0",
                    "WORLD_SIZE=3",
                    "the interface holds the address",
                    "ps-0 is there",
                    "worker-0 is there",
                    "worker-1 is there",
                ],
                log
            );
        }
        await SwarmCluster.AtRestAsync(console, fleet, lab.Jobs, Ct);
    }

    [Theory]
    // They stay until all have looked: one that has ended has no name
    [InlineData(
        "for other in worker-0 worker-1 worker-2; do getent hosts $other > /dev/null || { echo no $other; exit 9; }; done; sleep 3"
    )]
    // Nobody is waited for who has come and gone
    [InlineData("true")]
    public async Task Each_knows_all_names_in_its_first_line(string first)
    {
        var console = await lab.StartAsync(fleet, Ct);
        for (var n = 0; n < 2; n++)
        {
            var id = await lab.SubmitAsync(TopologyConsole.Spread(Specs.Shell(first, replicas: 3)), Ct);
            var job = await console.WaitForEndAsync(id, Ct);
            Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
            Assert.Equal(3, job.Replicas.Select(r => r.Attempts[0].Host).Distinct().Count());
            foreach (var replica in job.Replicas)
            {
                Assert.Empty(await TopologyConsole.LogAsync(console, replica, Ct));
            }
        }
        await SwarmCluster.AtRestAsync(console, fleet, lab.Jobs, Ct);
    }

    [Fact]
    public async Task A_task_of_an_array_that_fails_stops_no_other_and_the_job_tells_which()
    {
        var console = await lab.StartAsync(fleet, Ct);
        const string Task =
            "echo task $DEEPLAB_ARRAY_INDEX of $DEEPLAB_ARRAY_SIZE; [ $DEEPLAB_ARRAY_INDEX = 1 ] && exit 3; sleep 3; echo done";
        var spec = TopologyConsole.Spread(Specs.Shell(Task, replicas: 4)) with { Topology = Topology.Array };
        var id = await lab.SubmitAsync(spec, Ct);
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal(WorkloadState.Failed, job.Row.State);
        Assert.StartsWith("1 of 4 tasks did not succeed: worker-1: ", job.Row.Message);
        foreach (var task in job.Replicas)
        {
            Assert.Equal(task.Index == 1 ? 3 : 0, task.Attempts[0].ExitCode);
            Assert.Equal(
                task.Index == 1 ? ["task 1 of 4"] : [$"task {task.Index} of 4", "done"],
                await TopologyConsole.LogAsync(console, task, Ct)
            );
        }
        await SwarmCluster.AtRestAsync(console, fleet, lab.Jobs, Ct);
    }

    [Fact]
    public async Task A_server_that_dies_before_the_workers_are_done_fails_the_job_and_is_named()
    {
        var console = await lab.StartAsync(fleet, Ct);
        var id = await lab.SubmitAsync(
            TopologyConsole.Spread(Specs.Shell("")) with
            {
                Topology = Topology.ParameterServers,
                Roles =
                [
                    Specs.Shell("sleep 1; exit 5").Roles[0] with
                    {
                        Name = "ps",
                    },
                    Specs.Shell("exec sleep 600").Roles[0],
                ],
            },
            Ct
        );
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Failed, Reason.ExitedNonZero), (job.Row.State, job.Row.Reason));
        Assert.StartsWith("ps-0 on ", job.Row.Message);
        await SwarmCluster.AtRestAsync(console, fleet, lab.Jobs, Ct);
    }
}

/// <summary>One console on the fleet's Swarm for all tests of a class.</summary>
public sealed class TopologyConsole : IAsyncDisposable
{
    private ConsoleHarness? _console;

    /// <summary>All that were submitted to it.</summary>
    public List<long> Jobs { get; } = [];

    public async Task<ConsoleHarness> StartAsync(LabFleet fleet, CancellationToken ct)
    {
        await fleet.ReadyAsync(ct);
        return _console ??= await SwarmCluster.StartAsync(fleet, ct);
    }

    public async Task<long> SubmitAsync(JobSpec spec, CancellationToken ct)
    {
        Jobs.Add(await _console!.SubmitAsync(spec, ct));
        return Jobs[^1];
    }

    public ValueTask DisposeAsync() => _console?.DisposeAsync() ?? ValueTask.CompletedTask;

    internal static JobSpec Spread(JobSpec spec) =>
        spec with
        {
            Cluster = SwarmCluster.Name,
            Placement = new PlacementSpec { Mode = PlacementMode.Spread },
        };

    /// <summary>All lines of a replica's one attempt, once its log is archived.</summary>
    internal static async Task<string[]> LogAsync(ConsoleHarness console, ReplicaView replica, CancellationToken ct)
    {
        var attempt = Assert.Single(replica.Attempts).Id;
        await console.UntilAsync(
            db => Task.FromResult(db.Attempts.Any(a => a.Id == attempt && a.LogArchived)),
            TimeSpan.FromSeconds(30),
            ct
        );
        var lines = await console.Services.GetRequiredService<LogReader>().ReadAsync(attempt, 0, 10_000, ct);
        return [.. lines.Select(l => l.Text)];
    }
}
