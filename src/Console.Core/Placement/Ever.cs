using System.Collections.Immutable;
using System.Numerics;
using DeepLab.Core.Clusters;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>What a fleet could never give, whatever ended.</summary>
public static partial class Fit
{
    /// <summary>By field path, naming the largest host; empty where some host or cluster could, and while no host is known.</summary>
    public static IReadOnlyList<SpecError> CheckEver(FleetSnapshot fleet, JobRequest asked)
    {
        var job = asked.AtLeast();
        var known = fleet
            .Hosts.Where(h => h.ClusterId == job.ClusterId && h.State != HostState.Disabled && h.Cpus > 0)
            .ToImmutableArray();
        if (known.IsEmpty)
        {
            return [];
        }
        if (CheckChoice(known, job.Placement) is { } unplaceable)
        {
            return [unplaceable];
        }
        var hosts = new HostTable(fleet with { Hosts = known });
        var shape = ShapeBook.Make(hosts, job, hosts.ClusterOf(job.ClusterId), ShapeBook.Allowed(hosts, job.Placement));
        int[] open = [.. hosts.HostsOf[shape.Cluster].Where(shape.Allows)];
        var together = Packing.TogetherHold(hosts, shape, open, hosts.Capacity);
        if (shape.OneHost && open.Any(h => Packing.Holds(hosts, shape, shape.Whole, h, hosts.Capacity[h])))
        {
            return [];
        }
        if (!shape.OneHost && together)
        {
            return [];
        }
        var errors = new List<SpecError>();
        // Where several hosts would do, each replica is fine: it is the whole that is too large for one
        var tooLarge = shape.OneHost && together ? [] : shape.Needs;
        foreach (var need in tooLarge.OrderBy(n => n.Role))
        {
            CheckRole(hosts, open, need, shape.OneHost ? need.Replicas : 1, errors);
        }
        if (errors.Count == 0)
        {
            errors.Add(new SpecError("roles", WholeTooLarge(hosts, shape, open, together)));
        }
        return errors;
    }

    private static SpecError? CheckChoice(ImmutableArray<HostSlot> known, PlacementSpec placement)
    {
        if (!known.Any(h => HasLabels(h, placement)))
        {
            return new SpecError("placement.hostLabels", $"no host of the cluster carries {Words.Labels(placement)}.");
        }
        var field = placement.OnlyHosts.IsDefaultOrEmpty ? "excludeHosts" : "onlyHosts";
        return known.All(h => !HasLabels(h, placement) || IsExcluded(h, placement))
            ? new SpecError($"placement.{field}", "leaves no host of the cluster that the job may run on.")
            : null;
    }

    private static void CheckRole(HostTable hosts, int[] open, Need need, int replicas, List<SpecError> errors)
    {
        var path = $"roles[{need.Role}].resources.";
        var those = replicas > 1 ? $" ({replicas} replicas on one host)" : "";
        int Has(int host) => BitOperations.PopCount(hosts.Capacity[host].Gpus & hosts.Suiting(need, host));
        var gpus = replicas * need.Gpus;
        var best = open.MaxBy(Has);
        if (gpus > 0 && gpus > Has(best))
        {
            var (has, all) = (Has(best), hosts.Slots[best].Gpus.Length);
            errors.Add(
                new SpecError(
                    path + "gpus",
                    $"asks for {gpus} GPUs{Words.Kind(need.Asked)}{those}; the largest host, {hosts.Slots[best].Name}, has {has}"
                        + (has == all ? "." : $" such of {all}.")
                )
            );
        }
        var cpus = hosts.Slots[open.MaxBy(h => hosts.Capacity[h].Cpus)];
        if (replicas * need.Cpus > cpus.Cpus + Room.Epsilon)
        {
            errors.Add(
                new SpecError(
                    path + "cpus",
                    $"asks for {Words.Number(replicas * need.Cpus)} CPUs{those}; the largest host, {cpus.Name}, has {Words.Number(cpus.Cpus)}."
                )
            );
        }
        var memory = hosts.Slots[open.MaxBy(h => hosts.Capacity[h].Memory)];
        if (replicas * need.Memory > memory.MemoryBytes)
        {
            errors.Add(
                new SpecError(
                    path + "memory",
                    $"asks for {Words.Bytes(replicas * need.Memory)}{those}; the largest host, {memory.Name}, has {Words.Bytes(memory.MemoryBytes)}."
                )
            );
        }
    }

    private static string WholeTooLarge(HostTable hosts, Shape shape, int[] open, bool together)
    {
        var cluster = hosts.Clusters[shape.Cluster];
        var whole =
            $"{Words.Count(shape.Whole.Replicas, "replica")} with {Words.Count(shape.Whole.Gpus, "GPU")}, {Words.Number(shape.Whole.Cpus)} CPUs and {Words.Bytes(shape.Whole.Memory)}";
        if (!shape.OneHost)
        {
            return $"asks for {whole}: more than all hosts of cluster {cluster.Name} hold together.";
        }
        var why =
            !together || shape.Whole.Replicas == 1 ? ""
            : shape.MaySpan ? ", as it wants one host"
            : ", as its cluster cannot span hosts";
        var largest = hosts.Slots[
            open.OrderByDescending(h => hosts.Capacity[h].GpuCount)
                .ThenByDescending(h => hosts.Capacity[h].Cpus)
                .First()
        ];
        return $"asks for {whole} on one host{why}; the largest host, {largest.Name}, has {Words.Count(largest.Gpus.Length, "GPU")}, {Words.Number(largest.Cpus)} CPUs and {Words.Bytes(largest.MemoryBytes)}.";
    }
}
