using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Where a replica listens, as far as the conventions of its job have it. On a network of the job's own each port is always the
/// same; on its host's it is leased.
/// </summary>
public static class ReplicaPorts
{
    /// <summary>Where rank 0 listens for torch.distributed.</summary>
    public const string Master = "master";

    /// <summary>Where torchrun's nodes meet: at rank 0.</summary>
    public const string Rendezvous = "rendezvous";

    /// <summary>Where a TensorFlow server listens.</summary>
    public const string TensorFlow = "tensorflow";

    /// <summary>For whatever else a replica serves.</summary>
    public const string Own = "own";

    /// <summary>Each with its number on a network of the job's own.</summary>
    public static IReadOnlyList<(string Name, int Port)> Of(JobSpec spec, string replica)
    {
        var ports = new List<(string, int)> { (Own, Usual(Own)) };
        if (spec.RankOf(replica) == 0)
        {
            ports.AddRange([(Master, Usual(Master)), (Rendezvous, Usual(Rendezvous))]);
        }
        if (ReplicaEnv.IsOfTensorFlow(spec, spec.RoleOf(replica)))
        {
            ports.Add((TensorFlow, Usual(TensorFlow)));
        }
        return ports;
    }

    public static int Usual(string name) =>
        name switch
        {
            Master => 29500,
            Rendezvous => 29400,
            TensorFlow => 2222,
            Own => 29600,
            _ => throw new ArgumentOutOfRangeException(nameof(name), name, "No port of a replica."),
        };
}

/// <summary>Where the replicas of a round on their hosts' networks are, and on which ports of theirs they listen.</summary>
/// <param name="doors">each with the replica whose it is</param>
public sealed class RoundPorts(IReadOnlyList<(string Replica, Endpoint Door)> doors)
{
    public int Of(string replica, string name) =>
        doors.First(d => d.Replica == replica && d.Door.Name == name).Door.Port;

    /// <summary>The IP address of each replica's host.</summary>
    public IReadOnlyList<(string Replica, string Address)> Addresses =>
        [.. doors.Select(d => (d.Replica, d.Door.Address)).Distinct()];
}
