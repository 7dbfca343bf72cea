using System.Collections.Immutable;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>
/// The queue's pure plan. Order: priority, then submission. A job goes to the host it fits best: the fewest GPUs left
/// over, then the fewest CPUs, then the name. The first job that fits nowhere keeps the host that is nearest to having
/// room for it: nothing behind it may start there, so that a stream of small jobs cannot starve a large one.
/// </summary>
public static class Planner
{
    public static QueuePlan Plan(FleetSnapshot fleet, IEnumerable<JobRequest> queue, DateTimeOffset now)
    {
        // Every tie ends at the name: a plan does not depend on the order in which hosts are given
        var hosts = fleet.Hosts.OrderBy(h => h.Name, StringComparer.Ordinal).ToArray();
        var keptFor = new long?[hosts.Length];
        var placements = ImmutableArray.CreateBuilder<JobPlacement>();
        var waiting = ImmutableArray.CreateBuilder<WaitingJob>();
        foreach (var job in queue.OrderByDescending(j => j.Priority).ThenBy(j => j.Id))
        {
            var best = -1;
            for (var i = 0; i < hosts.Length; i++)
            {
                if (
                    keptFor[i] is null
                    && hosts[i].ClusterId == job.ClusterId
                    && Fit.Check(hosts[i], job).IsEmpty
                    && (best < 0 || Compare(hosts[i], hosts[best]) < 0)
                )
                {
                    best = i;
                }
            }
            if (best >= 0)
            {
                var placement = Fit.ChooseGpus(hosts[best], job);
                placements.Add(placement);
                hosts[best] = Take(hosts[best], job, placement);
            }
            else
            {
                waiting.Add(new WaitingJob(job.Id, waiting.Count + 1, Explain(hosts, keptFor, job), null));
            }
        }
        return new QueuePlan(placements.ToImmutable(), [], waiting.ToImmutable());
    }

    /// <summary>The host after the job took its share; what a plan counts with until the database does.</summary>
    public static HostSlot Take(HostSlot host, JobRequest job, JobPlacement placement)
    {
        var taken = placement.Replicas.SelectMany(r => r.Gpus).ToHashSet(StringComparer.Ordinal);
        return host with
        {
            CpusHeld = host.CpusHeld + job.Cpus,
            MemoryHeldBytes = host.MemoryHeldBytes + job.MemoryBytes,
            Gpus = [.. host.Gpus.Select(g => taken.Contains(g.Uuid) ? g with { HeldBy = job.Id } : g)],
            HeldBy = host.HeldBy.Add(job.Id),
        };
    }

    private static int Compare(HostSlot a, HostSlot b)
    {
        var gpus = a.Gpus.Count(g => g.IsFree).CompareTo(b.Gpus.Count(g => g.IsFree));
        if (gpus == 0)
        {
            // Hosts with GPUs are left to those who need them, also when all of theirs are held at the moment
            gpus = a.Gpus.Length.CompareTo(b.Gpus.Length);
        }
        if (gpus != 0)
        {
            return gpus;
        }
        var cpus = a.CpusFree.CompareTo(b.CpusFree);
        return cpus != 0 ? cpus : string.CompareOrdinal(a.Name, b.Name);
    }

    private static ImmutableArray<WaitReason> Explain(HostSlot[] hosts, long?[] keptFor, JobRequest job)
    {
        var nearest = -1;
        var reasons = ImmutableArray<WaitReason>.Empty;
        var anyInCluster = false;
        for (var i = 0; i < hosts.Length; i++)
        {
            if (hosts[i].ClusterId != job.ClusterId)
            {
                continue;
            }
            anyInCluster = true;
            var missing = Fit.Check(hosts[i], job);
            if (missing.IsEmpty)
            {
                // It would fit, were the host not kept: that is the whole answer
                var ahead = keptFor[i]!.Value;
                return
                [
                    new WaitReason(
                        WaitKind.BehindInQueue,
                        $"job {ahead} is ahead of it and waits for room on {hosts[i].Name}",
                        Host: hosts[i].Name,
                        HeldBy: [ahead]
                    ),
                ];
            }
            if (
                Fit.CheckEver(new FleetSnapshot([hosts[i]]), job).Count == 0
                && (nearest < 0 || Nearer(hosts[i], hosts[nearest], job))
            )
            {
                nearest = i;
                reasons = missing;
            }
        }
        if (!anyInCluster)
        {
            return [new WaitReason(WaitKind.NoHostReady, "its cluster has no host")];
        }
        if (nearest < 0)
        {
            return [new WaitReason(WaitKind.NoHostReady, "no host of its cluster is large enough and ready")];
        }
        if (keptFor[nearest] is { } first)
        {
            return reasons.Add(
                new WaitReason(
                    WaitKind.BehindInQueue,
                    $"job {first} is ahead of it and waits for room on {hosts[nearest].Name}",
                    Host: hosts[nearest].Name,
                    HeldBy: [first]
                )
            );
        }
        keptFor[nearest] = job.Id;
        return reasons;
    }

    private static bool Nearer(HostSlot a, HostSlot b, JobRequest job)
    {
        var ready = (a.State == Clusters.HostState.Ready).CompareTo(b.State == Clusters.HostState.Ready);
        if (ready != 0)
        {
            return ready > 0;
        }
        var free = a
            .Gpus.Count(g => g.IsFree && Fit.Suits(g, job.Roles[0].Resources))
            .CompareTo(b.Gpus.Count(g => g.IsFree && Fit.Suits(g, job.Roles[0].Resources)));
        return free != 0 ? free > 0 : a.CpusFree > b.CpusFree;
    }
}
