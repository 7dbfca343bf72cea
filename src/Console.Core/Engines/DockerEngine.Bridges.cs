using Docker.DotNet.Models;

namespace DeepLab.Core.Engines;

/// <summary>A network of one host, whose containers are kept from each other.</summary>
public sealed partial class DockerEngine
{
    private const string Icc = "com.docker.network.bridge.enable_icc";
    private const string BridgeName = "com.docker.network.bridge.name";

    public async Task EnsureBridgeAsync(string name, IReadOnlyDictionary<string, string> labels, CancellationToken ct)
    {
        await _networks.WaitAsync(ct);
        try
        {
            if (await FindNetworkAsync(name, ct) is { } there)
            {
                if (!IsApart(there, name, labels))
                {
                    throw new EngineException(
                        EngineErrorKind.NameTaken,
                        $"A network that is not ours, or not as we make it, has the name {name}; it is left alone."
                    );
                }
                return;
            }
            await CallAsync(
                Ordinary,
                (client, bounded) =>
                    client.Networks.CreateNetworkAsync(
                        new NetworksCreateParameters
                        {
                            Name = name,
                            Driver = "bridge",
                            Options = new Dictionary<string, string> { [Icc] = "false", [BridgeName] = name },
                            Labels = new Dictionary<string, string>(labels),
                        },
                        bounded
                    ),
                ct
            );
        }
        finally
        {
            _networks.Release();
        }
    }

    private static bool IsApart(NetworkResponse network, string name, IReadOnlyDictionary<string, string> labels) =>
        network.Driver == "bridge"
        && network.Options?.TryGetValue(Icc, out var icc) == true
        && icc == "false"
        && network.Options.TryGetValue(BridgeName, out var bridge)
        && bridge == name
        && labels.All(l => network.Labels?.TryGetValue(l.Key, out var value) == true && value == l.Value);
}
