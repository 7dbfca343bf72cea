namespace DeepLab.Core.Placement;

/// <summary>
/// When waiting jobs will start if all goes as promised or guessed: walks the ends of running jobs forward and seats whoever
/// is next, in queue order. An estimate, not a promise.
/// </summary>
internal static class Estimates
{
    /// <summary>Of one cluster: those further back are too far off to tell.</summary>
    private const int MostJobs = 200;
    private const int MostEnds = 500;

    /// <summary>Jobs over several hosts are tried after so many ends, and so often in all: each try looks at all hosts.</summary>
    private const int EndsBetweenSpans = 50;
    private const int MostSpans = 50;

    /// <summary>Ticks, by wait; null where nothing says.</summary>
    public static long?[] Of(HostTable hosts, Releases releases, Reservations reservations, Wait[] waits, long now)
    {
        var starts = new long?[waits.Length];
        var queues = new List<int>[hosts.Clusters.Length];
        for (var i = 0; i < waits.Length; i++)
        {
            if (waits[i].Cause is Cause.Room or Cause.Reserved && waits[i].Asker.Shape.Cluster is >= 0 and var cluster)
            {
                queues[cluster] ??= [];
                if (queues[cluster].Count < MostJobs)
                {
                    queues[cluster].Add(i);
                }
            }
        }
        for (var c = 0; c < queues.Length; c++)
        {
            if (queues[c] is { } queue)
            {
                new Walk(hosts, releases, reservations, waits, queue, starts).Run(c, now);
            }
        }
        return starts;
    }

    /// <summary>Waiting jobs of one shape, in queue order.</summary>
    private sealed class Line(Shape shape)
    {
        public Shape Shape => shape;
        public Queue<int> Waits { get; } = new();
    }

    private sealed class Walk(
        HostTable hosts,
        Releases releases,
        Reservations reservations,
        Wait[] waits,
        List<int> queue,
        long?[] starts
    )
    {
        private readonly Room[] _rooms = (Room[])hosts.Free.Clone();

        /// <summary>Ends to come: of a release, by host and its place there, or of a job that was seated here.</summary>
        private readonly PriorityQueue<(int Host, int Release), long> _ends = new();
        private readonly List<Room> _seated = [];
        private readonly HashSet<long> _started = [];
        private int _spansTried;

        public void Run(int cluster, long now)
        {
            var open = Array.FindAll(hosts.HostsOf[cluster], h => hosts.TakesWork[h]);
            _ends.EnsureCapacity(open.Sum(h => releases.On(h).Count));
            foreach (var h in open)
            {
                var here = releases.On(h);
                for (var i = 0; i < here.Count; i++)
                {
                    if (here[i].Expected != Reservation.Never)
                    {
                        _ends.Enqueue((h, i), Math.Max(now, here[i].Expected));
                    }
                }
            }
            var lines = Lines();
            for (var i = 0; i < MostEnds && lines.Count > 0 && _ends.TryDequeue(out var end, out var at); i++)
            {
                var freed = end.Release < 0 ? _seated[~end.Release] : releases.On(end.Host)[end.Release].Freed;
                _rooms[end.Host] = _rooms[end.Host].With(freed);
                SeatAll(lines, end.Host, at, open, i % EndsBetweenSpans == 0);
            }
        }

        private List<Line> Lines()
        {
            var byShape = new Dictionary<Shape, Line>(ReferenceEqualityComparer.Instance);
            foreach (var i in queue)
            {
                var shape = waits[i].Asker.Shape;
                if (!byShape.TryGetValue(shape, out var line))
                {
                    byShape[shape] = line = new Line(shape);
                }
                line.Waits.Enqueue(i);
            }
            return [.. byShape.Values.OrderBy(l => l.Waits.Peek())];
        }

        private void SeatAll(List<Line> lines, int host, long at, int[] open, bool spans)
        {
            for (var i = 0; i < lines.Count; i++)
            {
                var line = lines[i];
                if ((line.Shape.OneHost || spans) && TrySeat(line, host, at, open))
                {
                    lines.RemoveAt(i);
                    Insert(lines, line);
                    i = -1;
                }
            }
        }

        private static void Insert(List<Line> lines, Line line)
        {
            if (line.Waits.TryPeek(out var first))
            {
                var at = lines.FindIndex(l => l.Waits.Peek() > first);
                lines.Insert(at < 0 ? lines.Count : at, line);
            }
        }

        private bool TrySeat(Line line, int host, long at, int[] open)
        {
            var asker = waits[line.Waits.Peek()].Asker;
            if (!MaySit(asker, host) || !TrySit(asker, host, at, open))
            {
                return false;
            }
            starts[line.Waits.Dequeue()] = at;
            _started.Add(asker.Job.Id);
            return true;
        }

        private bool MaySit(Asker asker, int host) =>
            asker.Shape.Allows(host)
            && (reservations.On(host) is not { } r || r.JobId == asker.Job.Id || _started.Contains(r.JobId));

        private bool TrySit(Asker asker, int host, long at, int[] open)
        {
            var shape = asker.Shape;
            if (shape.OneHost)
            {
                if (!Packing.Holds(hosts, shape, shape.Whole, host, _rooms[host]))
                {
                    return false;
                }
                Sit(asker, new Spot(host, shape.Whole), at);
                return true;
            }
            if (_spansTried++ >= MostSpans || !Packing.TogetherHold(hosts, shape, open, _rooms))
            {
                return false;
            }
            var wanted = shape.Whole.Counts.ToArray();
            var given = new int[wanted.Length];
            foreach (var h in open)
            {
                Packing.Fill(hosts, shape, wanted, h, _rooms[h], given);
                Sit(asker, new Spot(h, Part.Of(shape.Needs, given)), at);
                for (var i = 0; i < wanted.Length; i++)
                {
                    wanted[i] -= given[i];
                }
            }
            return true;
        }

        private void Sit(Asker asker, in Spot spot, long at)
        {
            if (spot.Part.Replicas == 0)
            {
                return;
            }
            var taken = Packing.Taken(hosts, asker.Shape, spot.Part, spot.Host, _rooms[spot.Host]);
            _rooms[spot.Host] = _rooms[spot.Host].Less(taken);
            if (asker.Duration != long.MaxValue)
            {
                _ends.Enqueue((spot.Host, ~_seated.Count), at + asker.Duration);
                _seated.Add(taken);
            }
        }
    }
}
