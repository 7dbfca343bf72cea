using System.Collections.Immutable;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>May a job go to a host? What a plan asks is asked again when it is committed.</summary>
public static partial class Fit
{
    public static bool Suits(GpuSlot gpu, ResourcesSpec asked) =>
        gpu.Healthy && Suits(gpu.Model, gpu.MemoryBytes, asked);

    internal static bool Suits(string model, long memory, ResourcesSpec asked) =>
        (asked.GpuModel is null || model.Contains(asked.GpuModel, StringComparison.OrdinalIgnoreCase))
        && (asked.GpuMemory is null || memory >= asked.GpuMemory);

    internal static bool HasLabels(HostSlot host, PlacementSpec placement)
    {
        foreach (var (name, value) in placement.HostLabels)
        {
            if (!host.Labels.TryGetValue(name, out var has) || has != value)
            {
                return false;
            }
        }
        return true;
    }

    internal static bool IsExcluded(HostSlot host, PlacementSpec placement) =>
        (!placement.ExcludeHosts.IsDefaultOrEmpty && placement.ExcludeHosts.Contains(host.Name))
        || (!placement.OnlyHosts.IsDefaultOrEmpty && !placement.OnlyHosts.Contains(host.Name));

    /// <summary>Why a placement that was planned no longer holds, as a sentence; null where it does.</summary>
    public static string? WhyNot(FleetSnapshot fleet, JobRequest job, JobPlacement placement)
    {
        var ids = placement.Replicas.Select(r => r.HostId).ToHashSet();
        var hosts = new HostTable(fleet with { Hosts = [.. fleet.Hosts.Where(h => ids.Contains(h.Id))] });
        var shape = ShapeBook.Make(hosts, job, hosts.ClusterOf(job.ClusterId), ShapeBook.Allowed(hosts, job.Placement));
        foreach (var group in placement.Replicas.GroupBy(r => r.HostId))
        {
            var h = hosts.Host(group.Key);
            if (h < 0 || !hosts.TakesWork[h] || !shape.Allows(h))
            {
                return $"{group.First().HostName} takes no work any more, or not this";
            }
            if (WhyNot(hosts, shape, job, h, [.. group]) is { } why)
            {
                return why;
            }
        }
        return WhyNotQuota(fleet, job, shape, placement.Borrowing);
    }

    /// <summary>The fleet after the job took its place.</summary>
    public static FleetSnapshot Take(FleetSnapshot fleet, JobRequest job, JobPlacement placement)
    {
        var resources = job.Roles.ToDictionary(r => r.Name, r => r.Resources, StringComparer.Ordinal);
        var slots = fleet.Hosts.ToBuilder();
        var holdings = ImmutableArray.CreateBuilder<Holding>();
        foreach (var group in placement.Replicas.GroupBy(r => r.HostId))
        {
            var holding = new Holding(
                group.Key,
                group.Sum(r => resources[r.Role].Cpus),
                group.Sum(r => resources[r.Role].Memory),
                [.. group.SelectMany(r => r.Gpus)]
            );
            holdings.Add(holding);
            for (var h = 0; h < slots.Count; h++)
            {
                if (slots[h].Id == group.Key)
                {
                    slots[h] = Take(slots[h], job.Id, holding);
                }
            }
        }
        return fleet with
        {
            Hosts = slots.MoveToImmutable(),
            Running = fleet.Running.Add(
                new RunningJob(job.Id, job.ClusterId, job.Priority, holdings.ToImmutable())
                {
                    Team = job.Team,
                    OwnerId = job.OwnerId,
                    Preemptible = job.Preemptible,
                    Borrowing = placement.Borrowing,
                }
            ),
        };
    }

    /// <summary>The fleet as it would be if the job had given up all that it holds.</summary>
    public static FleetSnapshot Without(FleetSnapshot fleet, long jobId)
    {
        var holdings = fleet.Running.Where(r => r.Id == jobId).SelectMany(r => r.Holdings).ToLookup(h => h.HostId);
        return fleet with
        {
            Hosts = [.. fleet.Hosts.Select(h => Without(h, jobId, holdings[h.Id]))],
            Running = [.. fleet.Running.Where(r => r.Id != jobId)],
        };
    }

    private static HostSlot Without(HostSlot host, long job, IEnumerable<Holding> holdings) =>
        host with
        {
            CpusHeld = host.CpusHeld - holdings.Sum(h => h.Cpus),
            MemoryHeldBytes = host.MemoryHeldBytes - holdings.Sum(h => h.MemoryBytes),
            Gpus = [.. host.Gpus.Select(g => g.HeldBy == job ? g with { HeldBy = null } : g)],
            HeldBy = host.HeldBy.Remove(job),
        };

    private static HostSlot Take(HostSlot host, long job, Holding holding) =>
        host with
        {
            CpusHeld = host.CpusHeld + holding.Cpus,
            MemoryHeldBytes = host.MemoryHeldBytes + holding.MemoryBytes,
            Gpus = [.. host.Gpus.Select(g => holding.Gpus.Contains(g.Uuid) ? g with { HeldBy = job } : g)],
            HeldBy = host.HeldBy.Add(job),
        };

    private static string? WhyNot(HostTable hosts, Shape shape, JobRequest job, int host, ReplicaPlacement[] replicas)
    {
        var counts = new int[shape.Needs.Length];
        for (var n = 0; n < counts.Length; n++)
        {
            counts[n] = replicas.Count(r => r.Role == job.Roles[shape.Needs[n].Role].Name);
        }
        var part = Part.Of(shape.Needs, counts);
        var (free, name) = (hosts.Free[host], hosts.Slots[host].Name);
        var gone = replicas
            .SelectMany(r => r.Gpus)
            .FirstOrDefault(g => !Array.Exists(hosts.Gpus[host], s => s.Uuid == g && s.IsFree));
        if (gone is not null)
        {
            return $"{gone} of {name} is not free any more";
        }
        return Packing.Holds(hosts, shape, part, host, free) ? null
            : part.Cpus > free.Cpus + Room.Epsilon ? $"{name} has too few CPUs free"
            : part.Memory > free.Memory ? $"{name} has too little memory free"
            : $"{name} has too few GPUs free";
    }

    private static string? WhyNotQuota(FleetSnapshot fleet, JobRequest job, Shape shape, bool borrowing)
    {
        var own = fleet with
        {
            Running = [.. fleet.Running.Where(r => r.Team == job.Team || r.OwnerId == job.OwnerId)],
        };
        var teams = new TeamIndex(own, [job]);
        var quotas = new Quotas(own, teams);
        var asker = new Asker(job, shape, null, teams.OfQueue[0], quotas.User(job.OwnerId));
        var answer = quotas.Ask(asker);
        return answer == QuotaAnswer.Within || (answer == QuotaAnswer.MayBorrow && borrowing)
            ? null
            : quotas.Explain(asker)[0].Message;
    }
}
