using System.Numerics;

namespace DeepLab.Core.Placement;

/// <summary>Where a job that finds no place will start earliest.</summary>
/// <param name="Starts">ticks</param>
/// <param name="Then">rooms at that time, by spot</param>
internal sealed record Shadow(Spot[] Spots, long Starts, Room[] Then);

/// <summary>Looks forward through promised ends. Hosts that another job reserved are passed by.</summary>
internal sealed class Shadows(HostTable hosts, Releases releases, Reservations reservations, long now)
{
    /// <summary>The place that those who were told to end leave to it, if they do.</summary>
    public Shadow? AfterEnding(Asker asker)
    {
        var open = Open(asker.Shape);
        if (!Array.Exists(open, releases.AnyEnding))
        {
            return null;
        }
        if (asker.Shape.OneHost)
        {
            // On the others it found no place just now
            open = Array.FindAll(open, releases.AnyEnding);
        }
        var rooms = (Room[])hosts.Free.Clone();
        foreach (var h in open)
        {
            rooms[h] = releases.AfterEnding(h, rooms[h]);
        }
        return Seat(asker, open, rooms, now);
    }

    public Shadow? Earliest(Asker asker)
    {
        var open = Open(asker.Shape);
        return asker.Shape.OneHost ? EarliestHost(asker, open) : EarliestSpan(asker, open);
    }

    /// <summary>Hosts that take work, are not reserved, and that its labels and exclusions allow.</summary>
    public int[] Open(Shape shape)
    {
        var all = hosts.HostsOf[shape.Cluster];
        var open = new int[all.Length];
        var count = 0;
        foreach (var h in all)
        {
            if (hosts.TakesWork[h] && reservations.On(h) is null && shape.Allows(h))
            {
                open[count++] = h;
            }
        }
        return open[..count];
    }

    /// <summary>A place in rooms as they will be; null where there is none.</summary>
    public Shadow? Seat(Asker asker, int[] open, Room[] rooms, long starts)
    {
        if (!asker.Shape.OneHost && !Packing.TogetherHold(hosts, asker.Shape, open, rooms))
        {
            return null;
        }
        var spots = Seating.Find(hosts, new Shelves(hosts, rooms, open), new Visit(asker, reservations, now, true));
        return spots.Length == 0 ? null : new Shadow(spots, starts, Array.ConvertAll(spots, s => rooms[s.Host]));
    }

    private Shadow? EarliestHost(Asker asker, int[] open)
    {
        var shape = asker.Shape;
        var best = -1;
        var (bestStarts, bestNear) = (0L, (Gpus: 0, Cpus: 0.0));
        foreach (var h in open)
        {
            if (!Packing.Holds(hosts, shape, shape.Whole, h, hosts.Capacity[h]))
            {
                continue;
            }
            var starts = StartsOn(shape, h);
            var near = Nearness(hosts, shape, h);
            if (best < 0 || starts < bestStarts || (starts == bestStarts && near.CompareTo(bestNear) > 0))
            {
                (best, bestStarts, bestNear) = (h, starts, near);
            }
        }
        if (best < 0)
        {
            return null;
        }
        var free = hosts.Free[best];
        var then = bestStarts == Reservation.Never ? free : releases.At(best, free, bestStarts);
        return new Shadow([new Spot(best, shape.Whole)], bestStarts, [then]);
    }

    /// <summary>How near a host is to having room: free GPUs that suit, then CPUs.</summary>
    public static (int Gpus, double Cpus) Nearness(HostTable hosts, Shape shape, int host)
    {
        if (shape.AnyGpuSuits)
        {
            return (shape.Whole.Gpus == 0 ? 0 : hosts.Free[host].GpuCount, hosts.Free[host].Cpus);
        }
        var suiting = 0UL;
        foreach (var need in shape.Needs)
        {
            suiting |= need.Gpus == 0 ? 0 : hosts.Suiting(need, host);
        }
        return (BitOperations.PopCount(suiting & hosts.Free[host].Gpus), hosts.Free[host].Cpus);
    }

    private long StartsOn(Shape shape, int host)
    {
        var room = hosts.Free[host];
        foreach (var release in releases.On(host))
        {
            if (release.Ends == Reservation.Never)
            {
                break;
            }
            room = room.With(release.Freed);
            if (Packing.Holds(hosts, shape, shape.Whole, host, room))
            {
                return release.Ends;
            }
        }
        return Reservation.Never;
    }

    private Shadow? EarliestSpan(Asker asker, int[] open)
    {
        var ends = new SortedSet<long>();
        foreach (var h in open)
        {
            foreach (var release in releases.On(h))
            {
                if (release.Ends == Reservation.Never)
                {
                    break;
                }
                ends.Add(release.Ends);
            }
        }
        long[] times = [.. ends];
        var shape = asker.Shape;
        var rooms = new Room[hosts.Slots.Length];
        var first = FirstThat(
            times.Length,
            i =>
            {
                FillAt(open, rooms, times[i]);
                return Packing.TogetherHold(hosts, shape, open, rooms);
            }
        );
        if (first == times.Length)
        {
            return Sometime(asker, open);
        }
        FillAt(open, rooms, times[first]);
        return Seat(asker, open, rooms, times[first]);
    }

    /// <summary>No promise makes the room: the nearest hosts that could hold it if they were empty.</summary>
    private Shadow? Sometime(Asker asker, int[] open)
    {
        var shape = asker.Shape;
        int[] nearest = [.. open.OrderByDescending(h => Nearness(hosts, shape, h)).ThenBy(h => h)];
        var count =
            1
            + FirstThat(
                nearest.Length,
                i => Packing.TogetherHold(hosts, shape, nearest.AsSpan(0, i + 1), hosts.Capacity)
            );
        if (count > nearest.Length)
        {
            return null;
        }
        var shadow = Seat(asker, nearest[..count], (Room[])hosts.Capacity.Clone(), Reservation.Never);
        return shadow is null ? null : shadow with { Then = Array.ConvertAll(shadow.Spots, s => hosts.Free[s.Host]) };
    }

    private void FillAt(int[] open, Room[] rooms, long time)
    {
        foreach (var h in open)
        {
            rooms[h] = releases.At(h, hosts.Free[h], time);
        }
    }

    /// <summary>The first index from which on the answer is yes; the count where it never is.</summary>
    public static int FirstThat(int count, Func<int, bool> holds)
    {
        var (low, high) = (0, count);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (holds(middle))
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }
        return low;
    }
}
