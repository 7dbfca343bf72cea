namespace DeepLab.Core.Placement;

/// <summary>
/// The hosts of one cluster that take work, shelved by how many GPUs they have free, and on a shelf by free CPUs, then name;
/// hosts with other kinds of GPU stand apart, so that nobody who wants one kind walks past all others.
/// The first that holds a job, from the emptiest shelf that could, is its best: the fewest GPUs are left over; a host that
/// nobody uses is touched after those in use; hosts without GPUs serve jobs without.
/// </summary>
internal sealed class Shelves
{
    private readonly HostTable _hosts;
    private readonly int[][] _shelves;
    private readonly int[] _counts;
    private readonly int _levels;

    /// <param name="rooms">by host; these shelves keep themselves in order with it through <see cref="Set"/></param>
    /// <param name="members">the hosts to shelve, in any order</param>
    public Shelves(HostTable hosts, Room[] rooms, IEnumerable<int> members)
    {
        _hosts = hosts;
        Rooms = rooms;
        var sorted = members.Where(h => hosts.TakesWork[h]).ToArray();
        Array.Sort(sorted, (a, b) => Compare(rooms[a].Cpus, a, rooms[b].Cpus, b));
        var top = 0;
        foreach (var h in sorted)
        {
            top = Math.Max(top, hosts.Capacity[h].GpuCount);
        }
        _levels = (2 * top) + 3;
        _shelves = new int[_levels * hosts.FamilyCount][];
        _counts = new int[_shelves.Length];
        Array.Fill(_shelves, []);
        foreach (var h in sorted)
        {
            FreeGpus += rooms[h].GpuCount;
            Append(Shelf(h), h);
        }
    }

    public Room[] Rooms { get; }

    /// <summary>On all the shelves.</summary>
    public int FreeGpus { get; private set; }

    public void Set(int host, in Room room)
    {
        var before = Shelf(host);
        var at = Find(before, Rooms[host].Cpus, host);
        Array.Copy(_shelves[before], at + 1, _shelves[before], at, --_counts[before] - at);
        FreeGpus += room.GpuCount - Rooms[host].GpuCount;
        Rooms[host] = room;
        var after = Shelf(host);
        at = Find(after, room.Cpus, host);
        Append(after, host);
        Array.Copy(_shelves[after], at, _shelves[after], at + 1, _counts[after] - 1 - at);
        _shelves[after][at] = host;
    }

    /// <summary>The best host that holds the part; -1 where none does.</summary>
    public int Best(Part part, in Visit visit)
    {
        var (families, withImage) = (visit.Asker.Shape.Families, visit.Asker.WithImage);
        for (var level = part.Gpus == 0 ? 0 : (2 * part.Gpus) + 1; level < _levels; level++)
        {
            var best = -1;
            for (var family = 0; family < _hosts.FamilyCount; family++)
            {
                if (families is null || families[family])
                {
                    var found = First((family * _levels) + level, part, visit);
                    best = found >= 0 && (best < 0 || IsBetter(found, best, withImage)) ? found : best;
                }
            }
            if (best >= 0)
            {
                return best;
            }
        }
        return -1;
    }

    private int First(int shelf, Part part, in Visit visit)
    {
        var (shape, withImage) = (visit.Asker.Shape, visit.Asker.WithImage);
        var withoutImage = -1;
        for (var i = Find(shelf, part.Cpus - Room.Epsilon, -1); i < _counts[shelf]; i++)
        {
            var h = _shelves[shelf][i];
            if (withImage?[h] == false && withoutImage >= 0)
            {
                continue;
            }
            if (!Packing.Holds(_hosts, shape, part, h, Rooms[h]) || !visit.MayUse(part, h, Rooms[h]))
            {
                continue;
            }
            if (withImage is null || withImage[h])
            {
                return h;
            }
            withoutImage = h;
        }
        return withoutImage;
    }

    private bool IsBetter(int a, int b, bool[]? withImage) =>
        withImage is not null && withImage[a] != withImage[b]
            ? withImage[a]
            : Compare(Rooms[a].Cpus, a, Rooms[b].Cpus, b) < 0;

    /// <summary>The host that holds the most GPUs of what is wanted, then the most replicas; null where none holds any.</summary>
    public Spot? Fullest(int[] wanted, in Visit visit)
    {
        var shape = visit.Asker.Shape;
        var (best, most) = (-1, (Gpus: 0, Replicas: 0));
        Span<int> given = stackalloc int[wanted.Length];
        for (var level = _levels - 1; level >= 0; level--)
        {
            var gpus = (level - 1) / 2;
            if (best >= 0 && shape.Whole.Gpus > 0 && gpus < most.Gpus)
            {
                break;
            }
            for (var family = 0; family < _hosts.FamilyCount; family++)
            {
                var shelf = (family * _levels) + level;
                for (var i = 0; i < _counts[shelf]; i++)
                {
                    var h = _shelves[shelf][i];
                    var filled = Packing.Fill(_hosts, shape, wanted, h, Rooms[h], given);
                    var more = filled.CompareTo(most);
                    if (
                        (more > 0 || (more == 0 && best >= 0 && IsBetter(h, best, null)))
                        && (visit.IsOpen(h) || visit.MayUse(Part.Of(shape.Needs, given), h, Rooms[h]))
                    )
                    {
                        (best, most) = (h, filled);
                    }
                    if (h == best && shape.Needs.Length == 1 && gpus > 0 && filled.Gpus > gpus - shape.Needs[0].Gpus)
                    {
                        // No other of this shelf holds more
                        break;
                    }
                }
            }
        }
        if (best < 0)
        {
            return null;
        }
        Packing.Fill(_hosts, shape, wanted, best, Rooms[best], given);
        return new Spot(best, Part.Of(shape.Needs, given));
    }

    /// <summary>Every host on the shelves, those with the fewest GPUs free first.</summary>
    public IEnumerable<int> All()
    {
        for (var level = 0; level < _levels; level++)
        {
            for (var shelf = level; shelf < _shelves.Length; shelf += _levels)
            {
                for (var i = 0; i < _counts[shelf]; i++)
                {
                    yield return _shelves[shelf][i];
                }
            }
        }
    }

    /// <summary>0: hosts without GPUs. Then for each number of free GPUs two: hosts in use, and hosts of which none is held.</summary>
    private int Shelf(int host)
    {
        var all = _hosts.Capacity[host].Gpus;
        if (all == 0)
        {
            return 0;
        }
        var level = (2 * Rooms[host].GpuCount) + (Rooms[host].Gpus == all ? 2 : 1);
        return (_hosts.Family[host] * _levels) + level;
    }

    private void Append(int shelf, int host)
    {
        if (_counts[shelf] == _shelves[shelf].Length)
        {
            Array.Resize(ref _shelves[shelf], Math.Max(8, 2 * _counts[shelf]));
        }
        _shelves[shelf][_counts[shelf]++] = host;
    }

    private int Find(int shelf, double cpus, int host)
    {
        var (low, high) = (0, _counts[shelf]);
        var hosts = _shelves[shelf];
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (Compare(Rooms[hosts[middle]].Cpus, hosts[middle], cpus, host) < 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }
        return low;
    }

    private static int Compare(double cpusA, int a, double cpusB, int b)
    {
        var cpus = cpusA.CompareTo(cpusB);
        return cpus != 0 ? cpus : a.CompareTo(b);
    }
}
