using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Boards;

/// <summary>One environment with its events.</summary>
public sealed class EnvironmentBoard(
    Actor actor,
    long id,
    EnvironmentQueries environments,
    JobQueries jobs,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<EnvironmentBoard> logger
) : Board(feed, time, logger)
{
    private readonly EventHistory _history = new(actor, id, jobs);

    /// <summary>Null while loading, and where there is no such environment.</summary>
    public EnvironmentDetail? Environment { get; private set; }

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<EventView> Events => _history.All;

    // The idle clock moves without being announced
    protected override TimeSpan Patience { get; } = TimeSpan.FromSeconds(15);

    protected override bool Matters(Change change) =>
        change == new Change(ChangeKind.Workload, id)
        || (change.Kind == ChangeKind.Queue && Environment?.Job.Row.State == WorkloadState.Queued);

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        Environment = await environments.FindAsync(actor, id, ct);
        await _history.LoadAsync(ct);
        return true;
    }
}
