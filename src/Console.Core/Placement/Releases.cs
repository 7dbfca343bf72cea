using System.Collections.Immutable;

namespace DeepLab.Core.Placement;

/// <summary>What a job will free on one host.</summary>
/// <param name="Ends">ticks by which it has ended: a promise; <see cref="Reservation.Never"/> where none is made</param>
/// <param name="Expected">ticks when it will have ended: a promise or a guess</param>
/// <param name="Running">null for a job that this plan starts</param>
internal readonly record struct Release(long Ends, long Expected, long JobId, Room Freed, RunningJob? Running);

/// <summary>Who holds what on each host, by when they end.</summary>
internal sealed class Releases
{
    private readonly List<Release>[] _byHost;
    private readonly bool[] _anyEnding;
    private readonly int[] _leastStoppable;
    private readonly HostTable _hosts;
    private readonly long _now;

    public Releases(HostTable hosts, ImmutableArray<RunningJob> running, DateTimeOffset now)
    {
        _hosts = hosts;
        _now = now.UtcTicks;
        _byHost = new List<Release>[hosts.Slots.Length];
        _anyEnding = new bool[_byHost.Length];
        _leastStoppable = new int[_byHost.Length];
        for (var h = 0; h < _byHost.Length; h++)
        {
            _byHost[h] = [];
        }
        foreach (var job in running)
        {
            var ends = Ends(job, job.EndsBy);
            var expected = Ends(job, job.EndsBy ?? job.ExpectedEnd);
            foreach (var holding in job.Holdings)
            {
                var h = hosts.Host(holding.HostId);
                if (h >= 0)
                {
                    var freed = new Room(holding.Cpus, holding.MemoryBytes, HeldBy(h, job.Id));
                    _byHost[h].Add(new Release(ends, expected, job.Id, freed, job));
                }
            }
        }
        for (var h = 0; h < _byHost.Length; h++)
        {
            SortByEnd(_byHost[h]);
            var priority = int.MaxValue;
            foreach (var release in _byHost[h])
            {
                var job = release.Running!;
                _anyEnding[h] |= job.IsEnding;
                priority = job switch
                {
                    { IsEnding: true } => priority,
                    { Borrowing: true } => int.MinValue,
                    { Preemptible: true } => Math.Min(priority, job.Priority),
                    _ => priority,
                };
            }
            _leastStoppable[h] = priority;
        }
    }

    /// <summary>By promised end, then id.</summary>
    public IReadOnlyList<Release> On(int host) => _byHost[host];

    public bool AnyEnding(int host) => _anyEnding[host];

    /// <summary>Whether a job of the host might be stopped for one of this priority; cheap.</summary>
    public bool MightStop(int host, int priority) => _leastStoppable[host] < priority;

    /// <summary>A job that this plan starts; it ends at the latest when its longest duration is over.</summary>
    public void Add(int host, Asker asker, in Room taken)
    {
        var ends = asker.Duration == long.MaxValue ? Reservation.Never : _now + asker.Duration;
        var release = new Release(ends, ends, asker.Job.Id, taken, null);
        var list = _byHost[host];
        var at = list.BinarySearch(release, s_byEnd);
        list.Insert(at < 0 ? ~at : at, release);
    }

    /// <summary>What is free on the host at a time, if only promised ends count; with <see cref="Reservation.Never"/>: at the last of them.</summary>
    public Room At(int host, in Room free, long time)
    {
        var room = free;
        foreach (var release in _byHost[host])
        {
            if (release.Ends > time || release.Ends == Reservation.Never)
            {
                break;
            }
            room = room.With(release.Freed);
        }
        return room;
    }

    /// <summary>What is free once all that were told to end have ended.</summary>
    public Room AfterEnding(int host, in Room free)
    {
        var room = free;
        foreach (var release in _byHost[host])
        {
            if (release.Ends > _now)
            {
                break;
            }
            if (release.Running is { IsEnding: true })
            {
                room = room.With(release.Freed);
            }
        }
        return room;
    }

    private static readonly Comparer<Release> s_byEnd = Comparer<Release>.Create(ByEnd);

    private static void SortByEnd(List<Release> list)
    {
        for (var i = 1; i < list.Count; i++)
        {
            if (ByEnd(list[i - 1], list[i]) > 0)
            {
                list.Sort(s_byEnd);
                return;
            }
        }
    }

    private static int ByEnd(Release a, Release b)
    {
        var ends = a.Ends.CompareTo(b.Ends);
        return ends != 0 ? ends : a.JobId.CompareTo(b.JobId);
    }

    /// <summary>What was told to end, or is overdue, ends any moment.</summary>
    private long Ends(RunningJob job, DateTimeOffset? at) =>
        job.IsEnding ? _now
        : at is { } time ? Math.Max(_now, time.UtcTicks)
        : Reservation.Never;

    private ulong HeldBy(int host, long job)
    {
        var holders = _hosts.Holders[host];
        var held = 0UL;
        for (var i = 0; i < holders.Length; i++)
        {
            held |= holders[i] == job ? 1UL << i : 0;
        }
        return held;
    }
}
