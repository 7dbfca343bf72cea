namespace DeepLab.Core.Engines;

/// <summary>
/// Everything a container is made from, in typed values. <see cref="HostConfigs"/> turns it into the engine's own
/// structure; nothing a user wrote reaches the engine by another way.
/// </summary>
public sealed record ContainerPlan
{
    public required string Name { get; init; }
    public required string Image { get; init; }
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>In place of the image's; empty = the image's.</summary>
    public IReadOnlyList<string> Entrypoint { get; init; } = [];
    public required IReadOnlyDictionary<string, string> Env { get; init; }
    public required IReadOnlyDictionary<string, string> Labels { get; init; }
    public required double Cpus { get; init; }

    /// <summary>bytes</summary>
    public required long Memory { get; init; }

    /// <summary>bytes</summary>
    public required long Shm { get; init; }
    public IReadOnlyList<string> GpuUuids { get; init; } = [];
    public string? WorkingDirectory { get; init; }
    public string Hostname { get; init; } = "";

    /// <summary>The network that it joins first and only; null = the engine's own bridge, or its host's.</summary>
    public string? Network { get; init; }

    /// <summary>Name by which others on <see cref="Network"/> find it; null = none.</summary>
    public string? NetworkAlias { get; init; }

    /// <summary>Name of the console's own volume for checkpoints, made with the container where the engine lacks it; null = none.</summary>
    public string? CheckpointVolume { get; init; }

    /// <summary>Where <see cref="CheckpointVolume"/> is mounted.</summary>
    public string CheckpointPath { get; init; } = "";

    /// <summary>Name of an environment's home volume, made with the container where the engine lacks it; null = none.</summary>
    public string? HomeVolume { get; init; }

    /// <summary>Where <see cref="HomeVolume"/> is mounted.</summary>
    public string HomePath { get; init; } = "";

    /// <summary>Event files of jobs: its own to write, or those of others to read.</summary>
    public IReadOnlyList<PlannedEventFiles> EventFiles { get; init; } = [];

    /// <summary>Ports of the container that its host publishes.</summary>
    public IReadOnlyList<PublishedPort> Ports { get; init; } = [];

    /// <summary>Volumes of the lab.</summary>
    public IReadOnlyList<PlannedMount> Mounts { get; init; } = [];

    /// <summary>`uid:gid`; null = the policy's own non-root user.</summary>
    public string? User { get; init; }
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Probes only: sees every GPU of its host.</summary>
    public bool AllGpus { get; init; }

    /// <summary>Probes only: sees its host's processes.</summary>
    public bool HostPids { get; init; }

    /// <summary>It has its host's network in place of <see cref="Network"/>.</summary>
    public bool HostNetwork { get; init; }

    /// <summary>
    /// The wall only: rules its host's network, as root with that one capability. A plan with anybody's workload in it that
    /// asks for this is refused.
    /// </summary>
    public bool RulesNetwork { get; init; }

    /// <summary>Names that it knows beside those of its network, each with an IP address.</summary>
    public IReadOnlyList<(string Name, string Address)> KnownHosts { get; init; } = [];

    /// <summary>Bytes after which the engine rotates its log file; null = the policy's own.</summary>
    public long? LogMaxSize { get; init; }
}

/// <summary>A volume of the lab, as a container sees it.</summary>
/// <param name="Source">name of the engine's own volume, or the path that an admin approved on the host</param>
/// <param name="Target">absolute path in the container</param>
public sealed record PlannedMount(string Name, string Source, bool IsPath, string Target, bool ReadOnly);

/// <summary>The console's own volume for a job's event files, made with the container where the engine lacks it.</summary>
/// <param name="WorkloadId">the job that they are of</param>
/// <param name="Target">absolute path in the container</param>
public sealed record PlannedEventFiles(string Source, long WorkloadId, string Target, bool ReadOnly);

/// <param name="Address">IP address of the host: published there and nowhere else</param>
/// <param name="Port">of the host</param>
/// <param name="ContainerPort">TCP port inside</param>
public sealed record PublishedPort(string Address, int Port, int ContainerPort);
