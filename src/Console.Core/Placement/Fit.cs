using System.Collections.Immutable;
using DeepLab.Core.Clusters;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>May a job go to a host? The same function ranks in a plan and re-verifies at commit.</summary>
public static class Fit
{
    // Sums of CPU shares are of doubles
    private const double Epsilon = 1e-6;
    private const int HoldersShown = 20;

    public static bool Suits(GpuSlot gpu, ResourcesSpec asked) =>
        gpu.Healthy
        && (asked.GpuModel is null || gpu.Model.Contains(asked.GpuModel, StringComparison.OrdinalIgnoreCase))
        && (asked.GpuMemory is null || gpu.MemoryBytes >= asked.GpuMemory);

    /// <summary>Empty where the job may start there now.</summary>
    public static ImmutableArray<WaitReason> Check(HostSlot host, JobRequest job)
    {
        var missing = ImmutableArray.CreateBuilder<WaitReason>();
        if (!host.TakesWork)
        {
            return [new WaitReason(WaitKind.NoHostReady, $"host {host.Name} is {host.State}", Host: host.Name)];
        }
        if (job.Gpus > 0)
        {
            CheckGpus(host, job, missing);
        }
        if (job.Cpus > host.CpusFree + Epsilon)
        {
            missing.Add(
                new WaitReason(
                    WaitKind.NotEnoughCpus,
                    $"needs {job.Cpus:0.##} CPUs on one host; {host.Name} has {Math.Max(0, host.CpusFree):0.##} of {host.Cpus:0.##} free{Holders(host.HeldBy)}",
                    job.Cpus,
                    host.CpusFree,
                    host.Cpus,
                    host.Name,
                    [.. host.HeldBy.Take(HoldersShown)]
                )
            );
        }
        if (job.MemoryBytes > host.MemoryFreeBytes)
        {
            missing.Add(
                new WaitReason(
                    WaitKind.NotEnoughMemory,
                    $"needs {Bytes(job.MemoryBytes)} of memory on one host; {host.Name} has {Bytes(Math.Max(0, host.MemoryFreeBytes))} of {Bytes(host.MemoryBytes)} free{Holders(host.HeldBy)}",
                    job.MemoryBytes,
                    host.MemoryFreeBytes,
                    host.MemoryBytes,
                    host.Name,
                    [.. host.HeldBy.Take(HoldersShown)]
                )
            );
        }
        return missing.ToImmutable();
    }

    /// <summary>
    /// The GPUs each replica gets on a host that fits: the smallest that suit, so that large ones stay free for who needs
    /// them; ties by the host's own order.
    /// </summary>
    public static JobPlacement ChooseGpus(HostSlot host, JobRequest job)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        var replicas = ImmutableArray.CreateBuilder<ReplicaPlacement>();
        foreach (var role in job.Roles)
        {
            for (var i = 0; i < role.Replicas; i++)
            {
                var chosen = host
                    .Gpus.Where(g => g.IsFree && !taken.Contains(g.Uuid) && Suits(g, role.Resources))
                    .OrderBy(g => g.MemoryBytes)
                    .Take(role.Resources.Gpus)
                    .Select(g => g.Uuid)
                    .ToImmutableArray();
                taken.UnionWith(chosen);
                replicas.Add(new ReplicaPlacement(role.Name, i, host.Id, host.Name, chosen));
            }
        }
        return new JobPlacement(job.Id, replicas.ToImmutable(), false);
    }

    /// <summary>Why a placement that was planned no longer holds, as a sentence; null where it does.</summary>
    public static string? WhyNot(FleetSnapshot fleet, JobRequest job, JobPlacement placement)
    {
        var resources = job.Roles.ToDictionary(r => r.Name, r => r.Resources, StringComparer.Ordinal);
        foreach (var group in placement.Replicas.GroupBy(r => r.HostId))
        {
            var host = fleet.Hosts.FirstOrDefault(h => h.Id == group.Key);
            if (host is null || !host.TakesWork)
            {
                return $"{group.First().HostName} takes no work any more";
            }
            if (group.Sum(r => resources[r.Role].Cpus) > host.CpusFree + Epsilon)
            {
                return $"{host.Name} has too few CPUs free";
            }
            if (group.Sum(r => resources[r.Role].Memory) > host.MemoryFreeBytes)
            {
                return $"{host.Name} has too little memory free";
            }
            var free = host.Gpus.Where(g => g.IsFree).Select(g => g.Uuid).ToHashSet(StringComparer.Ordinal);
            if (group.SelectMany(r => r.Gpus).FirstOrDefault(g => !free.Contains(g)) is { } gone)
            {
                return $"{gone} of {host.Name} is not free any more";
            }
        }
        return null;
    }

    /// <summary>The fleet after the job took its place.</summary>
    public static FleetSnapshot Take(FleetSnapshot fleet, JobRequest job, JobPlacement placement)
    {
        var resources = job.Roles.ToDictionary(r => r.Name, r => r.Resources, StringComparer.Ordinal);
        var byHost = placement.Replicas.ToLookup(r => r.HostId);
        return fleet with
        {
            Hosts =
            [
                .. fleet.Hosts.Select(h =>
                {
                    if (!byHost.Contains(h.Id))
                    {
                        return h;
                    }
                    var taken = byHost[h.Id].SelectMany(r => r.Gpus).ToHashSet(StringComparer.Ordinal);
                    return h with
                    {
                        CpusHeld = h.CpusHeld + byHost[h.Id].Sum(r => resources[r.Role].Cpus),
                        MemoryHeldBytes = h.MemoryHeldBytes + byHost[h.Id].Sum(r => resources[r.Role].Memory),
                        Gpus = [.. h.Gpus.Select(g => taken.Contains(g.Uuid) ? g with { HeldBy = job.Id } : g)],
                        HeldBy = h.HeldBy.Add(job.Id),
                    };
                }),
            ],
        };
    }

    /// <summary>What no host could ever give, by field path; empty where some host could.</summary>
    public static IReadOnlyList<SpecError> CheckEver(FleetSnapshot fleet, JobRequest job)
    {
        var errors = new List<SpecError>();
        var candidates = fleet.Hosts.Where(h => h.State != HostState.Disabled && h.Cpus > 0).ToArray();
        if (candidates.Length == 0)
        {
            return errors;
        }
        const string path = "roles[0].resources.";
        var asked = job.Roles[0].Resources;
        var replicas = job.Replicas > 1 ? $" ({job.Replicas} replicas on one host)" : "";
        if (job.Gpus > 0)
        {
            var best = candidates.MaxBy(h => h.Gpus.Count(g => Suits(g, asked)))!;
            var has = best.Gpus.Count(g => Suits(g, asked));
            if (job.Gpus > has)
            {
                errors.Add(
                    new SpecError(
                        path + "gpus",
                        $"asks for {job.Gpus} GPUs{Kind(asked)}{replicas}; the largest host, {best.Name}, has {has}"
                            + (has == best.Gpus.Length ? "." : $" such of {best.Gpus.Length}.")
                    )
                );
            }
        }
        var cpus = candidates.MaxBy(h => h.Cpus)!;
        if (job.Cpus > cpus.Cpus + Epsilon)
        {
            errors.Add(
                new SpecError(
                    path + "cpus",
                    $"asks for {job.Cpus:0.##} CPUs{replicas}; the largest host, {cpus.Name}, has {cpus.Cpus:0.##}."
                )
            );
        }
        var memory = candidates.MaxBy(h => h.MemoryBytes)!;
        if (job.MemoryBytes > memory.MemoryBytes)
        {
            errors.Add(
                new SpecError(
                    path + "memory",
                    $"asks for {Bytes(job.MemoryBytes)}{replicas}; the largest host, {memory.Name}, has {Bytes(memory.MemoryBytes)}."
                )
            );
        }
        return errors;
    }

    private static void CheckGpus(HostSlot host, JobRequest job, ImmutableArray<WaitReason>.Builder missing)
    {
        var asked = job.Roles[0].Resources;
        var free = 0;
        var total = 0;
        var holders = new SortedSet<long>();
        var held = 0;
        foreach (var gpu in host.Gpus)
        {
            if (!Suits(gpu, asked))
            {
                continue;
            }
            total++;
            if (gpu.HeldBy is { } holder)
            {
                held++;
                holders.Add(holder);
            }
            else
            {
                free++;
            }
        }
        if (free >= job.Gpus)
        {
            return;
        }
        var kind = Kind(asked);
        var by = held == 0 ? "" : $", {held} held by {holders.Count} {(holders.Count == 1 ? "job" : "jobs")}";
        missing.Add(
            new WaitReason(
                kind.Length == 0 ? WaitKind.NotEnoughGpus : WaitKind.NotEnoughGpusOfModel,
                $"needs {job.Gpus} {(job.Gpus == 1 ? "GPU" : "GPUs")}{kind} on one host; {host.Name} has {free} of {total} free{by}",
                job.Gpus,
                free,
                total,
                host.Name,
                [.. holders.Take(HoldersShown)]
            )
        );
    }

    private static string Kind(ResourcesSpec asked) =>
        (asked.GpuModel, asked.GpuMemory) switch
        {
            (null, null) => "",
            ({ } m, null) => $" of model {m}",
            (null, { } b) => $" of at least {Bytes(b)}",
            ({ } m, { } b) => $" of model {m} with at least {Bytes(b)}",
        };

    private static string Holders(ImmutableArray<long> jobs) =>
        jobs.IsEmpty ? "" : $", the rest held by {jobs.Length} {(jobs.Length == 1 ? "job" : "jobs")}";

    private static string Bytes(long bytes) =>
        bytes switch
        {
            >= 1L << 30 => $"{bytes / (double)(1L << 30):0.#} GiB",
            >= 1L << 20 => $"{bytes / (double)(1L << 20):0.#} MiB",
            _ => $"{bytes} bytes",
        };
}
