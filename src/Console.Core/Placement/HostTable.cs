using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>The hosts as flat arrays, in the order of their names: a plan does not depend on the order they are given in.</summary>
internal sealed class HostTable
{
    private readonly List<(string Model, long Memory)> _kinds = [];
    private readonly List<ulong[]> _gpusOfKind = [];
    private readonly List<ulong> _families = [0];
    private readonly int[][] _readyOf;
    private readonly Dictionary<Guid, int> _index;
    private readonly Dictionary<Guid, int> _clusterIndex = [];

    public HostTable(FleetSnapshot fleet)
    {
        Slots = [.. fleet.Hosts];
        SortByName(Slots);
        var count = Slots.Length;
        Capacity = new Room[count];
        Free = new Room[count];
        Gpus = new GpuSlot[count][];
        Holders = new long[count][];
        TakesWork = new bool[count];
        Family = new int[count];
        Cluster = new int[count];
        _index = new Dictionary<Guid, int>(count);
        var clusters = new List<ClusterSlot>();
        foreach (var cluster in fleet.Clusters)
        {
            if (_clusterIndex.TryAdd(cluster.Id, clusters.Count))
            {
                clusters.Add(cluster);
            }
        }
        for (var h = 0; h < count; h++)
        {
            if (!_clusterIndex.TryGetValue(Slots[h].ClusterId, out var cluster))
            {
                cluster = clusters.Count;
                _clusterIndex.Add(Slots[h].ClusterId, cluster);
                clusters.Add(new ClusterSlot(Slots[h].ClusterId, "", false));
            }
            Cluster[h] = cluster;
            _index[Slots[h].Id] = h;
            TakesWork[h] = Slots[h].TakesWork;
            ReadGpus(h);
        }
        Clusters = [.. clusters];
        HostsOf = new int[Clusters.Length][];
        _readyOf = new int[Clusters.Length][];
        for (var c = 0; c < Clusters.Length; c++)
        {
            var hosts = new List<int>();
            for (var h = 0; h < count; h++)
            {
                if (Cluster[h] == c)
                {
                    hosts.Add(h);
                }
            }
            HostsOf[c] = [.. hosts];
            _readyOf[c] = Array.FindAll(HostsOf[c], h => TakesWork[h]);
        }
    }

    public HostSlot[] Slots { get; }
    public ClusterSlot[] Clusters { get; }

    /// <summary>By host, index into <see cref="Clusters"/>.</summary>
    public int[] Cluster { get; }
    public int[][] HostsOf { get; }

    public bool[] TakesWork { get; }

    /// <summary>By host: a number for the kinds of GPU that it has, whatever their count; 0 for none.</summary>
    public int[] Family { get; }

    public int FamilyCount => _families.Count;

    /// <summary>All of a host but its sick GPUs.</summary>
    public Room[] Capacity { get; }

    /// <summary>What is free now; the pass takes from it as it places.</summary>
    public Room[] Free { get; }

    /// <summary>Healthy GPUs of a host, smallest first, ties in the host's own order: as the bits of a <see cref="Room"/>.</summary>
    public GpuSlot[][] Gpus { get; }

    /// <summary>Who holds the GPU; 0 = nobody.</summary>
    public long[][] Holders { get; }

    /// <summary>Hosts of its cluster that take work, and that its labels and exclusions allow.</summary>
    public int[] ReadyFor(Shape shape) =>
        shape.Allowed is null ? _readyOf[shape.Cluster] : Array.FindAll(_readyOf[shape.Cluster], shape.Allows);

    public int Host(Guid id) => _index.GetValueOrDefault(id, -1);

    /// <summary>-1 for a cluster of which neither a host nor a name is known.</summary>
    public int ClusterOf(Guid id) => _clusterIndex.GetValueOrDefault(id, -1);

    /// <summary>GPUs of the host that suit the need, free or not.</summary>
    public ulong Suiting(Need need, int host)
    {
        if (need.Kinds is null)
        {
            return ulong.MaxValue;
        }
        var suiting = 0UL;
        for (var k = 0; k < need.Kinds.Length; k++)
        {
            if (need.Kinds[k])
            {
                suiting |= _gpusOfKind[k][host];
            }
        }
        return suiting;
    }

    /// <summary>Which kinds of GPU suit; null = any.</summary>
    public bool[]? Kinds(ResourcesSpec asked) =>
        asked is { GpuModel: null, GpuMemory: null } || asked.Gpus == 0
            ? null
            : [.. _kinds.Select(k => Fit.Suits(k.Model, k.Memory, asked))];

    /// <summary>Whether each role finds a GPU that suits on hosts of a family; null = on all.</summary>
    public bool[]? FamiliesFor(Need[] needs)
    {
        if (Array.TrueForAll(needs, n => n.Kinds is null))
        {
            return null;
        }
        var suits = new bool[_families.Count];
        for (var f = 0; f < suits.Length; f++)
        {
            suits[f] = Array.TrueForAll(needs, n => n.Kinds is null || HasAny(_families[f], n.Kinds));
        }
        return suits;
    }

    private static bool HasAny(ulong family, bool[] kinds)
    {
        for (var k = 0; k < kinds.Length; k++)
        {
            if (kinds[k] && (family >> Math.Min(k, 63) & 1) != 0)
            {
                return true;
            }
        }
        return false;
    }

    private void ReadGpus(int h)
    {
        var slot = Slots[h];
        var gpus = HealthyGpus(slot);
        var holders = new long[gpus.Length];
        var free = 0UL;
        var kinds = 0UL;
        for (var i = 0; i < gpus.Length; i++)
        {
            var kind = Kind(gpus[i]);
            _gpusOfKind[kind][h] |= 1UL << i;
            kinds |= 1UL << Math.Min(kind, 63);
            if (gpus[i].HeldBy is { } holder)
            {
                holders[i] = holder;
            }
            else
            {
                free |= 1UL << i;
            }
        }
        Family[h] = _families.IndexOf(kinds);
        if (Family[h] < 0)
        {
            Family[h] = _families.Count;
            _families.Add(kinds);
        }
        Gpus[h] = gpus;
        Holders[h] = holders;
        var all = gpus.Length == Room.MostGpus ? ulong.MaxValue : (1UL << gpus.Length) - 1;
        Capacity[h] = new Room(slot.Cpus, slot.MemoryBytes, all);
        Free[h] = new Room(slot.CpusFree, slot.MemoryFreeBytes, free);
    }

    private static GpuSlot[] HealthyGpus(HostSlot slot)
    {
        var gpus = new GpuSlot[slot.Gpus.Length];
        var count = 0;
        var sorted = true;
        foreach (var gpu in slot.Gpus)
        {
            if (gpu.Healthy)
            {
                sorted &= count == 0 || gpus[count - 1].MemoryBytes <= gpu.MemoryBytes;
                gpus[count++] = gpu;
            }
        }
        if (sorted && count == gpus.Length && count <= Room.MostGpus)
        {
            return gpus;
        }
        return [.. gpus.Take(count).OrderBy(g => g.MemoryBytes).Take(Room.MostGpus)];
    }

    private int Kind(GpuSlot gpu)
    {
        for (var k = 0; k < _kinds.Count; k++)
        {
            if (_kinds[k].Memory == gpu.MemoryBytes && _kinds[k].Model == gpu.Model)
            {
                return k;
            }
        }
        _kinds.Add((gpu.Model, gpu.MemoryBytes));
        _gpusOfKind.Add(new ulong[Slots.Length]);
        return _kinds.Count - 1;
    }

    private static void SortByName(HostSlot[] slots)
    {
        for (var i = 1; i < slots.Length; i++)
        {
            if (ByName(slots[i - 1], slots[i]) > 0)
            {
                Array.Sort(slots, ByName);
                return;
            }
        }
    }

    private static int ByName(HostSlot a, HostSlot b)
    {
        var name = string.CompareOrdinal(a.Name, b.Name);
        return name != 0 ? name : a.Id.CompareTo(b.Id);
    }
}
