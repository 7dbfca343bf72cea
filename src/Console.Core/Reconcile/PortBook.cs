using System.Collections.Concurrent;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Which ports of a host are free, within the installation's range. Each search goes on behind the port that was leased
/// last, so that one that was given back rests as long as it can: an old address leads nowhere, not to somebody else.
/// </summary>
public sealed class PortBook(ConsoleOptions options, TimeProvider time)
{
    /// <summary>How long a port that something else has is passed over.</summary>
    private static readonly TimeSpan s_shun = TimeSpan.FromMinutes(10);

    /// <summary>Of the locks that this book takes, apart from any other's.</summary>
    private const int LockClass = 0x706F7274;
    private readonly ConcurrentDictionary<(Guid Host, int Port), DateTimeOffset> _foreign = new();

    public PortRange Range => options.Ports;

    public void NoteForeign(Guid hostId, int port) => _foreign[(hostId, port)] = time.GetUtcNow() + s_shun;

    /// <summary>
    /// So many ports of a host that no row holds; fewer where there are no more. Until the transaction ends nobody else finds
    /// any there: two drivers that search at once do not find the same.
    /// </summary>
    /// <param name="besides">taken by rows that are not written yet</param>
    public async Task<IReadOnlyList<int>> FindAsync(
        ConsoleDb db,
        Guid hostId,
        int count,
        IReadOnlyCollection<int> besides,
        CancellationToken ct
    )
    {
        await db.Database.ExecuteSqlAsync(
            $"select pg_advisory_xact_lock({LockClass}, {BitConverter.ToInt32(hostId.ToByteArray(), 12)})",
            ct
        );
        var held = await db
            .Endpoints.Where(e => e.HostId == hostId && e.ReleasedAt == null)
            .Select(e => e.Port)
            .ToListAsync(ct);
        var last = await db
            .Endpoints.Where(e => e.HostId == hostId)
            .OrderByDescending(e => e.Id)
            .Select(e => (int?)e.Port)
            .FirstOrDefaultAsync(ct);
        return Choose(options.Ports, [.. held, .. besides, .. Shunned(hostId)], besides.Append(last ?? 0).Max(), count);
    }

    /// <param name="after">searched from the next one on, round and round</param>
    internal static IReadOnlyList<int> Choose(PortRange range, HashSet<int> taken, int after, int count)
    {
        var first = after >= range.First && after < range.Last ? after - range.First + 1 : 0;
        return
        [
            .. Enumerable
                .Range(0, range.Count)
                .Select(i => range.First + (first + i) % range.Count)
                .Where(p => !taken.Contains(p))
                .Take(count),
        ];
    }

    private IEnumerable<int> Shunned(Guid hostId)
    {
        var now = time.GetUtcNow();
        foreach (var (key, until) in _foreign)
        {
            if (until <= now)
            {
                _foreign.TryRemove(key, out _);
            }
            else if (key.Host == hostId)
            {
                yield return key.Port;
            }
        }
    }
}
