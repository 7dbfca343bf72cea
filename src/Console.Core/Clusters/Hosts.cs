using System.Net;

namespace DeepLab.Core.Clusters;

/// <summary>A named set of hosts that a user picks first.</summary>
public sealed class Cluster
{
    public Guid Id { get; set; }
    public required string Name { get; set; }
    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>
    /// Engine of a Swarm manager: hosts come and go as the Swarm's nodes do, and jobs may span them over an overlay
    /// network. Null = hosts are added one by one.
    /// </summary>
    public string? ManagerAddress { get; set; }

    /// <summary>Port of every node's own engine, mutual TLS.</summary>
    public int NodePort { get; set; } = 2376;

    /// <summary>CA, certificate and key for the manager and its nodes, sealed; null for a manager on this machine's socket.</summary>
    public string? SealedCredentials { get; set; }

    /// <summary>What the last look at the manager found wrong; empty where all is well.</summary>
    public string Trouble { get; set; } = "";
    public bool SpansHosts => ManagerAddress is not null;

    /// <summary>
    /// An admin trusts whoever submits to it: its jobs may have their hosts' networks, which no wall holds, and span hosts so.
    /// </summary>
    public bool Trusted { get; set; }
}

/// <summary>What an operator wants of a host.</summary>
public enum HostWish
{
    Active,

    /// <summary>Finish what runs, take nothing new.</summary>
    Draining,
    Disabled,

    /// <summary>Said to be dead: disabled, and what it held is free.</summary>
    Fenced,
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

    /// <summary>Written by the operators' verbs; <see cref="Settle"/> follows.</summary>
    public HostWish Wish { get; set; }

    /// <summary>When a drain stops and requeues what still runs; null = it waits for the end.</summary>
    public DateTimeOffset? DrainDeadline { get; set; }

    /// <summary>Written by the loop: since when the engine does not answer; null while it does.</summary>
    public DateTimeOffset? UnreachableSince { get; set; }

    /// <summary>Its attempts were given up after the grace; its GPUs stay leased until their containers are seen dead, or the host is fenced.</summary>
    public DateTimeOffset? LostAt { get; set; }

    /// <summary>Address by which other hosts reach it; empty = not told.</summary>
    public string NetworkAddress { get; set; } = "";

    /// <summary>
    /// IP address that ports of its containers are published on, and no other of it; null where none is known: a name may
    /// mean several. A socket's engine without a network address is on this machine.
    /// </summary>
    public string? PublishAddress =>
        IPAddress.TryParse(NetworkAddress, out var told) ? told.ToString()
        : !EngineAddress.IsTcp(Address) ? IPAddress.Loopback.ToString()
        : Uri.TryCreate(Address, UriKind.Absolute, out var engine)
        && IPAddress.TryParse(engine.DnsSafeHost, out var its)
            ? its.ToString()
        : null;

    /// <summary>CA, client certificate and key of a `tcp://` engine, sealed; null for a socket on this machine.</summary>
    public string? SealedCredentials { get; set; }

    /// <summary>Id of the Swarm's node it is; null where it was added by hand.</summary>
    public string? NodeId { get; set; }

    /// <summary>The last report; null before the first. A host with an error in it takes no work.</summary>
    public PreflightReport? Preflight { get; set; }

    /// <summary>References of images its engine has, refreshed now and then; a hint for placement.</summary>
    public string[] Images { get; set; } = [];

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

    /// <summary>The state that follows from the operators' wish and what the loop sees.</summary>
    public void Settle() =>
        State =
            Wish is HostWish.Disabled or HostWish.Fenced ? HostState.Disabled
            : UnreachableSince is not null ? HostState.Unreachable
            : Wish == HostWish.Draining ? HostState.Draining
            : HostState.Ready;

    /// <summary>As <see cref="Settle"/>; the sentence is told unless the host does not answer, which is told first.</summary>
    public void SettleAs(string message)
    {
        Settle();
        if (State != HostState.Unreachable)
        {
            StateMessage = message;
        }
    }

    /// <summary>Why it takes no new work, as a sentence without its name; null where it does.</summary>
    public string? Closed =>
        State != HostState.Ready ? $"is {State}{(StateMessage.Length > 0 ? $": {StateMessage}" : "")}"
        : Preflight is null ? "has not been checked yet"
        : Preflight.Failure is { } failure ? $"failed its preflight: {failure}"
        : null;

    /// <summary>True where the operator labelled the host so: its GPUs are stand-ins, and pages say it.</summary>
    public bool IsSimulated => Labels.TryGetValue("simulated", out var v) && v == "true";
}

public enum FindingSeverity
{
    Ok,
    Warning,

    /// <summary>The host takes no work until it is mended.</summary>
    Error,
}

/// <param name="Check">`engine-version`, `gpus`, `clock`, …</param>
/// <param name="Message">what was found, as a sentence</param>
/// <param name="Action">what to do; empty where nothing is to be done</param>
public sealed record PreflightFinding(string Check, FindingSeverity Severity, string Message, string Action = "");

/// <summary>What was found on a host before it took work, finding by finding.</summary>
public sealed record PreflightReport(DateTimeOffset At, IReadOnlyList<PreflightFinding> Findings)
{
    /// <summary>An operator asked for another; this one stands until it is there.</summary>
    public bool Again { get; init; }

    /// <summary>The first error, as a sentence; null where there is none.</summary>
    public string? Failure => Findings.FirstOrDefault(f => f.Severity == FindingSeverity.Error)?.Message;
}

/// <summary>
/// A GPU by three witnesses: the lease in the database, the device requests of the engine's containers, the processes that
/// the probe sees. Only a healthy one is leased.
/// </summary>
public enum GpuHealth
{
    Healthy,

    /// <summary>The probe reported an error, or stopped listing the device.</summary>
    Sick,

    /// <summary>A running container holds it without a lease.</summary>
    Leaked,

    /// <summary>A process computes on it that belongs to no container of ours.</summary>
    Squatted,

    /// <summary>An admin took it out of service.</summary>
    Fenced,

    /// <summary>Leaked, and an admin asked for the end of the container that holds it.</summary>
    Evicting,

    /// <summary>Held without a lease, and an admin lets whoever holds it have it to its end.</summary>
    Adopted,
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
