using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;

namespace DeepLab.Core.Reconcile;

/// <summary>What was found out about a host, before anybody judges it.</summary>
/// <param name="ClockSkew">the host's clock minus the database's; null where the engine does not tell its time</param>
/// <param name="NeedsSwarm">its cluster is a Swarm</param>
/// <param name="Registries">registries that the image catalogue names</param>
public sealed record HostFacts(
    EngineInfo Engine,
    ProbeView Probes,
    TimeSpan? ClockSkew,
    bool NeedsSwarm,
    IReadOnlyList<RegistryFact> Registries
)
{
    /// <summary>Null where nobody looked.</summary>
    public WallView? Wall { get; init; }

    /// <summary>A container that lost the GPUs it was given within the last hour; null where none did.</summary>
    public string? DevicesTaken { get; init; }
}

/// <param name="Trouble">null where it answers</param>
public sealed record RegistryFact(string Registry, string? Trouble);
