using System.Numerics;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>Replicas of a job on a host.</summary>
internal readonly record struct Spot(int Host, Part Part);

/// <summary>
/// May these replicas go to that host? Plans, reservations, preemptions and the check at commit all ask here. On one host
/// the answer is exact but where roles want GPUs of kinds that overlap without one holding the other; over several hosts it
/// is exact for jobs of one role.
/// </summary>
internal static class Packing
{
    public static bool Holds(HostTable hosts, Shape shape, Part part, int host, in Room room)
    {
        if (
            part.Cpus > room.Cpus + Room.Epsilon
            || part.Memory > room.Memory
            || (part.Gpus > 0 && part.Gpus > room.GpuCount)
        )
        {
            return false;
        }
        return shape.AnyGpuSuits || HoldsGpus(hosts, shape, part, host, room.Gpus);
    }

    public static bool HoldsGpus(HostTable hosts, Shape shape, Part part, int host, ulong free)
    {
        for (var i = 0; i < shape.Needs.Length; i++)
        {
            var wanted = part.Counts[i] * shape.Needs[i].Gpus;
            if (wanted == 0)
            {
                continue;
            }
            var suiting = free & hosts.Suiting(shape.Needs[i], host);
            if (BitOperations.PopCount(suiting) < wanted)
            {
                return false;
            }
            free &= ~Room.Smallest(suiting, wanted);
        }
        return true;
    }

    /// <summary>What the part takes of a room that holds it.</summary>
    public static Room Taken(HostTable hosts, Shape shape, Part part, int host, in Room room)
    {
        var free = room.Gpus;
        if (part.Gpus > 0)
        {
            for (var i = 0; i < shape.Needs.Length; i++)
            {
                var wanted = part.Counts[i] * shape.Needs[i].Gpus;
                free &= ~Room.Smallest(free & hosts.Suiting(shape.Needs[i], host), wanted);
            }
        }
        return new Room(part.Cpus, part.Memory, room.Gpus & ~free);
    }

    /// <summary>As many of the wanted replicas as the room holds, role by role; answers how many GPUs and replicas that is.</summary>
    public static (int Gpus, int Replicas) Fill(
        HostTable hosts,
        Shape shape,
        ReadOnlySpan<int> wanted,
        int host,
        Room room,
        Span<int> given
    )
    {
        var (gpus, replicas) = (0, 0);
        for (var i = 0; i < shape.Needs.Length; i++)
        {
            var need = shape.Needs[i];
            given[i] = 0;
            if (wanted[i] == 0 || (need.Gpus > 0 && room.Gpus == 0))
            {
                continue;
            }
            var suiting = need.Gpus == 0 ? 0 : room.Gpus & hosts.Suiting(need, host);
            var count = Most(need, wanted[i], room, suiting);
            given[i] = count;
            replicas += count;
            gpus += count * need.Gpus;
            room = new Room(
                room.Cpus - (count * need.Cpus),
                room.Memory - (count * need.Memory),
                room.Gpus & ~Room.Smallest(suiting, count * need.Gpus)
            );
        }
        return (gpus, replicas);
    }

    /// <summary>Whether these hosts together hold the whole job; allocates nothing, and does not say where.</summary>
    public static bool TogetherHold(HostTable hosts, Shape shape, ReadOnlySpan<int> among, Room[] rooms)
    {
        Span<int> wanted = stackalloc int[shape.Needs.Length];
        Span<int> given = stackalloc int[shape.Needs.Length];
        shape.Whole.Counts.CopyTo(wanted);
        var missing = shape.Whole.Replicas;
        foreach (var h in among)
        {
            missing -= Fill(hosts, shape, wanted, h, rooms[h], given).Replicas;
            if (missing == 0)
            {
                return true;
            }
            for (var i = 0; i < wanted.Length; i++)
            {
                wanted[i] -= given[i];
            }
        }
        return false;
    }

    private static int Most(Need need, int wanted, in Room room, ulong suiting)
    {
        var most = wanted;
        if (need.Gpus > 0)
        {
            most = Math.Min(most, BitOperations.PopCount(suiting) / need.Gpus);
        }
        if (need.Cpus > 0)
        {
            most = (int)Math.Min(most, Math.Max(0, (room.Cpus + Room.Epsilon) / need.Cpus));
        }
        return need.Memory > 0 ? (int)Math.Min(most, Math.Max(0, room.Memory / need.Memory)) : most;
    }
}
