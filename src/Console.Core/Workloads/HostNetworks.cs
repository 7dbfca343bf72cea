namespace DeepLab.Core.Workloads;

/// <summary>
/// Jobs whose containers have the networks of their hosts: the fastest way between hosts, past every wall, and so only in a
/// cluster that an admin trusts. What would be anybody's port on a network of its own is leased there. Pure.
/// </summary>
public static class HostNetworks
{
    internal const string Own = "own";
    internal const string Host = "host";
    private static readonly string[] s_names = [Own, Host];

    internal static bool Read(SpecNode? node) => Topologies.OneOf(node, s_names) == 1;

    internal static void Check(SpecObject job, JobSpec spec)
    {
        if (!spec.HostNetwork || job.Find("network") is not { } network || job.Find("roles") is not { } roles)
        {
            return;
        }
        var why =
            spec.Environment is not null ? "An environment is reached by ports that its host publishes"
            : spec.Topology == Topology.Array ? "The tasks of an array meet nobody"
            // Open MPI takes each interface of a host for a way to the others, the engine's own bridges too
            : spec.Topology == Topology.Mpi ? "mpirun would also try the engines' own bridges, which lead nowhere"
            : null;
        if (why is not null)
        {
            network.Fail($"{why}; \"{Own}\" is allowed, or to leave it out.");
        }
        foreach (var (role, i) in spec.Roles.Select((r, i) => (r, i)))
        {
            if (role.RestartScope == RestartScope.Replica)
            {
                Topologies.FailAt(
                    roles,
                    $"[{i}].restartScope",
                    "This is \"replica\"; with the network \"host\" only \"gang\" is allowed: the ports that the others know are leased for a round."
                );
            }
        }
    }
}
