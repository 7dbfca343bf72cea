using System.Collections.Immutable;
using System.Numerics;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>What a job lacks, in numbers: on one host, or on all hosts of a cluster that can span them.</summary>
internal sealed class Shortfalls(HostTable hosts, List<(int Host, Asker Asker, Room Taken)> given)
{
    public const int MostHolders = 20;
    private ILookup<int, long>? _given;
    private Room[]? _rooms;

    /// <summary>Empty where the job may start there now.</summary>
    public ImmutableArray<WaitReason> On(Shape shape, int host)
    {
        var missing = ImmutableArray.CreateBuilder<WaitReason>();
        var (slot, whole, free) = (hosts.Slots[host], shape.Whole, hosts.Free[host]);
        if (!Packing.HoldsGpus(hosts, shape, whole, host, free.Gpus))
        {
            missing.Add(Gpus(shape, host));
        }
        if (whole.Cpus > free.Cpus + Room.Epsilon)
        {
            var holders = Holders(host);
            var has = $"{Words.Number(Math.Max(0, free.Cpus))} of {Words.Number(slot.Cpus)}";
            missing.Add(
                new WaitReason(
                    WaitKind.NotEnoughCpus,
                    $"needs {Words.Number(whole.Cpus)} CPUs on one host; {slot.Name} has {has} free{Rest(holders)}",
                    whole.Cpus,
                    free.Cpus,
                    slot.Cpus,
                    slot.Name,
                    [.. holders.Take(MostHolders)]
                )
            );
        }
        if (whole.Memory > free.Memory)
        {
            var holders = Holders(host);
            var has = $"{Words.Bytes(Math.Max(0, free.Memory))} of {Words.Bytes(slot.MemoryBytes)}";
            missing.Add(
                new WaitReason(
                    WaitKind.NotEnoughMemory,
                    $"needs {Words.Bytes(whole.Memory)} of memory on one host; {slot.Name} has {has} free{Rest(holders)}",
                    whole.Memory,
                    free.Memory,
                    slot.MemoryBytes,
                    slot.Name,
                    [.. holders.Take(MostHolders)]
                )
            );
        }
        return missing.ToImmutable();
    }

    /// <summary>Empty where the hosts of its cluster hold it now.</summary>
    public ImmutableArray<WaitReason> Over(Shape shape)
    {
        var ready = hosts.ReadyFor(shape);
        var (free, total, replicas, used) = Count(shape, ready);
        if (replicas == shape.Whole.Replicas)
        {
            return [];
        }
        var name = hosts.Clusters[shape.Cluster].Name;
        var room = $"room for {replicas} of {shape.Whole.Replicas} replicas on {Words.Count(used, "host")}";
        if (shape.Whole.Gpus > free || (shape.Whole.Gpus > 0 && !Together(shape, ready, ignoreCpus: true)))
        {
            var kind = Kind(shape);
            return
            [
                new WaitReason(
                    kind.Length == 0 ? WaitKind.NotEnoughGpus : WaitKind.NotEnoughGpusOfModel,
                    $"needs {shape.Whole.Gpus} GPUs{kind}{Each(shape)}; cluster {name} has {free} of {total} free, {room}",
                    shape.Whole.Gpus,
                    free,
                    total
                ),
            ];
        }
        return
        [
            Together(shape, ready, ignoreCpus: false)
                ? new WaitReason(
                    WaitKind.NotEnoughMemory,
                    $"needs {Words.Bytes(shape.Whole.Memory)} of memory in {shape.Whole.Replicas} replicas; cluster {name} has {room}",
                    shape.Whole.Memory
                )
                : new WaitReason(
                    WaitKind.NotEnoughCpus,
                    $"needs {Words.Number(shape.Whole.Cpus)} CPUs in {shape.Whole.Replicas} replicas; cluster {name} has {room}",
                    shape.Whole.Cpus
                ),
        ];
    }

    private WaitReason Gpus(Shape shape, int host)
    {
        var (need, wanted, open) = FirstShort(shape, host);
        var suiting = need is null ? ulong.MaxValue : hosts.Suiting(need, host);
        var total = BitOperations.PopCount(hosts.Capacity[host].Gpus & suiting);
        var free = BitOperations.PopCount(open);
        var holders = new SortedSet<long>();
        var held = 0;
        for (var gpus = hosts.Capacity[host].Gpus & ~hosts.Free[host].Gpus & suiting; gpus != 0; gpus &= gpus - 1)
        {
            held++;
            holders.Add(hosts.Holders[host][BitOperations.TrailingZeroCount(gpus)]);
        }
        var kind = need is null ? "" : Words.Kind(need.Asked);
        var by = held == 0 ? "" : $", {held} held by {Words.Count(holders.Count, "job")}";
        var name = hosts.Slots[host].Name;
        return new WaitReason(
            kind.Length == 0 ? WaitKind.NotEnoughGpus : WaitKind.NotEnoughGpusOfModel,
            $"needs {Words.Count(wanted, "GPU")}{kind} on one host; {name} has {free} of {total} free{by}",
            wanted,
            free,
            total,
            name,
            [.. holders.Take(MostHolders)]
        );
    }

    /// <summary>The first role that finds too few GPUs, in the order in which they are served; no role where any GPU suits all.</summary>
    private (Need? Need, int Wanted, ulong Open) FirstShort(Shape shape, int host)
    {
        var free = hosts.Free[host].Gpus;
        if (shape.AnyGpuSuits)
        {
            return (null, shape.Whole.Gpus, free);
        }
        foreach (var need in shape.Needs)
        {
            var wanted = need.Replicas * need.Gpus;
            var open = free & hosts.Suiting(need, host);
            if (BitOperations.PopCount(open) < wanted)
            {
                return (need, wanted, open);
            }
            free &= ~Room.Smallest(open, wanted);
        }
        return (null, shape.Whole.Gpus, free);
    }

    private (int Free, int Total, int Replicas, int Hosts) Count(Shape shape, int[] ready)
    {
        var (free, total, replicas, used) = (0, 0, 0, 0);
        var wanted = shape.Whole.Counts.ToArray();
        var filled = new int[wanted.Length];
        foreach (var h in ready)
        {
            var suiting = 0UL;
            foreach (var need in shape.Needs)
            {
                suiting |= need.Gpus == 0 ? 0 : hosts.Suiting(need, h);
            }
            free += BitOperations.PopCount(suiting & hosts.Free[h].Gpus);
            total += BitOperations.PopCount(suiting & hosts.Capacity[h].Gpus);
            var here = Packing.Fill(hosts, shape, wanted, h, hosts.Free[h], filled).Replicas;
            replicas += here;
            used += here > 0 ? 1 : 0;
            for (var i = 0; i < wanted.Length; i++)
            {
                wanted[i] -= filled[i];
            }
        }
        return (free, total, replicas, used);
    }

    /// <summary>Whether the hosts would hold it if memory, and maybe CPUs, were no matter.</summary>
    private bool Together(Shape shape, int[] ready, bool ignoreCpus)
    {
        _rooms ??= new Room[hosts.Slots.Length];
        foreach (var h in ready)
        {
            var free = hosts.Free[h];
            _rooms[h] = new Room(ignoreCpus ? double.MaxValue : free.Cpus, long.MaxValue, free.Gpus);
        }
        return Packing.TogetherHold(hosts, shape, ready, _rooms);
    }

    private static string Kind(Shape shape) =>
        shape.Needs.Where(n => n.Gpus > 0).Select(n => Words.Kind(n.Asked)).FirstOrDefault(k => k.Length > 0) ?? "";

    private static string Each(Shape shape) =>
        shape.Needs.Length == 1
            ? $", {shape.Needs[0].Gpus} for each of {shape.Whole.Replicas} replicas"
            : $" in {shape.Whole.Replicas} replicas";

    private SortedSet<long> Holders(int host)
    {
        _given ??= given.ToLookup(g => g.Host, g => g.Asker.Job.Id);
        return [.. hosts.Slots[host].HeldBy, .. _given[host]];
    }

    private static string Rest(SortedSet<long> holders) =>
        holders.Count == 0 ? "" : $", the rest held by {Words.Count(holders.Count, "job")}";
}
