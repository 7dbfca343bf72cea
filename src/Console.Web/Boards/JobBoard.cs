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
    private readonly EventHistory _history = new(actor, id, jobs);

    /// <summary>Null while loading, and where there is no such job.</summary>
    public JobDetail? Job { get; private set; }

    /// <summary>It is an environment, which has a page of its own.</summary>
    public bool IsEnvironment { get; private set; }

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<EventView> Events => _history.All;

    protected override bool Matters(Change change) =>
        change == new Change(ChangeKind.Workload, id)
        || (change.Kind == ChangeKind.Queue && Job?.Row.State == WorkloadState.Queued);

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        var job = await jobs.FindAsync(actor, id, ct);
        if (Job is null && job is not null)
        {
            IsEnvironment = StoredSpec.TryRead(job.SpecJson, out _)?.Environment is not null;
        }
        await _history.LoadAsync(ct);
        Job = job;
        return true;
    }
}
