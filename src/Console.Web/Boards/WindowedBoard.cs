using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;

namespace DeepLab.Web.Boards;

/// <summary>
/// A list of workloads of any length: the page asks for the window it shows. A change anywhere makes it ask again, twice a
/// second at most.
/// </summary>
public abstract class WindowedBoard<TRow>(ChangeFeed feed, TimeProvider time, ILogger logger)
    : Board(feed, time, logger)
{
    public JobFilter Filter { get; set; } = new();

    protected override TimeSpan Pace { get; } = TimeSpan.FromMilliseconds(500);

    protected override bool Matters(Change change) => change.Kind is ChangeKind.Workload or ChangeKind.Queue;

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        // The window itself is asked for by the list; this finds out whether the database answers
        await WindowAsync(0, 1, ct);
        return true;
    }

    public abstract Task<(IReadOnlyList<TRow> Rows, int Total)> WindowAsync(int skip, int take, CancellationToken ct);
}
