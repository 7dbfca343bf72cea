using DeepLab.Core.Clusters;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Pair = (System.Guid First, System.Guid Second);

namespace DeepLab.Core.Reconcile.Pairs;

/// <summary>What is kept of pairs of hosts, and what their jobs are told of them.</summary>
public sealed class PairWrites(LeaderWrites writes, IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    /// <summary>Other pairs of a cluster that one is held against, the newest.</summary>
    private const int MostOthers = 500;

    /// <summary>Slow pairs that a job is told of one by one.</summary>
    private const int MostTold = 8;

    /// <summary>Characters of a reason.</summary>
    private const int MostWords = 300;

    /// <summary>Those that are to be measured, the ones that nobody tried for longest first.</summary>
    public async Task<IReadOnlyList<Pair>> DueAsync(IReadOnlyCollection<Pair> pairs, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var known = await KnownAsync(db.HostPairs.AsNoTracking(), pairs, ct);
        var now = time.GetUtcNow();
        return
        [
            .. pairs
                .Where(p => PairRule.IsDue(known.GetValueOrDefault(p), now))
                .OrderBy(p => known.GetValueOrDefault(p)?.TriedAt ?? DateTimeOffset.MinValue),
        ];
    }

    public async Task<bool> IsAnySlowAsync(IReadOnlyCollection<Pair> pairs, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await Among(db.HostPairs.AsNoTracking(), pairs).AnyAsync(p => p.Slow != "", ct);
    }

    /// <summary>Keeps what was found, and tells the job of it and of pairs that are known to be slow.</summary>
    /// <param name="results">figures, or why there are none</param>
    /// <param name="all">pairs of the job's hosts</param>
    public Task SaveAsync(
        LeaderTerm term,
        long workloadId,
        IReadOnlyDictionary<Pair, (PairFigures? Figures, string Why)> results,
        IReadOnlyCollection<Pair> all
    ) =>
        writes.RunAsync(
            term,
            async (db, ct) =>
            {
                var now = time.GetUtcNow();
                if (await db.LockWorkloadAsync(workloadId, ct) is not { } w)
                {
                    return 0;
                }
                var known = await KnownAsync(db.HostPairs, all, ct);
                var ids = all.SelectMany(p => (Guid[])[p.First, p.Second]).Distinct().ToArray();
                var names = await db.Hosts.Where(h => ids.Contains(h.Id)).ToDictionaryAsync(h => h.Id, h => h.Name, ct);
                var others = await OthersAsync(db, w.ClusterId, now, ct);
                foreach (var (pair, (figures, why)) in results)
                {
                    // A host that was taken out meanwhile has no pairs
                    if (!names.ContainsKey(pair.First) || !names.ContainsKey(pair.Second))
                    {
                        continue;
                    }
                    if (!known.TryGetValue(pair, out var row))
                    {
                        known[pair] = row = new HostPair
                        {
                            FirstId = pair.First,
                            SecondId = pair.Second,
                            ClusterId = w.ClusterId,
                        };
                        db.HostPairs.Add(row);
                    }
                    if (figures is { } found)
                    {
                        var rest = others.Where(o => o.Key != pair).ToDictionary();
                        foreach (var (other, (measured, _)) in results.Where(r => r.Key != pair))
                        {
                            if (measured is { } newer)
                            {
                                rest[other] = newer;
                            }
                        }
                        row.Note(found, rest.Values, now);
                    }
                    else
                    {
                        row.NoteFailure(why.Length > MostWords ? why[..MostWords] : why, now);
                    }
                }
                Tell(db, w, results, known, names, now);
                db.Tell(ChangeKind.Host);
                return 0;
            }
        );

    private static async Task<Dictionary<Pair, PairFigures>> OthersAsync(
        ConsoleDb db,
        Guid clusterId,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        var since = now - PairRule.OthersWithin;
        var found = await db
            .HostPairs.AsNoTracking()
            .Where(p => p.ClusterId == clusterId && p.MeasuredAt > since)
            .OrderByDescending(p => p.MeasuredAt)
            .Take(MostOthers)
            .ToListAsync(ct);
        return found.ToDictionary(p => (p.FirstId, p.SecondId), p => p.Newest!.Value);
    }

    private static void Tell(
        ConsoleDb db,
        Workload w,
        IReadOnlyDictionary<Pair, (PairFigures? Figures, string Why)> results,
        Dictionary<Pair, HostPair> known,
        Dictionary<Guid, string> names,
        DateTimeOffset now
    )
    {
        string Name(Pair p) =>
            string.Join(
                " and ",
                new[] { p.First, p.Second }
                    .Select(h => names.GetValueOrDefault(h, "a host that is gone"))
                    .Order(StringComparer.Ordinal)
            );
        void Say(string kind, string message) => db.AddEvent(w, now, "console", kind, Reason.None, message);

        var measured = results.Values.Select(r => r.Figures).OfType<PairFigures>().ToArray();
        if (measured.Length > 0)
        {
            Say(PairEvents.Measured, Figures(measured));
        }
        if (results.FirstOrDefault(r => r.Value.Figures is null) is { Value.Why: { } why } failed)
        {
            var more = results.Count - measured.Length - 1;
            Say(
                PairEvents.NotMeasured,
                $"the network between {Name(failed.Key)} was not measured: {why}{(more > 0 ? $"; nor that of {more} more pairs" : "")}"
            );
        }
        var slow = known.Where(p => p.Value.Slow.Length > 0).OrderBy(p => p.Value.MegabytesPerSecond).ToArray();
        foreach (var (pair, row) in slow.Take(MostTold))
        {
            Say(PairEvents.Slow, $"the network between {Name(pair)} is slow: it {row.Slow}");
        }
        if (slow.Length > MostTold)
        {
            Say(PairEvents.Slow, $"the networks between {slow.Length - MostTold} more pairs of its hosts are slow");
        }
    }

    private static string Figures(PairFigures[] of)
    {
        var (slowest, fastest) = (of.MinBy(p => p.MegabytesPerSecond), of.MaxBy(p => p.MegabytesPerSecond));
        var (nearest, farthest) = (of.MinBy(p => p.Milliseconds), of.MaxBy(p => p.Milliseconds));
        return of.Length == 1
            ? $"measured the network between its hosts: {PairRule.Speed(slowest)}, {PairRule.Delay(nearest)} there and back"
            : $"measured the network between {of.Length} pairs of its hosts: {PairRule.Speed(slowest)} to {PairRule.Speed(fastest)}, {PairRule.Delay(nearest)} to {PairRule.Delay(farthest)} there and back";
    }

    private static IQueryable<HostPair> Among(IQueryable<HostPair> rows, IReadOnlyCollection<Pair> pairs)
    {
        var ids = pairs.SelectMany(p => (Guid[])[p.First, p.Second]).Distinct().ToArray();
        return rows.Where(p => ids.Contains(p.FirstId) && ids.Contains(p.SecondId));
    }

    private static async Task<Dictionary<Pair, HostPair>> KnownAsync(
        IQueryable<HostPair> rows,
        IReadOnlyCollection<Pair> pairs,
        CancellationToken ct
    ) => (await Among(rows, pairs).ToListAsync(ct)).ToDictionary(p => (p.FirstId, p.SecondId));
}
