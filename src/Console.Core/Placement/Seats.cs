using System.Collections.Immutable;
using System.Numerics;
using System.Runtime.InteropServices;

namespace DeepLab.Core.Placement;

/// <summary>Which replica sits where, with which GPUs: the smallest that suit, so that large ones stay free for who needs them.</summary>
internal static class Seats
{
    public static JobPlacement Of(HostTable hosts, Asker asker, Spot[] spots, bool borrowing)
    {
        var roles = asker.Job.Roles;
        var replicas = new ReplicaPlacement[asker.Shape.Whole.Replicas];
        for (var n = 0; n < asker.Shape.Needs.Length; n++)
        {
            var need = asker.Shape.Needs[n];
            var first = 0;
            for (var r = 0; r < need.Role; r++)
            {
                first += roles[r].Replicas;
            }
            Fill(replicas.AsSpan(first, need.Replicas), hosts, asker, n, spots);
        }
        return new JobPlacement(asker.Job.Id, ImmutableCollectionsMarshal.AsImmutableArray(replicas), borrowing);
    }

    private static void Fill(Span<ReplicaPlacement> seats, HostTable hosts, Asker asker, int n, Spot[] spots)
    {
        var need = asker.Shape.Needs[n];
        var role = asker.Job.Roles[need.Role].Name;
        var tasks = asker.Job.Tasks;
        var index = 0;
        foreach (var spot in spots)
        {
            var count = spot.Part.Counts[n];
            var free = Rest(hosts, asker.Shape, spot, n);
            for (var i = 0; i < count; i++)
            {
                var gpus = need.Gpus == 0 ? 0 : Room.Smallest(free & hosts.Suiting(need, spot.Host), need.Gpus);
                free &= ~gpus;
                var slot = hosts.Slots[spot.Host];
                var number = tasks.IsEmpty ? index : tasks[index];
                seats[index] = new ReplicaPlacement(role, number, slot.Id, slot.Name, Uuids(hosts, spot.Host, gpus));
                index++;
            }
        }
    }

    /// <summary>GPUs of the host that are left when the roles before this one have theirs.</summary>
    private static ulong Rest(HostTable hosts, Shape shape, in Spot spot, int until)
    {
        var free = hosts.Free[spot.Host].Gpus;
        for (var i = 0; i < until; i++)
        {
            var wanted = spot.Part.Counts[i] * shape.Needs[i].Gpus;
            free &= ~Room.Smallest(free & hosts.Suiting(shape.Needs[i], spot.Host), wanted);
        }
        return free;
    }

    private static ImmutableArray<string> Uuids(HostTable hosts, int host, ulong gpus)
    {
        if (gpus == 0)
        {
            return [];
        }
        var uuids = new string[BitOperations.PopCount(gpus)];
        for (var i = 0; i < uuids.Length; i++)
        {
            uuids[i] = hosts.Gpus[host][BitOperations.TrailingZeroCount(gpus)].Uuid;
            gpus &= gpus - 1;
        }
        return ImmutableCollectionsMarshal.AsImmutableArray(uuids);
    }
}
