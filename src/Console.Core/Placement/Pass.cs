using System.Collections.Immutable;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>Why a job of this pass waits; what is said of it comes at the end, when all that starts has its place.</summary>
internal enum Cause
{
    Held,
    Unreadable,
    Pausing,
    Quota,

    /// <summary>It may borrow, and nothing idle is left for it.</summary>
    NothingToBorrow,
    Room,

    /// <summary>As <see cref="Room"/>, and hosts are reserved for it.</summary>
    Reserved,
}

/// <param name="Shadow">the place that is reserved for it</param>
/// <param name="Victims">who is stopped for it</param>
internal sealed record Wait(Asker Asker, Cause Cause, Shadow? Shadow = null, IReadOnlyList<RunningJob>? Victims = null)
{
    /// <summary>Its place is that of jobs which were told to end already.</summary>
    public bool AfterEnding { get; init; }
}

/// <summary>One look at the whole queue, with what it gave so far.</summary>
internal sealed class Pass
{
    private readonly JobRequest[] _jobs;
    private readonly DateTimeOffset _now;
    private readonly FleetSnapshot _fleet;
    private readonly HostTable _hosts;
    private readonly ShapeBook _shapes;
    private readonly TeamIndex _teams;
    private readonly Shares _shares;
    private readonly Quotas _quotas;
    private readonly QueueOrder _order;
    private readonly Reservations _reservations;
    private readonly Shelves[] _shelves;
    private readonly List<(int Host, Asker Asker, Room Taken)> _given = [];
    private readonly ImmutableArray<JobPlacement>.Builder _placements = ImmutableArray.CreateBuilder<JobPlacement>();
    private readonly ImmutableArray<Preemption>.Builder _preemptions = ImmutableArray.CreateBuilder<Preemption>();

    /// <summary>In queue order; null where a job that borrows found its place in the end.</summary>
    private readonly List<Wait?> _waits;

    /// <summary>Those who would go above their team's quota, as indices of <see cref="_waits"/>: they come after all others.</summary>
    private readonly List<int> _borrowers = [];
    private Releases? _releases;
    private Shadows? _shadows;
    private Preemptions? _evictions;

    public Pass(FleetSnapshot fleet, JobRequest[] jobs, DateTimeOffset now)
    {
        (_jobs, _now) = (jobs, now);
        _waits = new List<Wait?>(jobs.Length);
        _hosts = new HostTable(fleet);
        _fleet = fleet with { Running = ById(fleet.Running) };
        _shapes = new ShapeBook(_hosts);
        _teams = new TeamIndex(fleet, jobs);
        _shares = new Shares(_fleet, _hosts, _teams);
        _quotas = new Quotas(_fleet, _teams);
        _order = new QueueOrder(jobs, _teams, _shares, now);
        _reservations = new Reservations(_hosts);
        _shelves = [.. _hosts.HostsOf.Select(h => new Shelves(_hosts, _hosts.Free, h))];
    }

    public QueuePlan Run()
    {
        while (_order.TryNext(out var i))
        {
            var job = _jobs[i];
            var shape = _shapes.Of(job);
            Look(new Asker(job, shape, _shapes.WithImages(job), _teams.OfQueue[i], _quotas.User(job.OwnerId)));
            _order.Done();
        }
        foreach (var at in _borrowers)
        {
            var asker = _waits[at]!.Asker;
            if (_quotas.Ask(asker) == QuotaAnswer.Reached || _quotas.WouldTakeFromOwn(asker))
            {
                _waits[at] = new Wait(asker, Cause.Quota);
            }
            else if (Place(asker, borrowing: true))
            {
                _waits[at] = null;
            }
        }
        return new QueuePlan(_placements.ToImmutable(), _preemptions.ToImmutable(), Answers());
    }

    private void Look(Asker asker)
    {
        if (asker.Job.Held)
        {
            _waits.Add(new Wait(asker, Cause.Held));
            return;
        }
        if (asker.Job.Unreadable is not null)
        {
            _waits.Add(new Wait(asker, Cause.Unreadable));
            return;
        }
        if (asker.Job.NotBefore > _now)
        {
            _waits.Add(new Wait(asker, Cause.Pausing));
            return;
        }
        switch (_quotas.Ask(asker))
        {
            case QuotaAnswer.Reached:
                _waits.Add(new Wait(asker, Cause.Quota));
                break;
            case QuotaAnswer.MayBorrow:
                _borrowers.Add(_waits.Count);
                _waits.Add(new Wait(asker, Cause.NothingToBorrow));
                break;
            default:
                if (!Place(asker, borrowing: false))
                {
                    _waits.Add(Reserve(asker));
                }
                break;
        }
    }

    private bool Place(Asker asker, bool borrowing)
    {
        var shape = asker.Shape;
        if (shape.Cluster < 0 || shape.FailedFrom <= asker.Duration)
        {
            return false;
        }
        var visit = new Visit(asker, _reservations, _now.UtcTicks, false);
        var spots = Seating.Find(_hosts, _shelves[shape.Cluster], visit);
        if (spots.Length == 0)
        {
            // Shorter jobs of the shape may still pass reserved hosts, unless it is room that is missing
            var room = shape.OneHost || Packing.TogetherHold(_hosts, shape, _hosts.ReadyFor(shape), _hosts.Free);
            shape.FailedFrom = room ? asker.Duration : 0;
            return false;
        }
        _placements.Add(Seats.Of(_hosts, asker, spots, borrowing));
        foreach (var spot in spots)
        {
            Take(asker, spot);
        }
        _quotas.Give(asker);
        _shares.Give(asker.Team, shape.Whole);
        return true;
    }

    private void Take(Asker asker, in Spot spot)
    {
        var host = spot.Host;
        var taken = Packing.Taken(_hosts, asker.Shape, spot.Part, host, _hosts.Free[host]);
        _shelves[asker.Shape.Cluster].Set(host, _hosts.Free[host].Less(taken));
        _reservations.On(host)?.Started(asker, taken, _now.UtcTicks);
        for (var gpus = taken.Gpus; gpus != 0; gpus &= gpus - 1)
        {
            _hosts.Holders[host][System.Numerics.BitOperations.TrailingZeroCount(gpus)] = asker.Job.Id;
        }
        _given.Add((host, asker, taken));
        _releases?.Add(host, asker, taken);
    }

    /// <summary>Keeps a place for a job that found none: one that others were told to leave, one they are told to leave now, or the earliest.</summary>
    private Wait Reserve(Asker asker)
    {
        var shape = asker.Shape;
        if (shape.Cluster < 0 || shape.NothingToReserve)
        {
            return new Wait(asker, Cause.Room);
        }
        var full = _reservations.AreAllTaken(shape.Cluster);
        var mayPreempt = MayPreempt(asker);
        if (full && !mayPreempt)
        {
            return new Wait(asker, Cause.Room);
        }
        if (_shadows!.AfterEnding(asker) is { } ending)
        {
            Promise(asker, ending);
            return new Wait(asker, Cause.Reserved, ending) { AfterEnding = true };
        }
        if (mayPreempt && _evictions!.For(asker) is { } eviction)
        {
            Promise(asker, eviction.Shadow);
            foreach (var victim in eviction.Victims)
            {
                _preemptions.Add(new Preemption(victim.Id, asker.Job.Id, Explain.ToVictim(asker.Job, victim)));
            }
            return new Wait(asker, Cause.Reserved, eviction.Shadow, eviction.Victims);
        }
        if (full)
        {
            return new Wait(asker, Cause.Room);
        }
        if (_shadows.Earliest(asker) is { } earliest)
        {
            Promise(asker, earliest);
            return new Wait(asker, Cause.Reserved, earliest);
        }
        shape.NothingToReserve = true;
        return new Wait(asker, Cause.Room);
    }

    private void Promise(Asker asker, Shadow shadow)
    {
        _reservations.Add(asker, shadow);
        _quotas.Promise(asker);
    }

    private bool MayPreempt(Asker asker)
    {
        if (_releases is null)
        {
            _releases = new Releases(_hosts, _fleet.Running, _now);
            _given.ForEach(g => _releases.Add(g.Host, g.Asker, g.Taken));
            _shadows = new Shadows(_hosts, _releases, _reservations, _now.UtcTicks);
            _evictions = new Preemptions(_hosts, _releases, _shadows, _fleet, _now.UtcTicks);
        }
        return _evictions!.MightHelp(asker);
    }

    private ImmutableArray<WaitingJob> Answers()
    {
        var explain = new Explain(_hosts, _quotas, _reservations, _given);
        Wait[] waits = [.. _waits.Where(w => w is not null).Select(w => w!)];
        var starts = _releases is null
            ? new long?[waits.Length]
            : Estimates.Of(_hosts, _releases, _reservations, waits, _now.UtcTicks);
        // The last is for clusters that nobody knows
        var positions = new int[_hosts.Clusters.Length + 1];
        var answers = ImmutableArray.CreateBuilder<WaitingJob>(waits.Length);
        for (var i = 0; i < waits.Length; i++)
        {
            var asker = waits[i].Asker;
            var cluster = asker.Shape.Cluster < 0 ? positions.Length - 1 : asker.Shape.Cluster;
            DateTimeOffset? starting =
                starts[i] is { } ticks ? new DateTimeOffset(ticks, TimeSpan.Zero)
                : waits[i].Cause == Cause.Pausing ? asker.Job.NotBefore
                : null;
            answers.Add(new WaitingJob(asker.Job.Id, ++positions[cluster], explain.Why(waits[i]), starting));
        }
        return answers.MoveToImmutable();
    }

    private static ImmutableArray<RunningJob> ById(ImmutableArray<RunningJob> running)
    {
        for (var i = 1; i < running.Length; i++)
        {
            if (running[i - 1].Id > running[i].Id)
            {
                return running.Sort(static (a, b) => a.Id.CompareTo(b.Id));
            }
        }
        return running;
    }
}
