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

    private sealed record Lane(double Rank, long Priority, int Team)
    {
        public List<int> Jobs { get; } = [];
        public int Next { get; set; }
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
        var (lastKey, last) = (default(Key), (Lane?)null);
        for (var i = 0; i < jobs.Length; i++)
        {
            var job = jobs[i];
            var key = new Key(job.Rank ?? double.PositiveInfinity, PriorityAt(job, now), teams.Of(job.Team));
            if (last is null || key != lastKey)
            {
                ref var lane = ref CollectionsMarshal.GetValueRefOrAddDefault(lanes, key, out _);
                (lastKey, last) = (key, lane ??= new Lane(key.Rank, key.Priority, key.Team));
            }
            last.Jobs.Add(i);
        }
        _lanes.AddRange(lanes.Values);
        _lanes.Sort(
            static (a, b) =>
            {
                var rank = a.Rank.CompareTo(b.Rank);
                return rank != 0 ? rank : b.Priority.CompareTo(a.Priority);
            }
        );
        foreach (var lane in _lanes)
        {
            SortByAge(lane.Jobs);
        }
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
        job = current.Jobs[current.Next++];
        _current = _turns.Dequeue();
        return true;
    }

    /// <summary>To be called after each job, once its team's share is known.</summary>
    public void Done()
    {
        var lane = _lanes[_current];
        if (lane.Next < lane.Jobs.Count)
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
        var head = _jobs[lane.Jobs[lane.Next]];
        return new Turn(_shares.Of(lane.Team), head.QueuedAt.UtcTicks, head.Id);
    }

    private void SortByAge(List<int> jobs)
    {
        for (var i = 1; i < jobs.Count; i++)
        {
            if (ByAge(jobs[i - 1], jobs[i]) > 0)
            {
                jobs.Sort(ByAge);
                return;
            }
        }
    }

    private int ByAge(int a, int b)
    {
        var age = _jobs[a].QueuedAt.UtcTicks.CompareTo(_jobs[b].QueuedAt.UtcTicks);
        return age != 0 ? age : _jobs[a].Id.CompareTo(_jobs[b].Id);
    }
}
