using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Reconcile;

/// <summary>What a Swarm's nodes ask of the cluster's hosts.</summary>
public abstract record NodeMove
{
    private NodeMove() { }

    public sealed record Join(SwarmNode Node, string Address, Dictionary<string, string> Labels) : NodeMove;

    /// <param name="Wish">what the Swarm wants of it now; null = it wants nothing new, and the operators' wish stands</param>
    public sealed record Follow(
        Guid HostId,
        SwarmNode Node,
        string Address,
        Dictionary<string, string> Labels,
        HostWish? Wish
    ) : NodeMove;

    /// <summary>Its node is no longer there.</summary>
    public sealed record Leave(Guid HostId) : NodeMove;
}

/// <summary>
/// The difference between a Swarm's nodes and the hosts of its cluster. Pure; at a fixpoint it is empty. A change of a
/// node's availability changes the wish once, when it is seen: an operator's own drain of an active node is left alone.
/// A node that is down is left to its host's worker, which finds its engine away by itself.
/// </summary>
public static class SwarmNodes
{
    private const int LongestName = 56;

    public static IReadOnlyList<NodeMove> Diff(
        Cluster cluster,
        IReadOnlyList<SwarmNode> nodes,
        IReadOnlyList<Host> hosts
    )
    {
        var current = Current(nodes);
        var ids = current.Select(n => n.Id).ToHashSet(StringComparer.Ordinal);
        var moves = new List<NodeMove>();
        var met = new HashSet<Guid>();
        foreach (var node in current.Where(n => n.Address.Length > 0))
        {
            var labels = LabelsOf(node);
            var host =
                hosts.FirstOrDefault(h => h.NodeId == node.Id)
                // It left and joined again, as another node
                ?? hosts.FirstOrDefault(h => h.Name == NameOf(node) && (h.NodeId is null || !ids.Contains(h.NodeId)));
            var address = AddressOf(cluster, node);
            if (host is null)
            {
                moves.Add(new NodeMove.Join(node, address, labels));
                continue;
            }
            met.Add(host.Id);
            var wish = WishOf(host, node);
            if (
                host.NodeId != node.Id
                || host.Address != address
                || host.SealedCredentials != cluster.SealedCredentials
                || wish is not null
                || !Same(host.Labels, labels)
            )
            {
                moves.Add(new NodeMove.Follow(host.Id, node, address, labels, wish));
            }
        }
        moves.AddRange(hosts.Where(h => !met.Contains(h.Id)).Select(h => new NodeMove.Leave(h.Id)));
        return moves;
    }

    /// <summary>Its hostname, as hosts are named: small letters, digits, '-', '_' and '.'.</summary>
    public static string NameOf(SwarmNode node)
    {
        var name = string.Concat(
                node.Hostname.ToLowerInvariant()
                    .Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '-')
            )
            .TrimStart('-', '_', '.');
        return name.Length > 0 ? name[..Math.Min(name.Length, LongestName)] : node.Id;
    }

    public static HostWish WishOf(string availability) =>
        availability == SwarmLabels.Active ? HostWish.Active : HostWish.Draining;

    private static HostWish? WishOf(Host host, SwarmNode node)
    {
        if (host.NodeId is null)
        {
            return WishOf(node.Availability);
        }
        if (host.Labels.GetValueOrDefault(SwarmLabels.Availability) == node.Availability)
        {
            return null;
        }
        return (WishOf(node.Availability), host.Wish) switch
        {
            (HostWish.Draining, HostWish.Active) => HostWish.Draining,
            (HostWish.Active, HostWish.Draining) => HostWish.Active,
            _ => null,
        };
    }

    /// <summary>A machine that left and joined again stands there twice, once as down.</summary>
    private static IReadOnlyList<SwarmNode> Current(IReadOnlyList<SwarmNode> nodes) =>
        [
            .. nodes
                .GroupBy(n => n.Hostname, StringComparer.Ordinal)
                .SelectMany(g => g.All(n => n.IsDown) ? g : g.Where(n => !n.IsDown))
                .OrderBy(n => n.Hostname, StringComparer.Ordinal)
                .ThenBy(n => n.Id, StringComparer.Ordinal),
        ];

    private static string AddressOf(Cluster cluster, SwarmNode node)
    {
        var isIpv6 = node.Address.Contains(':', StringComparison.Ordinal);
        return string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"tcp://{(isIpv6 ? $"[{node.Address}]" : node.Address)}:{cluster.NodePort}"
        );
    }

    private static Dictionary<string, string> LabelsOf(SwarmNode node) =>
        new(node.Labels, StringComparer.Ordinal)
        {
            [SwarmLabels.Availability] = node.Availability,
            [SwarmLabels.Role] = node.IsManager ? "manager" : "worker",
        };

    private static bool Same(Dictionary<string, string> a, Dictionary<string, string> b) =>
        a.Count == b.Count && a.All(p => b.TryGetValue(p.Key, out var value) && value == p.Value);
}
