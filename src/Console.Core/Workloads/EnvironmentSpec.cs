using System.Collections.Immutable;

namespace DeepLab.Core.Workloads;

/// <summary>What makes a workload a development environment: which doors it has, and when it counts as idle.</summary>
public sealed record EnvironmentSpec
{
    /// <summary>Name of the one role, which has one replica.</summary>
    public const string Role = "environment";
    public const int JupyterPort = 8888;
    public const int TensorBoardPort = 6006;
    public const int SshPort = 2222;

    /// <summary>Where the event files of <see cref="Jobs"/> are, a folder each, which nobody can write to.</summary>
    public const string BoardFolder = "/tensorboard";

    public bool Jupyter { get; init; } = true;
    public bool TensorBoard { get; init; }
    public bool Ssh { get; init; }

    /// <summary>OpenSSH public keys of this environment alone, one line each; those of its owner's profile come on top.</summary>
    public ImmutableArray<string> SshKeys { get; init; } = [];

    /// <summary>
    /// The environment whose home it takes, which was deleted without it; null = a new one. As it is stored, the one that
    /// the home was made for.
    /// </summary>
    public long? Home { get; init; }

    /// <summary>The jobs whose TensorBoard it is, which is all that it is then; empty = an environment to work in.</summary>
    public ImmutableArray<long> Jobs { get; init; } = [];
    public bool IsBoard => Jobs.Length > 0;

    /// <summary>HTTP ports of the user's own programs.</summary>
    public ImmutableArray<PortSpec> Ports { get; init; } = [];

    /// <summary>How long nobody may use it before it is stopped; zero = for ever, null = as the installation says.</summary>
    public TimeSpan? IdleAfter { get; init; }

    /// <summary>How long nobody may use it; zero = for ever.</summary>
    /// <param name="ofInstallation">where it says nothing itself</param>
    public TimeSpan IdleLimit(TimeSpan ofInstallation) => IdleAfter ?? ofInstallation;

    /// <summary>Name, kind and port inside of every door it has.</summary>
    public IReadOnlyList<(string Name, EndpointKind Kind, int Port)> Doors()
    {
        var doors = new List<(string, EndpointKind, int)>();
        if (Jupyter)
        {
            doors.Add((Endpoint.Jupyter, EndpointKind.Http, JupyterPort));
        }
        if (TensorBoard)
        {
            doors.Add((Endpoint.TensorBoard, EndpointKind.Http, TensorBoardPort));
        }
        if (Ssh)
        {
            doors.Add((Endpoint.Ssh, EndpointKind.Tcp, SshPort));
        }
        doors.AddRange(Ports.Select(p => (p.Name, EndpointKind.Http, p.Port)));
        return doors;
    }
}

/// <param name="Name">the last part of its path at the gateway</param>
/// <param name="Port">inside the container, 1024-65535</param>
public sealed record PortSpec(string Name, int Port);
