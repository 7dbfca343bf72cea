namespace DeepLab.Core.Placement;

/// <param name="Shadow">the place that stopping the victims makes</param>
internal sealed record Eviction(IReadOnlyList<RunningJob> Victims, Shadow Shadow);

/// <summary>Chooses whom to stop for a job: those of least priority, of the least unsaved work, as few as make it fit.</summary>
internal sealed class Preemptions(HostTable hosts, Releases releases, Shadows shadows, FleetSnapshot fleet, long now)
{
    /// <summary>Of one pass, which leads to the next: the search looks at all that run.</summary>
    private const int Most = 8;
    private const int MostFailures = 64;
    private readonly HashSet<long> _taken = [];
    private int _made;
    private int _failures;

    /// <summary>Highest priority that was not enough; the team matters only where somebody borrows.</summary>
    private readonly Dictionary<(Shape, int Team), int> _hopeless = [];

    /// <summary>Least priority that may be stopped at all: spares the search where nobody may.</summary>
    private readonly int _least = fleet
        .Running.Where(r => r is { IsEnding: false, Preemptible: true })
        .Select(r => r.Priority)
        .DefaultIfEmpty(int.MaxValue)
        .Min();
    private readonly bool _anyBorrows = fleet.Running.Any(r => r is { IsEnding: false, Borrowing: true });

    /// <summary>Cheap: no for nearly all of a long queue.</summary>
    public bool MightHelp(Asker asker) =>
        (asker.Job.Priority > _least || (_anyBorrows && asker.Shape.Whole.Gpus > 0))
        && _made < Most
        && _failures < MostFailures
        && asker.Job.Priority > _hopeless.GetValueOrDefault(Key(asker), int.MinValue);

    public Eviction? For(Asker asker)
    {
        var open = shadows.Open(asker.Shape);
        var eviction = asker.Shape.OneHost ? OnOneHost(asker, open) : OverHosts(asker, open);
        if (eviction is null)
        {
            _failures++;
            _hopeless[Key(asker)] = asker.Job.Priority;
            return null;
        }
        _made++;
        _taken.UnionWith(eviction.Victims.Select(v => v.Id));
        return eviction;
    }

    private (Shape, int) Key(Asker asker) => (asker.Shape, _anyBorrows ? asker.Team : -1);

    private bool MayStop(RunningJob? victim, Asker asker) =>
        victim is { IsEnding: false }
        && (
            (victim.Preemptible && victim.Priority < asker.Job.Priority)
            || (victim.Borrowing && asker.Shape.Whole.Gpus > 0 && victim.Team != asker.Job.Team)
        )
        && !_taken.Contains(victim.Id);

    private static int Compare(RunningJob a, RunningJob b)
    {
        var order = a.Priority.CompareTo(b.Priority);
        order = order != 0 ? order : Loss(a).CompareTo(Loss(b));
        return order != 0 ? order : a.Id.CompareTo(b.Id);
    }

    /// <summary>GPU-seconds that a stop loses; a job without GPUs counts as one.</summary>
    private static double Loss(RunningJob job) => job.Unsaved.TotalSeconds * Math.Max(1, job.Gpus);

    private Eviction? OnOneHost(Asker asker, int[] open)
    {
        var shape = asker.Shape;
        var (best, bestCost, bestHost) = ((List<RunningJob>?)null, (Priority: 0, Loss: 0.0, Count: 0), -1);
        foreach (var h in open)
        {
            // A host where everyone is more important than the victims so far costs more
            if (
                releases.MightStop(
                    h,
                    best is null ? asker.Job.Priority : Math.Min(asker.Job.Priority, bestCost.Priority + 1)
                )
                && Packing.Holds(hosts, shape, shape.Whole, h, hosts.Capacity[h])
                && Victims(asker, h) is { } victims
                && (best is null || Cost(victims).CompareTo(bestCost) < 0)
            )
            {
                (best, bestCost, bestHost) = (victims, Cost(victims), h);
            }
        }
        if (best is null)
        {
            return null;
        }
        var then = Without(bestHost, best);
        return new Eviction(best, new Shadow([new Spot(bestHost, shape.Whole)], now, [then]));
    }

    private static (int Priority, double Loss, int Count) Cost(List<RunningJob> victims) =>
        (victims.Max(v => v.Priority), victims.Sum(Loss), victims.Count);

    /// <summary>Whom to stop on this host; null where that does not make the job fit.</summary>
    private List<RunningJob>? Victims(Asker asker, int host)
    {
        var room = releases.AfterEnding(host, hosts.Free[host]);
        foreach (var release in releases.On(host))
        {
            room = MayStop(release.Running, asker) ? room.With(release.Freed) : room;
        }
        if (!Packing.Holds(hosts, asker.Shape, asker.Shape.Whole, host, room))
        {
            return null;
        }
        var victims = new List<RunningJob>();
        foreach (var release in releases.On(host))
        {
            if (MayStop(release.Running, asker))
            {
                victims.Add(release.Running!);
            }
        }
        victims.Sort(Compare);
        // Whoever is not needed runs on, those of the highest priority first
        for (var i = victims.Count - 1; i >= 0; i--)
        {
            var spared = victims[i];
            victims.RemoveAt(i);
            if (!Fits(asker, host, victims))
            {
                victims.Insert(i, spared);
            }
        }
        return victims;
    }

    private bool Fits(Asker asker, int host, List<RunningJob> victims) =>
        Packing.Holds(hosts, asker.Shape, asker.Shape.Whole, host, Without(host, victims));

    private Room Without(int host, List<RunningJob> victims)
    {
        var room = releases.AfterEnding(host, hosts.Free[host]);
        foreach (var release in releases.On(host))
        {
            foreach (var victim in victims)
            {
                room = victim.Id == release.JobId && release.Running is not null ? room.With(release.Freed) : room;
            }
        }
        return room;
    }

    private Eviction? OverHosts(Asker asker, int[] open)
    {
        var victims = open.SelectMany(releases.On)
            .Select(r => r.Running)
            .Where(r => MayStop(r, asker))
            .Select(r => r!)
            .DistinctBy(r => r.Id)
            .ToList();
        victims.Sort(Compare);
        var needed = Shadows.FirstThat(victims.Count + 1, i => Together(asker, open, victims[..i]));
        if (needed == 0 || needed > victims.Count)
        {
            return null;
        }
        if (shadows.Seat(asker, open, Rooms(open, victims[..needed]), now) is not { } place)
        {
            return null;
        }
        int[] used = [.. place.Spots.Select(s => s.Host).Order()];
        var kept = victims[..needed].FindAll(v => used.Any(h => releases.On(h).Any(r => r.JobId == v.Id)));
        for (var i = kept.Count - 1; i >= 0; i--)
        {
            var spared = kept[i];
            kept.RemoveAt(i);
            if (!Together(asker, used, kept))
            {
                kept.Insert(i, spared);
            }
        }
        return shadows.Seat(asker, used, Rooms(used, kept), now) is { } shadow ? new Eviction(kept, shadow) : null;
    }

    private bool Together(Asker asker, int[] among, List<RunningJob> victims) =>
        Packing.TogetherHold(hosts, asker.Shape, among, Rooms(among, victims));

    private Room[] Rooms(int[] among, List<RunningJob> victims)
    {
        var ids = victims.Select(v => v.Id).ToHashSet();
        var rooms = new Room[hosts.Slots.Length];
        foreach (var h in among)
        {
            rooms[h] = releases.AfterEnding(h, hosts.Free[h]);
            foreach (var release in releases.On(h))
            {
                if (release.Running is not null && ids.Contains(release.JobId))
                {
                    rooms[h] = rooms[h].With(release.Freed);
                }
            }
        }
        return rooms;
    }
}
