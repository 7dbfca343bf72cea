using System.Collections.Concurrent;
using DeepLab.Core.Operations.Gateway;

namespace DeepLab.Api.Gateway;

/// <summary>Remembers endpoints for a second, so that a page of a hundred files asks the database once.</summary>
internal sealed class Doors(EndpointReader reader, TimeProvider time)
{
    private const int MostKept = 10_000;
    private static readonly TimeSpan s_memory = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<GatewayRoute, (Door? Door, long At)> _kept = new();
    private long _changes;

    public async ValueTask<Door?> FindAsync(GatewayRoute route, CancellationToken ct)
    {
        if (_kept.TryGetValue(route, out var kept) && time.GetElapsedTime(kept.At) < s_memory)
        {
            return kept.Door;
        }
        if (_kept.Count >= MostKept)
        {
            _kept.Clear();
        }
        var changes = Volatile.Read(ref _changes);
        var asked = time.GetTimestamp();
        var door = await reader.FindAsync(route.WorkloadId, route.Endpoint, ct);
        // What changed while it was read may be missing in it: such an answer is given once and not kept
        if (changes == Volatile.Read(ref _changes))
        {
            _kept[route] = (door, asked);
        }
        return door;
    }

    public void Forget(long workloadId)
    {
        Interlocked.Increment(ref _changes);
        foreach (var route in _kept.Keys.Where(r => r.WorkloadId == workloadId))
        {
            _kept.TryRemove(route, out _);
        }
    }

    public void ForgetAll()
    {
        Interlocked.Increment(ref _changes);
        _kept.Clear();
    }
}
