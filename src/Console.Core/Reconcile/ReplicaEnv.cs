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
        // On its host's network each finds the interface by the address that the replica's name has
        if (!spec.HostNetwork)
        {
            yield return ("GLOO_SOCKET_IFNAME", Interface);
            yield return ("TP_SOCKET_IFNAME", Interface);
            yield return ("NCCL_SOCKET_IFNAME", Interface);
            yield return ("HOROVOD_GLOO_IFACE", Interface);
        }
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
    /// <param name="ports">those that were leased for it; null = it has a network of its own</param>
    public static IEnumerable<(string Name, string Value)> Of(
        JobSpec spec,
        string replica,
        long workloadId,
        int round,
        RoundPorts? ports = null
    )
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
        yield return ("MASTER_PORT", PortOf(world[0], ReplicaPorts.Master));
        yield return ("WORLD_SIZE", Text(world.Length));
        yield return ("RANK", Text(rank));
        yield return ("LOCAL_RANK", "0");
        yield return ("LOCAL_WORLD_SIZE", "1");
        yield return ("PET_NNODES", Text(world.Length));
        yield return ("PET_NODE_RANK", Text(rank));
        yield return ("PET_NPROC_PER_NODE", Text(perNode));
        yield return ("PET_MASTER_ADDR", world[0]);
        yield return ("PET_MASTER_PORT", PortOf(world[0], ReplicaPorts.Master));
        yield return ("PET_RDZV_BACKEND", "c10d");
        yield return ("PET_RDZV_ENDPOINT", $"{world[0]}:{PortOf(world[0], ReplicaPorts.Rendezvous)}");
        yield return ("PET_RDZV_ID", $"{Text(workloadId)}-{Text(round)}");
        yield return ("PET_LOCAL_ADDR", replica);
        yield return ("DEEPLAB_PORT", PortOf(replica, ReplicaPorts.Own));
        if (spec.Topology == Topology.Array)
        {
            yield return ("DEEPLAB_ARRAY_INDEX", Text(Topologies.IndexOf(replica)));
            yield return ("DEEPLAB_ARRAY_SIZE", Text(role.Replicas));
        }
        else if (TensorFlow(spec, role, replica, PortOf) is { } cluster)
        {
            yield return ("TF_CONFIG", cluster);
        }
        if (spec.Topology == Topology.Mpi)
        {
            yield return ("DEEPLAB_HOSTFILE", MpiFiles.Hosts);
        }

        string PortOf(string of, string name) => Text(ports?.Of(of, name) ?? ReplicaPorts.Usual(name));
    }

    /// <summary>Whether a replica of this role is one of TensorFlow's servers, or evaluates what they do.</summary>
    internal static bool IsOfTensorFlow(JobSpec spec, RoleSpec role) =>
        spec.Topology is not (Topology.Mpi or Topology.Array)
        && s_tensorFlowRoles.Contains(role.Name)
        && spec.Roles.Sum(r => r.Replicas) > 1;

    /// <summary>Null where there is nobody to meet, or none of TensorFlow's kinds. An evaluator is no part of the cluster.</summary>
    private static string? TensorFlow(JobSpec spec, RoleSpec role, string replica, Func<string, string, string> portOf)
    {
        if (!IsOfTensorFlow(spec, role))
        {
            return null;
        }
        var cluster = new JsonObject();
        foreach (var kind in s_tensorFlowRoles.Where(k => k != Topologies.Evaluator))
        {
            if (spec.Roles.FirstOrDefault(r => r.Name == kind) is { } of)
            {
                cluster[kind] = new JsonArray([
                    .. of.Names().Select(n => JsonValue.Create($"{n}:{portOf(n, ReplicaPorts.TensorFlow)}")),
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
