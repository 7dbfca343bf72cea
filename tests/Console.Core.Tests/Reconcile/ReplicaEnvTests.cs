using System.Security.Cryptography;
using System.Text;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Tests.Workloads;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Reconcile;

public sealed class ReplicaEnvTests
{
    [Fact]
    public void A_worker_beside_parameter_servers_knows_its_place_in_every_framework()
    {
        var env = Of("parameterServers", "worker:3 ps:2", "worker-1", gpus: 4);
        Assert.Equal("ps-0", env["MASTER_ADDR"]);
        Assert.Equal("29500", env["MASTER_PORT"]);
        Assert.Equal("5", env["WORLD_SIZE"]);
        Assert.Equal("3", env["RANK"]);
        Assert.Equal(("0", "1"), (env["LOCAL_RANK"], env["LOCAL_WORLD_SIZE"]));
        Assert.Equal(("5", "3", "4"), (env["PET_NNODES"], env["PET_NODE_RANK"], env["PET_NPROC_PER_NODE"]));
        Assert.Equal(
            ("c10d", "ps-0:29400", "7-2"),
            (env["PET_RDZV_BACKEND"], env["PET_RDZV_ENDPOINT"], env["PET_RDZV_ID"])
        );
        Assert.Equal("worker-1", env["PET_LOCAL_ADDR"]);
        Assert.Equal(
            """{"cluster":{"worker":["worker-0:2222","worker-1:2222","worker-2:2222"],"ps":["ps-0:2222","ps-1:2222"]},"task":{"type":"worker","index":1}}""",
            env["TF_CONFIG"]
        );
        Assert.Equal("0", env["USE_LIBUV"]);
        Assert.All(
            ["GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"],
            name => Assert.Equal("eth0", env[name])
        );
    }

    [Fact]
    public void On_its_hosts_networks_each_port_is_a_leased_one_and_no_interface_is_named()
    {
        var spec = TopologyTests.Read("parameterServers", "ps:1 worker:2").Spec! with { HostNetwork = true };
        var doors = spec
            .Roles.SelectMany(r => r.Names())
            .SelectMany(r => ReplicaPorts.Of(spec, r).Select(p => (Replica: r, p.Name)))
            .Select((d, i) => (d.Replica, Door(d.Name, 30000 + i)))
            .ToArray();
        var ports = new RoundPorts(doors);
        var env = ReplicaEnv
            .Defaults(spec)
            .Concat(ReplicaEnv.Of(spec, "worker-1", 7, 2, ports))
            .ToDictionary(StringComparer.Ordinal);
        Assert.Equal(("ps-0", "30001"), (env["MASTER_ADDR"], env["MASTER_PORT"]));
        Assert.Equal("ps-0:30002", env["PET_RDZV_ENDPOINT"]);
        Assert.Equal("30006", env["DEEPLAB_PORT"]);
        Assert.Equal(
            """{"cluster":{"worker":["worker-0:30005","worker-1:30007"],"ps":["ps-0:30003"]},"task":{"type":"worker","index":1}}""",
            env["TF_CONFIG"]
        );
        Assert.DoesNotContain(env.Keys, k => k.Contains("IFNAME", StringComparison.Ordinal));
        Assert.Equal(["ps-0", "worker-0", "worker-1"], ports.Addresses.Select(a => a.Replica));
    }

    private static Endpoint Door(string name, int port) =>
        new()
        {
            Name = name,
            Address = "10.0.0.1",
            Port = port,
        };

    [Fact]
    public void A_chief_goes_first_and_an_evaluator_is_no_part_of_the_cluster()
    {
        const string roles = "worker:2 evaluator:1 chief:1";
        Assert.Equal("0", Of("chiefEvaluator", roles, "chief-0")["RANK"]);
        var worker = Of("chiefEvaluator", roles, "worker-1");
        Assert.Equal(("chief-0", "3", "2"), (worker["MASTER_ADDR"], worker["WORLD_SIZE"], worker["RANK"]));
        var evaluator = Of("chiefEvaluator", roles, "evaluator-0");
        Assert.Equal(("evaluator-0", "1"), (evaluator["MASTER_ADDR"], evaluator["WORLD_SIZE"]));
        Assert.Equal(
            """{"cluster":{"chief":["chief-0:2222"],"worker":["worker-0:2222","worker-1:2222"]},"task":{"type":"evaluator","index":0}}""",
            evaluator["TF_CONFIG"]
        );
    }

    [Fact]
    public void A_task_of_an_array_knows_its_number_and_nobody_else()
    {
        var env = Of("array", "task:8", "task-5");
        Assert.Equal(("5", "8"), (env["DEEPLAB_ARRAY_INDEX"], env["DEEPLAB_ARRAY_SIZE"]));
        Assert.Equal(("1", "0", "task-5"), (env["WORLD_SIZE"], env["RANK"], env["MASTER_ADDR"]));
        Assert.DoesNotContain("TF_CONFIG", env.Keys);
    }

    [Fact]
    public void Tasks_of_an_array_keep_their_checkpoints_apart()
    {
        var array = TopologyTests.Read("array", "task:2").Spec! with { Checkpoint = new CheckpointSpec() };
        var shared = array with { Checkpoint = new CheckpointSpec { Volume = "kept" } };
        Assert.Equal("/checkpoints/task-1", CheckpointLaunch.FolderOf(array, 7, "task-1"));
        Assert.Equal("/checkpoints/job-7/task-1", CheckpointLaunch.FolderOf(shared, 7, "task-1"));
        var peers = array with { Topology = Topology.Peers };
        Assert.Equal("/checkpoints", CheckpointLaunch.FolderOf(peers, 7, "task-1"));
    }

    [Fact]
    public void A_job_of_one_replica_has_no_cluster_and_an_environment_nothing()
    {
        var env = Of("peers", "worker:1", "worker-0");
        Assert.Equal(("1", "worker-0"), (env["WORLD_SIZE"], env["MASTER_ADDR"]));
        Assert.DoesNotContain("TF_CONFIG", env.Keys);
        var spec = TopologyTests.Read("peers", "environment:1").Spec! with { Environment = new EnvironmentSpec() };
        Assert.Empty(ReplicaEnv.Defaults(spec).Concat(ReplicaEnv.Of(spec, "environment-0", 1, 1)));
    }

    [Fact]
    public void No_user_sets_what_only_the_console_may_set()
    {
        var all = ((string, string)[])
            [("parameterServers", "ps:1 worker:1"), ("array", "worker:2"), ("mpi", "worker:2")];
        Assert.All(
            all.SelectMany(t => ReplicaEnv.Of(TopologyTests.Read(t.Item1, t.Item2).Spec!, "worker-0", 1, 1)),
            v => Assert.NotNull(SpecEnv.WhyReserved(v.Name))
        );
        Assert.Null(SpecEnv.WhyReserved("PET_MAX_RESTARTS"));
    }

    [Fact]
    public void An_mpi_job_has_its_hosts_by_slots_and_a_public_key_of_its_private_one()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var files = MpiFiles
            .Make(TopologyTests.Read("mpi", "mpi:2", gpus: 2).Spec!, key.ExportECPrivateKeyPem())
            .Where(f => f.Content is not null)
            .ToDictionary(f => Path.GetFileName(f.Path), f => (f.Mode, Text: Encoding.UTF8.GetString(f.Content!)));
        Assert.Equal("mpi-0 slots=2\nmpi-1 slots=2\n", files["hostfile"].Text);
        Assert.Contains("$1 did not answer over SSH", files["start"].Text);
        Assert.All(files.Values, f => Assert.Equal(Convert.ToInt32("600", 8), f.Mode));
        var line = files["authorized_keys"].Text.Split(' ');
        Assert.Equal("ecdsa-sha2-nistp256", line[0]);
        Assert.EndsWith(
            Convert.ToHexString(key.ExportParameters(false).Q.Y!),
            Convert.ToHexString(Convert.FromBase64String(line[1]))
        );
        Assert.DoesNotContain(
            files["id_ecdsa"].Text.Split('\n')[1],
            string.Concat(files.Where(f => f.Key != "id_ecdsa").Select(f => f.Value.Text))
        );
    }

    private static Dictionary<string, string> Of(string topology, string roles, string replica, int gpus = 0)
    {
        var spec = TopologyTests.Read(topology, roles, gpus: gpus).Spec!;
        return ReplicaEnv.Defaults(spec).Concat(ReplicaEnv.Of(spec, replica, 7, 2)).ToDictionary();
    }
}
