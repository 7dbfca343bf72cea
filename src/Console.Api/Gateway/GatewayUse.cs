using System.Collections.Concurrent;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;

namespace DeepLab.Api.Gateway;

/// <summary>
/// Requests to what does not tell of its own use, as TensorBoard and the user's own programs: they put the end of an idle
/// environment off. Jupyter knows better than its requests, most of which its page sends by itself.
/// </summary>
internal sealed class GatewayUse(TouchEnvironment touch, TimeProvider time)
{
    /// <summary>No more often: a page is many requests.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(2);

    /// <summary>A console that has seen as many starts over; the worst of it is a touch too many.</summary>
    private const int MostKept = 10_000;
    private readonly ConcurrentDictionary<long, long> _touched = new();

    public async Task NoteAsync(GatewayRoute route, Actor actor, CancellationToken ct)
    {
        if (route.Endpoint == Endpoint.Jupyter)
        {
            return;
        }
        var now = time.GetTimestamp();
        if (_touched.TryGetValue(route.WorkloadId, out var last) && time.GetElapsedTime(last, now) < s_pause)
        {
            return;
        }
        if (_touched.Count >= MostKept)
        {
            _touched.Clear();
        }
        _touched[route.WorkloadId] = now;
        await touch.RunAsync(actor, route.WorkloadId, ct);
    }
}
