using System.Globalization;
using System.Text.RegularExpressions;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;

namespace DeepLab.Core.Reconcile;

/// <summary>From the facts of a host to what an operator should know of it. Pure. An error keeps work away.</summary>
public static partial class Preflight
{
    private static readonly Version s_oldestEngine = new(20, 10);

    /// <summary>Older ones run containers whose image can reach the host, or lack fixes of 2026.</summary>
    private static readonly Version s_safeEngine = new(29, 3, 1);

    /// <summary>CVE-2025-31133 and its siblings: a container can write to /proc of its host.</summary>
    private static readonly Version s_safeRunc = new(1, 2, 8);
    private static readonly Version s_safeRunc13 = new(1, 3, 3);
    private const string SafeToolkit = "1.17.8";

    private static readonly TimeSpan s_noticedSkew = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_worstSkew = TimeSpan.FromSeconds(60);
    private const double NoticedFree = 0.15;
    private const double LeastFree = 0.05;

    public static PreflightReport Judge(HostFacts facts, DateTimeOffset now) =>
        new(
            now,
            [
                EngineVersion(facts.Engine),
                new("api", FindingSeverity.Ok, $"API {facts.Engine.ApiVersion} is spoken."),
                Runc(facts.Engine),
                ContainerStarts(facts.Probes),
                .. Egress(facts.Wall),
                .. Gpus(facts.Engine, facts.Probes),
                .. DeviceAccess(facts.DevicesTaken),
                Clock(facts.ClockSkew),
                Disk(facts.Probes),
                Restarts(facts),
                .. Registries(facts.Registries),
            ]
        );

    private static PreflightFinding EngineVersion(EngineInfo engine)
    {
        const string check = "engine-version";
        if (VersionOf(engine.EngineVersion) is not { } version)
        {
            return new(
                check,
                FindingSeverity.Warning,
                $"The engine calls itself \"{engine.EngineVersion}\", which is no version we can read.",
                $"See that it is Docker Engine {s_safeEngine} or newer."
            );
        }
        if (version < s_oldestEngine)
        {
            return new(
                check,
                FindingSeverity.Error,
                $"Docker Engine {engine.EngineVersion} is older than {s_oldestEngine}, the oldest that can be used.",
                $"Upgrade it to {s_safeEngine} or newer."
            );
        }
        return version < s_safeEngine
            ? new(
                check,
                FindingSeverity.Warning,
                $"Docker Engine {engine.EngineVersion} has known holes that {s_safeEngine} mended.",
                $"Upgrade it to {s_safeEngine} or newer, or see that your distribution mended them in its own version."
            )
            : new(check, FindingSeverity.Ok, $"Docker Engine {engine.EngineVersion}.");
    }

    private static PreflightFinding Runc(EngineInfo engine)
    {
        const string check = "runc-version";
        if (VersionOf(engine.RuncVersion) is not { } version)
        {
            return new(check, FindingSeverity.Ok, "The engine does not tell the version of runc.");
        }
        var isSafe = version >= (version.Minor == 3 && version.Major == 1 ? s_safeRunc13 : s_safeRunc);
        return isSafe
            ? new(check, FindingSeverity.Ok, $"runc {engine.RuncVersion}.")
            : new(
                check,
                FindingSeverity.Warning,
                $"runc {engine.RuncVersion} lets a container out (CVE-2025-31133).",
                $"Upgrade it to {s_safeRunc}, {s_safeRunc13} or newer, or see that your distribution mended it."
            );
    }

    /// <summary>The host's probe is a container like any other.</summary>
    private static PreflightFinding ContainerStarts(ProbeView probes)
    {
        const string check = "container-starts";
        return probes switch
        {
            { HostTrouble: { } trouble } => new(
                check,
                FindingSeverity.Error,
                $"A container could not be started: {trouble}",
                "Start one by hand on the host (docker run --rm IMAGE true) and mend what it says."
            ),
            { Host: null } => new(
                check,
                FindingSeverity.Error,
                "The probe, a small container, did not start in time.",
                "See the engine's log; check the host again when containers start."
            ),
            _ => new(check, FindingSeverity.Ok, "Containers start."),
        };
    }

    private static IEnumerable<PreflightFinding> Egress(WallView? wall)
    {
        const string check = "egress";
        if (wall is null)
        {
            yield break;
        }
        if (wall.HasNetwork && wall.Mode == EgressMode.Off)
        {
            yield return new(
                check,
                FindingSeverity.Warning,
                "A container on it can reach whatever the host can: its rules about that are off.",
                $"Set DEEPLAB_EGRESS=on, or take its label \"{EgressOptions.HostLabel}\" away."
            );
            yield break;
        }
        yield return wall.IsOpen && wall.Holds
            ? new(check, FindingSeverity.Ok, "Containers reach neither the host, the console nor each other.")
            : new(
                check,
                wall.IsOpen ? FindingSeverity.Warning : FindingSeverity.Error,
                $"The rules about where containers may go are not in place: {wall.Trouble ?? "their keeper did not start in time"}",
                "See that it has this version's base image (images/load), or that DEEPLAB_PROBE_IMAGE has nft, and a kernel with nf_tables. "
                    + $"To use it as it is, label it {EgressOptions.HostLabel}=best-effort, or set DEEPLAB_EGRESS so for all."
            );
    }

    private static IEnumerable<PreflightFinding> Gpus(EngineInfo engine, ProbeView probes)
    {
        const string check = "gpus";
        if (probes.Gpus is { Count: > 0 } gpus)
        {
            var kinds = gpus.GroupBy(g => g.Model).Select(g => $"{g.Count()} x {g.Key}");
            var drivers = gpus.Select(g => g.DriverVersion).Distinct();
            yield return new(
                check,
                FindingSeverity.Ok,
                $"{string.Join(", ", kinds)}, driver {string.Join(", ", drivers)}."
            );
            foreach (var sick in gpus.Where(g => g.Trouble is not null))
            {
                yield return new(
                    check,
                    FindingSeverity.Warning,
                    $"GPU {sick.Index} ({sick.Uuid}): {sick.Trouble}.",
                    "It is not leased. Reset or replace it."
                );
            }
            yield return new(
                "toolkit-version",
                FindingSeverity.Ok,
                "The engine does not tell the version of the NVIDIA container toolkit.",
                $"See on the host that it is {SafeToolkit} or newer (nvidia-ctk --version): older ones let a container out (CVE-2025-23266)."
            );
            yield break;
        }
        var hasNone =
            probes.GpuTrouble is null
            || probes.GpuTrouble.Contains("could not select device driver", StringComparison.Ordinal);
        yield return hasNone && !engine.HasNvidiaRuntime
            ? new(check, FindingSeverity.Ok, "It has no GPUs: it takes work that asks for none.")
            : new(
                check,
                FindingSeverity.Warning,
                $"The engine has the NVIDIA runtime, and no GPU is seen{(probes.GpuTrouble is { } t ? $": {t}" : "")}",
                "Run nvidia-smi on the host, then in a container (docker run --rm --gpus all IMAGE nvidia-smi -L)."
            );
    }

    private static IEnumerable<PreflightFinding> DeviceAccess(string? container)
    {
        if (container is not null)
        {
            yield return new(
                "gpu-access",
                FindingSeverity.Warning,
                $"Container {container} lost the GPUs it had been given (NVML says \"Unknown Error\").",
                "\"systemctl daemon-reload\" does that to all that run: make links for the devices (nvidia-ctk system create-dev-char-symlinks --create-all) or let the engine use cgroupfs. New containers have their GPUs."
            );
        }
    }

    private static PreflightFinding Clock(TimeSpan? skew)
    {
        const string check = "clock";
        if (skew is not { } off)
        {
            return new(check, FindingSeverity.Ok, "The engine does not tell its time.");
        }
        var words = string.Create(
            CultureInfo.InvariantCulture,
            $"Its clock is {off.Duration().TotalSeconds:0.#} s {(off < TimeSpan.Zero ? "behind" : "ahead of")} the database's."
        );
        const string action = "Run a time service on it (chrony, systemd-timesyncd).";
        return off.Duration() > s_worstSkew ? new(check, FindingSeverity.Error, words, action)
            : off.Duration() > s_noticedSkew ? new(check, FindingSeverity.Warning, words, action)
            : new(check, FindingSeverity.Ok, "Its clock and the database's agree.");
    }

    private static PreflightFinding Disk(ProbeView probes)
    {
        const string check = "disk";
        if (probes.Host is not { DiskTotal: > 0 } host)
        {
            return new(check, FindingSeverity.Ok, "The free space of the engine's data is not known.");
        }
        var free = 1 - (double)host.DiskUsed / host.DiskTotal;
        var words = string.Create(
            CultureInfo.InvariantCulture,
            $"{free:P0} of the engine's disk is free ({(host.DiskTotal - host.DiskUsed) / (1L << 30):N0} of {host.DiskTotal / (1L << 30):N0} GiB)."
        );
        const string action = "Remove images and volumes that nobody uses (docker system df, docker image prune).";
        return free < LeastFree ? new(check, FindingSeverity.Error, words, action)
            : free < NoticedFree ? new(check, FindingSeverity.Warning, words, action)
            : new(check, FindingSeverity.Ok, words);
    }

    /// <summary>A Swarm's engine cannot have live-restore; any other should, or its restart ends every job.</summary>
    private static PreflightFinding Restarts(HostFacts facts)
    {
        var (isNode, needsSwarm) = (facts.Engine.SwarmNodeId is not null, facts.NeedsSwarm);
        if (needsSwarm)
        {
            return isNode
                ? new("swarm", FindingSeverity.Ok, "It is a node of a Swarm.")
                : new(
                    "swarm",
                    FindingSeverity.Error,
                    "Its cluster is a Swarm, and it is no active node of one.",
                    "Join it again (docker swarm join)."
                );
        }
        return facts.Engine.LiveRestore
                ? new("live-restore", FindingSeverity.Ok, "Jobs outlive a restart of the engine.")
            : isNode ? new("live-restore", FindingSeverity.Ok, "It is a node of a Swarm, which refuses live-restore.")
            : new(
                "live-restore",
                FindingSeverity.Warning,
                "A restart of the engine ends every job on it.",
                "Set \"live-restore\": true in its daemon.json and reload it."
            );
    }

    private static IEnumerable<PreflightFinding> Registries(IReadOnlyList<RegistryFact> registries)
    {
        const string check = "registry";
        if (registries.Count == 0)
        {
            yield return new(check, FindingSeverity.Ok, "Skipped: no image of the catalogue names a registry.");
        }
        foreach (var registry in registries)
        {
            yield return registry.Trouble is not { } trouble
                ? new(check, FindingSeverity.Ok, $"{registry.Registry} answers.")
                // Images that are there already still run
                : new(
                    check,
                    FindingSeverity.Warning,
                    $"{registry.Registry} cannot be reached from it: {trouble}",
                    "See its network, proxy and DNS; images that it has already still run."
                );
        }
    }

    /// <summary>`20.10.24+dfsg1` is 20.10.24; null for what begins with no version.</summary>
    private static Version? VersionOf(string text) =>
        Leading().Match(text) is { Success: true } m && Version.TryParse(m.Value, out var version) ? version : null;

    [GeneratedRegex(@"^[0-9]{1,5}\.[0-9]{1,5}(?:\.[0-9]{1,5})?", RegexOptions.NonBacktracking)]
    private static partial Regex Leading();
}
