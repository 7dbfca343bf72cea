using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>
/// A list of jobs of any length: the page asks for the window it shows. A change anywhere makes it ask again, twice a
/// second at most.
/// </summary>
public sealed class JobsBoard(
    Actor actor,
    JobQueries jobs,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<JobsBoard> logger
) : Board(feed, time, logger)
{
    public JobFilter Filter { get; set; } = new();

    protected override TimeSpan Pace { get; } = TimeSpan.FromMilliseconds(500);

    protected override bool Matters(Change change) => change.Kind is ChangeKind.Workload or ChangeKind.Queue;

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        // The window itself is asked for by the list; this finds out whether the database answers
        await jobs.WindowAsync(actor, Filter, 0, 1, ct);
        return true;
    }

    public Task<(IReadOnlyList<JobRow> Rows, int Total)> WindowAsync(int skip, int take, CancellationToken ct) =>
        jobs.WindowAsync(actor, Filter, skip, take, ct);
}
