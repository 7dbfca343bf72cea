using DeepLab.Core.Clusters;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Fleet;

/// <summary>Reads of the network between hosts. Everyone signed in sees the fleet.</summary>
public sealed class PairQueries(IDbContextFactory<ConsoleDb> databases)
{
    /// <summary>The slow ones first, then by name; null where there is no such cluster.</summary>
    /// <param name="host">name of one of the two; null = any</param>
    public async Task<IReadOnlyList<PairView>?> FindAsync(
        string cluster,
        string? host,
        int skip,
        int take,
        CancellationToken ct
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var id = await db.Clusters.Where(c => c.Name == cluster).Select(c => (Guid?)c.Id).SingleOrDefaultAsync(ct);
        if (id is null)
        {
            return null;
        }
        var found = await Named(db, db.HostPairs.AsNoTracking().Where(p => p.ClusterId == id))
            .Where(p => host == null || p.First == host || p.Second == host)
            .OrderBy(p => p.Pair.Slow == "")
            .ThenBy(p => p.First)
            .ThenBy(p => p.Second)
            .Skip(skip)
            .Take(take)
            .ToListAsync(ct);
        return [.. found.Select(p => View(p.Pair, p.First, p.Second))];
    }

    /// <summary>With the names of their hosts, in no order.</summary>
    internal static IQueryable<NamedPair> Named(ConsoleDb db, IQueryable<HostPair> pairs) =>
        from pair in pairs
        join first in db.Hosts on pair.FirstId equals first.Id
        join second in db.Hosts on pair.SecondId equals second.Id
        select new NamedPair
        {
            Pair = pair,
            First = first.Name,
            Second = second.Name,
        };

    private static PairView View(HostPair pair, string first, string second)
    {
        var (newest, typical) = (pair.Newest, pair.Typical);
        return new PairView(
            [.. new[] { first, second }.Order(StringComparer.Ordinal)],
            newest?.MegabytesPerSecond,
            newest?.Milliseconds,
            typical?.MegabytesPerSecond,
            typical?.Milliseconds,
            pair.Speeds.Length,
            pair.MeasuredAt,
            pair.Slow,
            pair.TriedAt,
            pair.Unmeasured
        );
    }
}

internal sealed class NamedPair
{
    public required HostPair Pair { get; init; }
    public required string First { get; init; }
    public required string Second { get; init; }
}
