using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using DeepLab.Core.Clusters;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// What containers of every host are kept from: the console by all its addresses, its database, the lab's hosts. Looked up
/// anew once in a while, for all hosts together.
/// </summary>
public sealed class WallPolicy(
    ConsoleOptions options,
    InstallationId installation,
    IDbContextFactory<ConsoleDb> databases,
    TimeProvider time
) : IDisposable
{
    private static readonly TimeSpan s_fresh = TimeSpan.FromSeconds(5);

    /// <summary>How engines name their bridges, and we the lab's.</summary>
    private static readonly string[] s_bridges = ["docker", "br-", "dl-", "veth"];
    private readonly SemaphoreSlim _gate = new(1);
    private (long At, string Script)? _known;

    /// <summary>Of the rules' keeper.</summary>
    public string Image => options.ProbeImage;

    public EgressMode ModeOf(Host host) => options.Egress.ModeOf(host.Labels);

    /// <summary>The script, some seconds old at most.</summary>
    public async Task<string> ScriptAsync(CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        try
        {
            if (_known is not { } known || time.GetElapsedTime(known.At) > s_fresh)
            {
                var refused = await RefusedAsync(ct);
                _known = known = (time.GetTimestamp(), WallRules.Script(installation.Value, options.Egress, refused));
            }
            return known.Script;
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose() => _gate.Dispose();

    private async Task<List<EgressTarget>> RefusedAsync(CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var hosts = await db.Hosts.Select(h => new { h.NetworkAddress, h.Address }).ToListAsync(ct);
        return
        [
            .. hosts
                .SelectMany(h => AddressesOf(h.NetworkAddress, h.Address))
                .Where(IsFar)
                .Select(a => EgressTarget.Of(a)),
            .. Own().Select(a => EgressTarget.Of(a)),
            .. await DatabasesAsync(ct),
            .. await GatewayAsync(ct),
        ];
    }

    private static IEnumerable<IPAddress> AddressesOf(string networkAddress, string engineAddress)
    {
        if (IPAddress.TryParse(networkAddress, out var told))
        {
            yield return told;
        }
        if (
            EngineAddress.IsTcp(engineAddress)
            && Uri.TryCreate(engineAddress, UriKind.Absolute, out var engine)
            && IPAddress.TryParse(engine.DnsSafeHost, out var its)
        )
        {
            yield return its;
        }
    }

    /// <summary>
    /// Addresses of this machine, or of the container that the console is. Those of an engine's bridges come and go, lead nowhere
    /// but to this machine, and what containers on it send to it is refused as a whole.
    /// </summary>
    private static IEnumerable<IPAddress> Own() =>
        NetworkInterface
            .GetAllNetworkInterfaces()
            .Where(i => !s_bridges.Any(b => i.Name.StartsWith(b, StringComparison.Ordinal)))
            .SelectMany(i => i.GetIPProperties().UnicastAddresses)
            .Select(a => a.Address)
            .Where(IsFar);

    /// <summary>A container's loopback is its own, and link-local is refused to all.</summary>
    private static bool IsFar(IPAddress address) => !IPAddress.IsLoopback(address) && !address.IsIPv6LinkLocal;

    private async Task<IEnumerable<EgressTarget>> DatabasesAsync(CancellationToken ct)
    {
        var connection = new NpgsqlConnectionStringBuilder(options.Database);
        var targets = new List<EgressTarget>();
        foreach (var text in (connection.Host ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            // A folder is a socket's
            if (text.StartsWith('/') || text.StartsWith('@'))
            {
                continue;
            }
            var port = connection.Port;
            var name = text;
            if (text.LastIndexOf(':') is > 0 and var at && text.IndexOf(':') == at)
            {
                (name, port) = (text[..at], int.TryParse(text[(at + 1)..], out var its) ? its : port);
            }
            targets.AddRange((await ResolveAsync(name, ct)).Where(IsFar).Select(a => EgressTarget.Of(a, port)));
        }
        return targets;
    }

    /// <summary>Where browsers find it: a proxy's address may be none of ours.</summary>
    private async Task<IEnumerable<EgressTarget>> GatewayAsync(CancellationToken ct) =>
        options.Gateway is { TrustedTeam: false, HostPerEndpoint: false } gateway
            ? (await ResolveAsync(gateway.Host, ct)).Where(IsFar).Select(a => EgressTarget.Of(a, gateway.Port))
            : [];

    private static async Task<IReadOnlyList<IPAddress>> ResolveAsync(string name, CancellationToken ct)
    {
        try
        {
            return await Dns.GetHostAddressesAsync(name, ct);
        }
        catch (SocketException)
        {
            // What has no address now is nowhere to be kept from; it is asked for again
            return [];
        }
    }
}
