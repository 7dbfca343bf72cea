using Docker.DotNet;
using Docker.DotNet.Models;

namespace DeepLab.Core.Engines;

/// <summary>The Swarm as a manager tells of it, and networks across its hosts.</summary>
public sealed partial class DockerEngine
{
    /// <summary>A Swarm gives a new network its addresses within milliseconds, and later once others have let go of theirs.</summary>
    private static readonly TimeSpan AddressesWithin = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan AddressesLook = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan RegistryBound = TimeSpan.FromSeconds(20);

    public Task<IReadOnlyList<string>> ImagesAsync(CancellationToken ct) =>
        CallAsync<IReadOnlyList<string>>(
            Ordinary,
            async (connection, bounded) =>
                [
                    .. (await connection.Client.Images.ListImagesAsync(new ImagesListParameters(), bounded))
                        .SelectMany(i => (i.RepoTags ?? []).Append(i.ID))
                        .Where(t => t != "<none>:<none>")
                        .Distinct(StringComparer.Ordinal)
                        .Order(StringComparer.Ordinal),
                ],
            ct
        );

    public async Task<string?> WhyNoRegistryAsync(string reference, CancellationToken ct)
    {
        try
        {
            return await CallAsync(
                RegistryBound,
                async (connection, bounded) =>
                {
                    using var response = await _streams.GetAsync(
                        $"/v{connection.Api}/distribution/{Uri.EscapeDataString(reference)}/json",
                        bounded
                    );
                    // Refused and unknown are answers of the registry too; the engine says 5xx where it got none
                    return (int)response.StatusCode < 500
                        ? null
                        : EngineErrors
                            .FromAnswer(response.StatusCode, await response.Content.ReadAsStringAsync(bounded))
                            .Message;
                },
                ct
            );
        }
        catch (EngineUnreachableException e)
        {
            // The engine waits for a registry longer than we do
            return e.Message;
        }
    }

    public async Task<IReadOnlyList<SwarmNode>?> NodesAsync(CancellationToken ct)
    {
        var manages = await CallAsync(
            Ordinary,
            async (connection, bounded) =>
                (await connection.Client.System.GetSystemInfoAsync(bounded)).Swarm is { ControlAvailable: true },
            ct
        );
        return manages
            ? await CallAsync<IReadOnlyList<SwarmNode>>(
                Ordinary,
                async (connection, bounded) =>
                    [.. (await connection.Client.Swarm.ListNodesAsync(bounded)).Select(From)],
                ct
            )
            : null;
    }

    private static SwarmNode From(NodeListResponse node) =>
        new(
            node.ID,
            node.Description?.Hostname ?? node.ID,
            // A manager may report itself with the address it listens on
            node.Status?.Addr
                is { Length: > 0 }
                    and not "0.0.0.0"
                ? node.Status.Addr
                : node.ManagerStatus?.Addr?.Split(':')[0] ?? "",
            node.Status?.State is not "ready",
            node.Spec?.Availability ?? "active",
            node.ManagerStatus is not null,
            Copy(node.Spec?.Labels)
        );

    public async Task EnsureNetworkAsync(string name, IReadOnlyDictionary<string, string> labels, CancellationToken ct)
    {
        // Engines of 2020 made two networks of one name: look first, and let nobody else of this process ask meanwhile
        await _networks.WaitAsync(ct);
        try
        {
            if (await FindNetworkAsync(name, ct) is null)
            {
                await CallAsync(
                    Ordinary,
                    (client, bounded) =>
                        client.Networks.CreateNetworkAsync(
                            new NetworksCreateParameters
                            {
                                Name = name,
                                Driver = "overlay",
                                Attachable = true,
                                Labels = new Dictionary<string, string>(labels),
                            },
                            bounded
                        ),
                    ct
                );
            }
        }
        finally
        {
            _networks.Release();
        }
        await AddressedAsync(name, ct);
    }

    /// <summary>The manager answers before it looked for addresses; on a network without any, starts wait for 20 s and fail.</summary>
    private async Task AddressedAsync(string name, CancellationToken ct)
    {
        var began = _time.GetTimestamp();
        while (await FindNetworkAsync(name, ct) is not { IPAM.Config.Count: > 0 })
        {
            if (_time.GetElapsedTime(began) > AddressesWithin)
            {
                throw new EngineException(
                    EngineErrorKind.NetworkNotReady,
                    $"the Swarm has no addresses left for the network {name}: remove networks that nobody uses, or give it a larger pool"
                );
            }
            await Task.Delay(AddressesLook, _time, ct);
        }
    }

    public async Task RemoveNetworkAsync(string name, CancellationToken ct)
    {
        if (await FindNetworkAsync(name, ct) is not { ID: { } id })
        {
            return;
        }
        try
        {
            await CallAsync(Ordinary, (client, bounded) => client.Networks.DeleteNetworkAsync(id, bounded), ct);
        }
        catch (EngineException e) when (e.Kind == EngineErrorKind.NotFound)
        {
            // Gone meanwhile
        }
    }

    public Task<IReadOnlyList<string>> NetworksAsync(string installId, CancellationToken ct) =>
        CallAsync<IReadOnlyList<string>>(
            Ordinary,
            async (connection, bounded) =>
                [
                    .. (await ListAsync(connection.Client, "label", $"{Labels.Install}={installId}", bounded)).Select(
                        n => n.Name
                    ),
                ],
            ct
        );

    private Task<NetworkResponse?> FindNetworkAsync(string name, CancellationToken ct) =>
        CallAsync(
            Ordinary,
            async (connection, bounded) =>
                (await ListAsync(connection.Client, "name", name, bounded))
                // The filter finds every name that holds this one
                .FirstOrDefault(n => n.Name == name),
            ct
        );

    private static Task<IList<NetworkResponse>> ListAsync(
        DockerClient client,
        string filter,
        string value,
        CancellationToken ct
    ) =>
        client.Networks.ListNetworksAsync(
            new NetworksListParameters
            {
                Filters = new Dictionary<string, IDictionary<string, bool>>
                {
                    [filter] = new Dictionary<string, bool> { [value] = true },
                },
            },
            ct
        );
}
