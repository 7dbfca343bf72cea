using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>Who looks for a place, and which hosts are open to it.</summary>
/// <param name="Now">ticks</param>
/// <param name="PastReserved">it passes by every host that is reserved, whatever else would fit there</param>
internal readonly record struct Visit(Asker Asker, Reservations Reservations, long Now, bool PastReserved)
{
    public HashSet<int>? Used { get; init; }

    public bool MayUse(Part part, int host, in Room room)
    {
        if (!Asker.Shape.Allows(host) || Used?.Contains(host) == true)
        {
            return false;
        }
        return Reservations.On(host) is not { } reserved
            || (!PastReserved && reserved.LeavesRoomFor(Asker, part, host, room, Now));
    }
}

/// <summary>Finds places for all replicas of a job, or for none.</summary>
internal static class Seating
{
    /// <summary>Empty where there is no place.</summary>
    public static Spot[] Find(HostTable hosts, Shelves shelves, in Visit visit)
    {
        var shape = visit.Asker.Shape;
        if (!shape.OneHost && shape.Placement.Mode == PlacementMode.Spread)
        {
            return Spread(hosts, shelves, visit);
        }
        var host = shelves.Best(shape.Whole, visit);
        if (host >= 0)
        {
            return [new Spot(host, shape.Whole)];
        }
        return shape.OneHost ? [] : Pack(shelves, visit);
    }

    /// <summary>As few hosts as hold all: the one that holds most, again and again, and for the rest the one it fits best.</summary>
    private static Spot[] Pack(Shelves shelves, Visit visit)
    {
        var shape = visit.Asker.Shape;
        var spots = new List<Spot>();
        var wanted = shape.Whole.Counts.ToArray();
        var missing = shape.Whole.Replicas;
        visit = visit with { Used = [] };
        while (missing > 0)
        {
            var rest = Part.Of(shape.Needs, wanted);
            var host = spots.Count == 0 ? -1 : shelves.Best(rest, visit);
            if ((host >= 0 ? new Spot(host, rest) : shelves.Fullest(wanted, visit)) is not { } spot)
            {
                return [];
            }
            spots.Add(spot);
            visit.Used!.Add(spot.Host);
            missing -= spot.Part.Replicas;
            for (var i = 0; i < wanted.Length; i++)
            {
                wanted[i] -= spot.Part.Counts[i];
            }
        }
        return [.. spots];
    }

    /// <summary>One replica to each host in turn, the most demanding roles first.</summary>
    private static Spot[] Spread(HostTable hosts, Shelves shelves, in Visit visit)
    {
        var shape = visit.Asker.Shape;
        var wanted = shape.Whole.Counts.ToArray();
        var missing = shape.Whole.Replicas;
        var given = new Dictionary<int, int[]>();
        var round = shelves.All().Where(shape.Allows).ToList();
        while (missing > 0 && round.Count > 0)
        {
            var next = new List<int>();
            foreach (var h in round)
            {
                if (missing > 0 && One(hosts, shelves.Rooms[h], h, given, wanted, visit))
                {
                    missing--;
                    next.Add(h);
                }
            }
            round = next;
        }
        return missing > 0 ? [] : [.. given.Select(g => new Spot(g.Key, Part.Of(shape.Needs, g.Value)))];
    }

    private static bool One(
        HostTable hosts,
        in Room room,
        int host,
        Dictionary<int, int[]> given,
        int[] wanted,
        in Visit visit
    )
    {
        var shape = visit.Asker.Shape;
        var counts = given.TryGetValue(host, out var before) ? before.ToArray() : new int[wanted.Length];
        for (var i = 0; i < wanted.Length; i++)
        {
            if (wanted[i] == 0)
            {
                continue;
            }
            counts[i]++;
            var part = Part.Of(shape.Needs, counts);
            if (Packing.Holds(hosts, shape, part, host, room) && visit.MayUse(part, host, room))
            {
                wanted[i]--;
                given[host] = counts;
                return true;
            }
            counts[i]--;
        }
        return false;
    }
}
