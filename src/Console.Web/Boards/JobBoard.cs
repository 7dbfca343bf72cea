using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Boards;

/// <summary>One job with its events.</summary>
public sealed class JobBoard(
    Actor actor,
    long id,
    JobQueries jobs,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<JobBoard> logger
) : Board(feed, time, logger)
{
    private const int EventsAtOnce = 500;
    private readonly List<EventView> _events = [];

    /// <summary>Null while loading, and where there is no such job.</summary>
    public JobDetail? Job { get; private set; }

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<EventView> Events => _events;

    protected override bool Matters(Change change) =>
        change == new Change(ChangeKind.Workload, id)
        || (change.Kind == ChangeKind.Queue && Job?.Row.State == WorkloadState.Queued);

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        Job = await jobs.FindAsync(actor, id, ct);
        while (true)
        {
            var more = await jobs.EventsAsync(actor, id, _events.Count == 0 ? 0 : _events[^1].Seq, EventsAtOnce, ct);
            _events.AddRange(more ?? []);
            if (more is not { Count: EventsAtOnce })
            {
                return true;
            }
        }
    }
}
