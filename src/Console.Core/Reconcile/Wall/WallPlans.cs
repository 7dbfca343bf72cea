using System.Security.Cryptography;
using System.Text;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// The container that keeps the rules of its host in place: it puts them there, looks every few seconds whether they are
/// still as it put them, and says so, line by line. Nothing speaks to it. Pure.
/// </summary>
public static class WallPlans
{
    public const string Kind = "wall";

    /// <summary>The rules are in place.</summary>
    public const string Holds = "holds";

    /// <summary>Somebody had changed them, and they are in place again.</summary>
    public const string Mended = "mended";

    /// <summary>Begins a line that tells why they are not in place.</summary>
    public const string Failed = "failed: ";

    /// <summary>The network of a host that single containers are on, kept apart from each other.</summary>
    public static BridgePlan Network(string installId) =>
        new(
            WallRules.NetworkOf(installId),
            WallRules.NetworkOf(installId),
            new Dictionary<string, string> { [Labels.Lab] = installId }
        )
        {
            IsApart = true,
        };

    private const long LogBytes = 1 << 20;

    // Where the loop's id lies: the one place that it may write to. Terse: what a set has learned is not compared
    private const string Script = """
        PATH=$PATH:/usr/sbin:/sbin
        echo $$ > /dev/shm/loop
        held= said=holds
        while :; do
            if ! command -v nft > /dev/null; then
                echo 'failed: its image has no nft'
            elif [ -n "$held" ] && [ "$(nft -t list table inet "$TABLE" 2>&1)" = "$held" ]; then
                echo "$said"
                said=holds
            elif error=$(printf '%s' "$RULES" | nft -f - 2>&1); then
                [ -z "$held" ] || said=mended
                held=$(nft -t list table inet "$TABLE")
                continue
            else
                held=
                printf 'failed: %s\n' "$(printf '%s' "$error" | tr '\n' ' ' | cut -c 1-400)"
            fi
            sleep 3
        done
        """;

    /// <summary>Ends the loop first, or it would mend what is taken away.</summary>
    public static IReadOnlyList<string> TakeAway(string installId) =>
        [
            "sh",
            "-c",
            $"PATH=$PATH:/usr/sbin:/sbin; kill -STOP \"$(cat /dev/shm/loop)\" && nft delete table inet {WallRules.TableOf(installId)}",
        ];

    public static string NameOf(string installId) => $"dl-wall-{installId[..Math.Min(8, installId.Length)]}";

    /// <param name="rules">what <see cref="WallRules.Script"/> made</param>
    public static ContainerPlan Make(string installId, string image, string rules) =>
        new()
        {
            Name = NameOf(installId),
            Image = image,
            Command = ["sh", "-c", Script],
            Env = new Dictionary<string, string> { ["RULES"] = rules, ["TABLE"] = WallRules.TableOf(installId) },
            Labels = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                [Labels.Install] = installId,
                [Labels.Probe] = Kind,
                [Labels.SpecHash] = Convert.ToHexStringLower(
                    SHA256.HashData(Encoding.UTF8.GetBytes($"{image}\n{Script}\n{rules}"))
                ),
            },
            Cpus = 0.5,
            Memory = 64 << 20,
            Shm = 1 << 20,
            HostNetwork = true,
            RulesNetwork = true,
            StopGrace = TimeSpan.FromSeconds(1),
            LogMaxSize = LogBytes,
        };
}
