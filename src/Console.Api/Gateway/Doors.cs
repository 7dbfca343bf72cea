using System.Collections.Concurrent;
using DeepLab.Core.Operations.Gateway;

namespace DeepLab.Api.Gateway;

/// <summary>Remembers endpoints for a second, so that a page of a hundred files asks the database once.</summary>
internal sealed class Doors(EndpointReader reader, TimeProvider time)
{
    private const int MostKept = 10_000;
    private static readonly TimeSpan s_memory = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<GatewayRoute, (Door? Door, long At)> _kept = new();

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
        // What changes while it is read is older than the answer: its age counts from the question
        var asked = time.GetTimestamp();
        var door = await reader.FindAsync(route.WorkloadId, route.Endpoint, ct);
        _kept[route] = (door, asked);
        return door;
    }

    public void Forget(long workloadId)
    {
        foreach (var route in _kept.Keys.Where(r => r.WorkloadId == workloadId))
        {
            _kept.TryRemove(route, out _);
        }
    }

    public void ForgetAll() => _kept.Clear();
}
