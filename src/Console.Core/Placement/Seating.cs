using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>Who looks for a place, and which hosts are open to it.</summary>
/// <param name="Now">ticks</param>
/// <param name="PastReserved">it passes by every host that is reserved, whatever else would fit there</param>
internal readonly record struct Visit(Asker Asker, Reservations Reservations, long Now, bool PastReserved)
{
    public HashSet<int>? Used { get; init; }

    /// <summary>Open to everyone: no part need be looked at.</summary>
    public bool IsOpen(int host) =>
        Asker.Shape.Allows(host) && Used?.Contains(host) != true && Reservations.On(host) is null;

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
        if (shape.Whole.Gpus > shelves.FreeGpus)
        {
            return [];
        }
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
        var spread = new Turns(hosts, shelves.Rooms, visit);
        foreach (var h in shelves.All())
        {
            if (spread.Missing == 0)
            {
                break;
            }
            spread.TryOne(h);
        }
        for (var seated = -1; spread.Missing > 0 && spread.Missing != seated; )
        {
            seated = spread.Missing;
            foreach (var h in spread.Hosts)
            {
                spread.TryOne(h);
            }
        }
        return spread.Missing > 0 ? [] : [.. spread.Given.Select(g => new Spot(g.Key, Part.Of(shape.Needs, g.Value)))];
    }

    /// <summary>Replicas that hosts got so far.</summary>
    private sealed class Turns(HostTable hosts, Room[] rooms, Visit visit)
    {
        private readonly Shape _shape = visit.Asker.Shape;
        private readonly int[] _wanted = (int[])visit.Asker.Shape.Whole.Counts.Clone();

        public int Missing { get; private set; } = visit.Asker.Shape.Whole.Replicas;
        public List<int> Hosts { get; } = [];
        public Dictionary<int, int[]> Given { get; } = [];

        public void TryOne(int host)
        {
            for (var i = 0; i < _wanted.Length && Missing > 0; i++)
            {
                if (_wanted[i] > 0 && HoldsOneMore(host, i))
                {
                    _wanted[i]--;
                    Missing--;
                    return;
                }
            }
        }

        private bool HoldsOneMore(int host, int need)
        {
            // Most hosts have no room for it: those cost nothing
            if (!_shape.Allows(host) || !Packing.Holds(hosts, _shape, _shape.Singles[need], host, rooms[host]))
            {
                return false;
            }
            var counts = Given.TryGetValue(host, out var before) ? (int[])before.Clone() : new int[_wanted.Length];
            counts[need]++;
            var part = Part.Of(_shape.Needs, counts);
            if (!Packing.Holds(hosts, _shape, part, host, rooms[host]) || !visit.MayUse(part, host, rooms[host]))
            {
                return false;
            }
            if (before is null)
            {
                Hosts.Add(host);
            }
            Given[host] = counts;
            return true;
        }
    }
}
