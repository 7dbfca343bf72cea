namespace DeepLab.Core.Clusters;

/// <summary>Labels that a node of a Swarm has as a host beside its own: what the Swarm says of it.</summary>
public static class SwarmLabels
{
    /// <summary>`active`, `pause` or `drain`</summary>
    public const string Availability = "swarm.availability";

    /// <summary>`manager` or `worker`</summary>
    public const string Role = "swarm.role";
    public const string Active = "active";
}
