namespace DeepLab.Core.Clusters;

/// <summary>A named set of hosts that a user picks first.</summary>
public sealed class Cluster
{
    public Guid Id { get; set; }
    public required string Name { get; set; }
    public DateTimeOffset CreatedAt { get; set; }
}

public enum HostState
{
    Ready,
    Draining,
    Unreachable,
    Disabled,
}

/// <summary>One Docker Engine.</summary>
public sealed class Host
{
    public Guid Id { get; set; }
    public Guid ClusterId { get; set; }
    public required string Name { get; set; }

    /// <summary>`unix:///path` or `tcp://address:port`.</summary>
    public required string Address { get; set; }
    public Dictionary<string, string> Labels { get; set; } = [];
    public HostState State { get; set; }

    /// <summary>A sentence for people; empty while Ready.</summary>
    public string StateMessage { get; set; } = "";
    public string EngineVersion { get; set; } = "";
    public string ApiVersion { get; set; } = "";
    public string OperatingSystem { get; set; } = "";
    public string KernelVersion { get; set; } = "";
    public double Cpus { get; set; }
    public long MemoryBytes { get; set; }
    public DateTimeOffset? LastSeenAt { get; set; }
    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>True where the operator labelled the host so: its GPUs are stand-ins, and pages say it.</summary>
    public bool IsSimulated => Labels.TryGetValue("simulated", out var v) && v == "true";
}

public enum GpuHealth
{
    Healthy,

    /// <summary>The probe reported an error, or stopped listing the device. Never leased.</summary>
    Sick,
}

/// <summary>A device of a host, known by its UUID, never by its index.</summary>
public sealed class Gpu
{
    public required string Uuid { get; set; }
    public Guid HostId { get; set; }

    /// <summary>Position in the host's own `nvidia-smi`, for people only.</summary>
    public int Index { get; set; }
    public required string Model { get; set; }
    public long MemoryBytes { get; set; }
    public string DriverVersion { get; set; } = "";
    public string PciBusId { get; set; } = "";
    public GpuHealth Health { get; set; }
    public string HealthMessage { get; set; } = "";
    public DateTimeOffset LastSeenAt { get; set; }
}
