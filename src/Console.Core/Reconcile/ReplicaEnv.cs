using System.Globalization;
using System.Text.Json.Nodes;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// What a replica is told of itself and of the others, in the words of each framework. Pure. RANK and WORLD_SIZE count
/// replicas, so that a program that is started as it is finds itself; torchrun, which starts several in one replica, reads
/// PET_… and sets them anew for each.
/// </summary>
public static class ReplicaEnv
{
    /// <summary>Where rank 0 listens for torch.distributed.</summary>
    public const int MasterPort = 29500;

    /// <summary>Where torchrun's nodes meet.</summary>
    public const int RendezvousPort = 29400;

    /// <summary>Where each TensorFlow server listens.</summary>
    public const int TensorFlowPort = 2222;

    /// <summary>
    /// A container has one network of its own choosing, its job's, and engines name the first one's interface so; the bridge
    /// by which one on an overlay reaches out comes after it.
    /// </summary>
    public const string Interface = "eth0";
    private static readonly string[] s_tensorFlowRoles =
    [
        Topologies.Chief,
        Topologies.Worker,
        Topologies.Server,
        Topologies.Evaluator,
    ];

    /// <summary>What a user may set otherwise.</summary>
    public static IEnumerable<(string Name, string Value)> Defaults(JobSpec spec)
    {
        if (spec.Environment is not null)
        {
            yield break;
        }
        // A build of PyTorch without libuv refuses to meet the others when it is not told to do without
        yield return ("USE_LIBUV", "0");
        yield return ("GLOO_SOCKET_IFNAME", Interface);
        yield return ("TP_SOCKET_IFNAME", Interface);
        yield return ("NCCL_SOCKET_IFNAME", Interface);
        yield return ("HOROVOD_GLOO_IFACE", Interface);
        if (spec.Topology == Topology.Mpi)
        {
            foreach (var variable in MpiFiles.Defaults())
            {
                yield return variable;
            }
        }
    }

    /// <summary>What only the console may set: <see cref="SpecEnv.WhyReserved"/> knows these names.</summary>
    /// <param name="round">of the workload: torchrun's meetings of two rounds are two</param>
    public static IEnumerable<(string Name, string Value)> Of(JobSpec spec, string replica, long workloadId, int round)
    {
        if (spec.Environment is not null)
        {
            yield break;
        }
        var role = spec.RoleOf(replica);
        var world = spec.WorldOf(replica);
        var rank = spec.RankOf(replica);
        var perNode = Math.Max(1, role.Resources.Gpus);
        yield return ("MASTER_ADDR", world[0]);
        yield return ("MASTER_PORT", Text(MasterPort));
        yield return ("WORLD_SIZE", Text(world.Length));
        yield return ("RANK", Text(rank));
        yield return ("LOCAL_RANK", "0");
        yield return ("LOCAL_WORLD_SIZE", "1");
        yield return ("PET_NNODES", Text(world.Length));
        yield return ("PET_NODE_RANK", Text(rank));
        yield return ("PET_NPROC_PER_NODE", Text(perNode));
        yield return ("PET_MASTER_ADDR", world[0]);
        yield return ("PET_MASTER_PORT", Text(MasterPort));
        yield return ("PET_RDZV_BACKEND", "c10d");
        yield return ("PET_RDZV_ENDPOINT", $"{world[0]}:{Text(RendezvousPort)}");
        yield return ("PET_RDZV_ID", $"{Text(workloadId)}-{Text(round)}");
        yield return ("PET_LOCAL_ADDR", replica);
        if (spec.Topology == Topology.Array)
        {
            yield return ("DEEPLAB_ARRAY_INDEX", Text(Topologies.IndexOf(replica)));
            yield return ("DEEPLAB_ARRAY_SIZE", Text(role.Replicas));
        }
        else if (TensorFlow(spec, role, replica) is { } cluster)
        {
            yield return ("TF_CONFIG", cluster);
        }
        if (spec.Topology == Topology.Mpi)
        {
            yield return ("DEEPLAB_HOSTFILE", MpiFiles.Hosts);
        }
    }

    /// <summary>Null where there is nobody to meet, or none of TensorFlow's kinds. An evaluator is no part of the cluster.</summary>
    private static string? TensorFlow(JobSpec spec, RoleSpec role, string replica)
    {
        if (
            spec.Topology == Topology.Mpi
            || !s_tensorFlowRoles.Contains(role.Name)
            || spec.Roles.Sum(r => r.Replicas) == 1
        )
        {
            return null;
        }
        var cluster = new JsonObject();
        foreach (var kind in s_tensorFlowRoles.Where(k => k != Topologies.Evaluator))
        {
            if (spec.Roles.FirstOrDefault(r => r.Name == kind) is { } of)
            {
                cluster[kind] = new JsonArray([
                    .. of.Names().Select(n => JsonValue.Create($"{n}:{Text(TensorFlowPort)}")),
                ]);
            }
        }
        return new JsonObject
        {
            ["cluster"] = cluster,
            ["task"] = new JsonObject
            {
                ["type"] = role.Name,
                ["index"] = int.Parse(
                    replica.AsSpan(replica.LastIndexOf('-') + 1),
                    NumberStyles.None,
                    CultureInfo.InvariantCulture
                ),
            },
        }.ToJsonString();
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
