using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Where containers of the lab may not go, as a script for `nft -f`: one table of the installation's own, which no engine and
/// no other firewall writes to, put in place as a whole or not at all. Pure.
/// </summary>
public static class WallRules
{
    /// <summary>
    /// Where clouds tell a machine its secrets: link-local, and what some use instead. Port 53 stays open: some clouds'
    /// resolvers are at the same addresses.
    /// </summary>
    private static readonly EgressTarget[] s_metadata =
    [
        .. new[]
        {
            "169.254.0.0/16",
            "fe80::/10",
            "fd00:ec2::254/128",
            "100.100.100.200/32",
            "168.63.129.16/32",
        }.Select(n => new EgressTarget(IPNetwork.Parse(n), null)),
    ];

    /// <summary>What jobs that span hosts get their way out from. Its other containers are the Swarm's services.</summary>
    private const string SwarmBridge = "docker_gwbridge";

    private const int SuffixLength = 5;
    private const string Digits = "0123456789abcdefghijklmnopqrstuvwxyz";

    /// <summary>Bridges of one job on one host begin so; the lab's own does too.</summary>
    public static string BridgesOf(string installId) => $"dl-{installId[..6]}-*";

    /// <summary>The one network of a host that single containers are on, and the name of its bridge.</summary>
    public static string NetworkOf(string installId) => $"dl-{installId[..6]}-lab";

    /// <summary>
    /// The bridge of one round of a job: 15 characters, which is all that an interface's name may have. The same comes again
    /// after some seven million jobs.
    /// </summary>
    public static string BridgeOf(string installId, long workloadId, int round)
    {
        Span<char> suffix = stackalloc char[SuffixLength];
        // Two rounds may be there at once, while the containers of the earlier one go
        for (var (n, left) = (SuffixLength - 1, workloadId * 8 + round % 8); n >= 0; n--, left /= Digits.Length)
        {
            suffix[n] = Digits[(int)(left % Digits.Length)];
        }
        return $"dl-{installId[..6]}-{suffix}";
    }

    public static string TableOf(string installId) => $"deeplab_{installId[..6]}";

    /// <param name="refused">the console, its database, the lab's hosts</param>
    public static string Script(string installId, EgressOptions options, IEnumerable<EgressTarget> refused)
    {
        var table = TableOf(installId);
        var script = new StringBuilder();
        // A table that is not there cannot be deleted, and one that is there is replaced in one transaction
        script.Append(CultureInfo.InvariantCulture, $"add table inet {table}\ndelete table inet {table}\n");
        script.Append(CultureInfo.InvariantCulture, $"table inet {table} {{\n");
        script.Append(
            """
            set own {
            typeof iifname . oifname
            size 65536
            flags dynamic,timeout
            timeout 1h
            }
            chain refuse {
            meta l4proto tcp reject with tcp reset
            reject with icmpx type admin-prohibited
            }
            chain allowed {
            ct state established,related accept
            icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept
            meta l4proto { tcp, udp } th dport 53 accept

            """
        );
        foreach (var target in Sorted(options.Allow))
        {
            script.Append(CultureInfo.InvariantCulture, $"{AsWritten(target)} accept\n");
        }
        // To an address of the host: its own services, and what the engine's proxies publish
        script.Append("}\nchain inward {\njump allowed\ngoto refuse\n}\nchain outward {\njump allowed\n");
        script.Append(
            CultureInfo.InvariantCulture,
            $"iifname \"{NetworkOf(installId)}\" oifname \"{NetworkOf(installId)}\" goto refuse\n"
        );
        // A job's replicas among each other, and no other's: two names of interfaces cannot be compared, but a set can learn
        // each name paired with itself, and be asked for the two
        script.Append(
            CultureInfo.InvariantCulture,
            $"iifname \"{BridgesOf(installId)}\" update @own {{ iifname . iifname }}\niifname . oifname @own accept\n"
        );
        script.Append(CultureInfo.InvariantCulture, $"oifname \"{BridgesOf(installId)}\" goto refuse\n");
        // What was sent to a port that the host publishes, and has another address by now
        script.Append("ct status dnat goto refuse\ntcp dport { 2375, 2376, 2377 } goto refuse\n");
        script.Append("udp dport 4789 goto refuse\n");
        foreach (var target in Sorted([.. s_metadata, .. options.Deny, .. refused]))
        {
            script.Append(CultureInfo.InvariantCulture, $"{Now(target)} goto refuse\n");
        }
        script.Append("}\n");
        // Before the engine's own chains, which accept what is published
        foreach (var (hook, chain) in new[] { ("forward", "outward"), ("input", "inward") })
        {
            script.Append(
                CultureInfo.InvariantCulture,
                $"chain {hook} {{\ntype filter hook {hook} priority -5; policy accept;\n"
            );
            foreach (var bridge in new[] { BridgesOf(installId), SwarmBridge })
            {
                script.Append(CultureInfo.InvariantCulture, $"iifname \"{bridge}\" jump {chain}\n");
            }
            script.Append("}\n");
        }
        return script.Append("}\n").ToString();
    }

    private static string Family(EgressTarget target) =>
        target.Network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? "ip" : "ip6";

    private static string Now(EgressTarget target) =>
        target.Port is { } port
            ? string.Create(CultureInfo.InvariantCulture, $"{Family(target)} daddr {target.Network} tcp dport {port}")
            : $"{Family(target)} daddr {target.Network}";

    /// <summary>By what the container wrote, even where that is a published port by another address now.</summary>
    private static string AsWritten(EgressTarget target) =>
        target.Port is { } port
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"ct original {Family(target)} daddr {target.Network} meta l4proto tcp ct original proto-dst {port}"
            )
            : $"ct original {Family(target)} daddr {target.Network}";

    /// <summary>The same targets are the same script, whatever their order.</summary>
    private static IEnumerable<EgressTarget> Sorted(IEnumerable<EgressTarget> targets) =>
        targets.Distinct().OrderBy(t => Family(t), StringComparer.Ordinal).ThenBy(Now, StringComparer.Ordinal);
}
