using System.Net;
using Docker.DotNet.Models;

namespace DeepLab.Core.Engines;

/// <summary>Networks of one host.</summary>
public sealed partial class DockerEngine
{
    private const string Icc = "com.docker.network.bridge.enable_icc";
    private const string BridgeName = "com.docker.network.bridge.name";

    public async Task EnsureBridgeAsync(BridgePlan plan, CancellationToken ct)
    {
        await _networks.WaitAsync(ct);
        try
        {
            if (await FindNetworkAsync(plan.Name, ct) is { } there)
            {
                if (!IsAsPlanned(there, plan))
                {
                    throw new EngineException(
                        EngineErrorKind.NameTaken,
                        $"A network that is not ours, or not as we make it, has the name {plan.Name}; it is left alone."
                    );
                }
                return;
            }
            var addresses = plan.Subnet is { } choice ? await AddressesAsync(plan.Name, choice, ct) : null;
            await CallAsync(
                Ordinary,
                (client, bounded) =>
                    client.Networks.CreateNetworkAsync(
                        new NetworksCreateParameters
                        {
                            Name = plan.Name,
                            Driver = "bridge",
                            IPAM = addresses,
                            Options = new Dictionary<string, string>
                            {
                                [Icc] = plan.IsApart ? "false" : "true",
                                [BridgeName] = plan.Bridge,
                            },
                            Labels = new Dictionary<string, string>(plan.Labels),
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

    private async Task<IPAM> AddressesAsync(string name, SubnetChoice choice, CancellationToken ct)
    {
        var networks = await CallAsync(
            Ordinary,
            (connection, bounded) => connection.Client.Networks.ListNetworksAsync(null, bounded),
            ct
        );
        var taken = networks
            .SelectMany(n => n.IPAM?.Config ?? [])
            .Select(c => IPNetwork.TryParse(c.Subnet, out var subnet) ? subnet : (IPNetwork?)null)
            .OfType<IPNetwork>();
        var free =
            choice.Find(name, taken)
            ?? throw new EngineException(
                EngineErrorKind.NetworkNotReady,
                $"none of {choice.Range} is free for a network of /{choice.PrefixLength}: remove networks that nobody uses, or give the console a larger range"
            );
        return new IPAM { Driver = "default", Config = [new IPAMConfig { Subnet = free.ToString() }] };
    }

    private static bool IsAsPlanned(NetworkResponse network, BridgePlan plan) =>
        network.Driver == "bridge"
        && network.Options?.TryGetValue(Icc, out var icc) == true
        && icc == (plan.IsApart ? "false" : "true")
        && network.Options.TryGetValue(BridgeName, out var bridge)
        && bridge == plan.Bridge
        && plan.Labels.All(l => network.Labels?.TryGetValue(l.Key, out var value) == true && value == l.Value);
}
