using System.Runtime.InteropServices;

namespace DeepLab.Core.Placement;

/// <summary>
/// Whose turn it is. An admin's place goes before everything; then priority, which grows with waiting; among equals the team
/// with the least share; then who waits longest, then the lower id. Each team's jobs of one priority are a lane; a heap of
/// lanes by share gives the next, so that a job costs the logarithm of the number of teams.
/// </summary>
internal sealed class QueueOrder
{
    /// <summary>Waiting this long counts as one point of priority, without an end: nothing waits behind others for ever.</summary>
    public static readonly TimeSpan PointEvery = TimeSpan.FromHours(1);
    private readonly Shares _shares;
    private readonly JobRequest[] _jobs;
    private readonly List<Lane> _lanes = [];
    private readonly PriorityQueue<int, Turn> _turns = new(Comparer<Turn>.Create(Compare));
    private int _nextLane;
    private int _current = -1;

    /// <summary>All jobs, lane after lane, within one those that wait longest first.</summary>
    private readonly int[] _ordered;

    private sealed record Lane(double Rank, long Priority, int Team)
    {
        /// <summary>Of its jobs, as an index into <see cref="_ordered"/>.</summary>
        public int Next { get; set; }

        /// <summary>One past its last.</summary>
        public int End { get; set; }
    }

    private readonly record struct Key(double Rank, long Priority, int Team);

    private readonly record struct Turn(double Share, long QueuedAt, long Id);

    private static int Compare(Turn a, Turn b)
    {
        var order = a.Share.CompareTo(b.Share);
        order = order != 0 ? order : a.QueuedAt.CompareTo(b.QueuedAt);
        return order != 0 ? order : a.Id.CompareTo(b.Id);
    }

    public QueueOrder(JobRequest[] jobs, TeamIndex teams, Shares shares, DateTimeOffset now)
    {
        (_jobs, _shares) = (jobs, shares);
        var lanes = new Dictionary<Key, Lane>();
        var laneOf = new Lane[jobs.Length];
        var (lastKey, last) = (default(Key), (Lane?)null);
        for (var i = 0; i < jobs.Length; i++)
        {
            var job = jobs[i];
            var key = new Key(job.Rank ?? double.PositiveInfinity, PriorityAt(job, now), teams.OfQueue[i]);
            if (last is null || key != lastKey)
            {
                ref var lane = ref CollectionsMarshal.GetValueRefOrAddDefault(lanes, key, out _);
                (lastKey, last) = (key, lane ??= new Lane(key.Rank, key.Priority, key.Team));
            }
            laneOf[i] = last;
            last.End++;
        }
        _lanes.AddRange(lanes.Values);
        _lanes.Sort(
            static (a, b) =>
            {
                var rank = a.Rank.CompareTo(b.Rank);
                return rank != 0 ? rank : b.Priority.CompareTo(a.Priority);
            }
        );
        _ordered = Ordered(jobs, laneOf);
    }

    /// <summary>Lays the jobs out by lane, counted in <see cref="Lane.End"/>, and sets where each lane begins and ends.</summary>
    private int[] Ordered(JobRequest[] jobs, Lane[] laneOf)
    {
        var begin = 0;
        foreach (var lane in _lanes)
        {
            (lane.Next, begin, lane.End) = (begin, begin + lane.End, begin);
        }
        var (ordered, queuedAt) = (new int[jobs.Length], new long[jobs.Length]);
        for (var i = 0; i < jobs.Length; i++)
        {
            var at = laneOf[i].End++;
            (ordered[at], queuedAt[at]) = (i, jobs[i].QueuedAt.UtcTicks);
        }
        foreach (var lane in _lanes)
        {
            SortByAge(ordered, queuedAt, lane.Next, lane.End);
        }
        return ordered;
    }

    /// <summary>Priority with what waiting added to it.</summary>
    public static long PriorityAt(JobRequest job, DateTimeOffset now) =>
        job.Priority + Math.Max(0, (now.UtcTicks - job.QueuedAt.UtcTicks) / PointEvery.Ticks);

    /// <summary>Index of the next job; shares are read as they are at this moment. False at the end.</summary>
    public bool TryNext(out int job)
    {
        job = -1;
        if (_turns.Count == 0 && !OpenNextBand())
        {
            return false;
        }
        // The lane that had its turn goes back by what its team has now
        var current = _lanes[_turns.Peek()];
        job = _ordered[current.Next++];
        _current = _turns.Dequeue();
        return true;
    }

    /// <summary>To be called after each job, once its team's share is known.</summary>
    public void Done()
    {
        var lane = _lanes[_current];
        if (lane.Next < lane.End)
        {
            _turns.Enqueue(_current, TurnOf(lane));
        }
    }

    private bool OpenNextBand()
    {
        if (_nextLane == _lanes.Count)
        {
            return false;
        }
        var first = _lanes[_nextLane];
        while (
            _nextLane < _lanes.Count
            && _lanes[_nextLane].Rank.Equals(first.Rank)
            && _lanes[_nextLane].Priority == first.Priority
        )
        {
            _turns.Enqueue(_nextLane, TurnOf(_lanes[_nextLane]));
            _nextLane++;
        }
        return true;
    }

    private Turn TurnOf(Lane lane)
    {
        var head = _jobs[_ordered[lane.Next]];
        return new Turn(_shares.Of(lane.Team), head.QueuedAt.UtcTicks, head.Id);
    }

    /// <summary>By plain numbers, not by asking the jobs: they lie all over the memory. Of one moment the lower id goes first.</summary>
    private void SortByAge(int[] ordered, long[] queuedAt, int begin, int end)
    {
        if (!IsAscending(queuedAt.AsSpan(begin, end - begin)))
        {
            Array.Sort(queuedAt, ordered, begin, end - begin);
        }
        for (var from = begin; from < end; )
        {
            var to = from + 1;
            while (to < end && queuedAt[to] == queuedAt[from])
            {
                to++;
            }
            if (to - from > 1)
            {
                ordered.AsSpan(from, to - from).Sort((a, b) => _jobs[a].Id.CompareTo(_jobs[b].Id));
            }
            from = to;
        }
    }

    private static bool IsAscending(ReadOnlySpan<long> numbers)
    {
        for (var i = 1; i < numbers.Length; i++)
        {
            if (numbers[i - 1] > numbers[i])
            {
                return false;
            }
        }
        return true;
    }
}
