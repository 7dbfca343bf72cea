namespace DeepLab.Core.Placement;

/// <summary>A host that is kept for a job that waits for room on it.</summary>
/// <param name="Starts">ticks, when the promised ends of others make that room; <see cref="Never"/> where no promise does</param>
internal sealed class Reservation(HostTable hosts, Asker holder, Part part, long starts, Room then)
{
    public const long Never = long.MaxValue;

    /// <summary>Free when it starts, or free now where nothing says when that is.</summary>
    private Room _then = then;

    public long JobId => holder.Job.Id;
    public long Starts => starts;

    /// <summary>
    /// May others start there without a delay for the holder? They end before it starts, or there is room beside it. Where
    /// nobody knows when it starts, only what is free today counts: it need not be short of all that it asks for.
    /// </summary>
    public bool LeavesRoomFor(Asker asker, Part other, int host, in Room room, long now)
    {
        if (asker.Duration <= starts - now && starts != Never)
        {
            return true;
        }
        var taken = Packing.Taken(hosts, asker.Shape, other, host, room);
        var left = _then.Less(taken);
        return left.Cpus + Room.Epsilon >= part.Cpus
            && left.Memory >= part.Memory
            && (taken.Gpus == 0 || Packing.HoldsGpus(hosts, holder.Shape, part, host, left.Gpus));
    }

    public void Started(Asker other, in Room taken, long now)
    {
        if (starts == Never || other.Duration > starts - now)
        {
            _then = _then.Less(taken);
        }
    }
}

/// <summary>
/// The first jobs that find no place reserve the hosts where they will start earliest, so that those behind cannot delay
/// them: a stream of small jobs does not starve a large one.
/// </summary>
internal sealed class Reservations(HostTable hosts)
{
    /// <summary>Of one cluster: enough that large jobs make progress, few enough that small ones still pass them by.</summary>
    public const int Most = 8;
    private readonly Reservation?[] _byHost = new Reservation?[hosts.Slots.Length];
    private readonly int[] _jobs = new int[hosts.Clusters.Length];

    public bool AreAllTaken(int cluster) => _jobs[cluster] >= Most;

    public Reservation? On(int host) => _byHost[host];

    public void Add(Asker holder, Shadow shadow)
    {
        _jobs[holder.Shape.Cluster]++;
        for (var i = 0; i < shadow.Spots.Length; i++)
        {
            var spot = shadow.Spots[i];
            _byHost[spot.Host] = new Reservation(hosts, holder, spot.Part, shadow.Starts, shadow.Then[i]);
        }
    }
}
