namespace DeepLab.Core.Workloads;

public enum EndpointKind
{
    /// <summary>HTTP and WebSocket, reached through the gateway alone.</summary>
    Http,

    /// <summary>A port of its own on the host, such as SSH.</summary>
    Tcp,

    /// <summary>A port that a program listens on itself: it has its host's network.</summary>
    HostNetwork,
}

/// <summary>
/// A door of one attempt's container: the port inside, and where its host publishes it. A unique index over unreleased rows
/// refuses a second holder of a host's port.
/// </summary>
public sealed class Endpoint
{
    public const string Jupyter = "jupyter";
    public const string TensorBoard = "tensorboard";
    public const string Ssh = "ssh";

    public long Id { get; set; }
    public long WorkloadId { get; set; }
    public long AttemptId { get; set; }
    public Guid HostId { get; set; }

    /// <summary><see cref="Jupyter"/>, <see cref="TensorBoard"/>, <see cref="Ssh"/>, the name of a declared port, or of one of a replica's.</summary>
    public required string Name { get; set; }
    public EndpointKind Kind { get; set; }
    public int ContainerPort { get; set; }

    /// <summary>IP address of the host that the port is published on, and no other of it.</summary>
    public required string Address { get; set; }
    public int Port { get; set; }
    public DateTimeOffset LeasedAt { get; set; }

    /// <summary>When its container was seen dead; null while the port is held.</summary>
    public DateTimeOffset? ReleasedAt { get; set; }

    /// <summary>Path that the program is served below, at the gateway and inside alike: `/e/12/jupyter/`.</summary>
    public static string PathOf(long workloadId, string name) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"/e/{workloadId}/{name}/");
}

/// <summary>A secret of a workload, encrypted at rest; never in a spec, an argument, a variable, a log or a label.</summary>
public sealed class WorkloadSecret
{
    /// <summary>The token that the gateway adds to what it sends to Jupyter.</summary>
    public const string JupyterToken = "jupyter-token";

    /// <summary>The user's own password for Jupyter.</summary>
    public const string JupyterPassword = "jupyter-password";

    /// <summary>Private key by which the containers of an MPI job let each other in.</summary>
    public const string MpiKey = "mpi-key";

    public long WorkloadId { get; set; }
    public required string Name { get; set; }

    /// <summary>Sealed by the installation's <see cref="SecretBox"/>.</summary>
    public required string Sealed { get; set; }

    /// <summary>What it is sealed for: the secret of another workload does not open in its place.</summary>
    public static string PurposeOf(long workloadId, string name) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"workload-secret/{workloadId}/{name}");
}
