using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>The events of one workload so far, oldest first; each is read once.</summary>
public sealed class EventHistory(Actor actor, long id, JobQueries jobs)
{
    private const int AtOnce = 500;
    private readonly List<EventView> _events = [];

    public IReadOnlyList<EventView> All => _events;

    public async Task LoadAsync(CancellationToken ct)
    {
        while (true)
        {
            var more = await jobs.EventsAsync(actor, id, _events.Count == 0 ? 0 : _events[^1].Seq, AtOnce, ct);
            _events.AddRange(more ?? []);
            if (more is not { Count: AtOnce })
            {
                return;
            }
        }
    }
}
