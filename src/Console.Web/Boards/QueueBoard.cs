using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>What waits, in the order in which it is considered.</summary>
public sealed class QueueBoard(
    Actor actor,
    JobQueries jobs,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<QueueBoard> logger
) : Board(feed, time, logger)
{
    public const int Shown = 500;

    public IReadOnlyList<QueueRow> Rows { get; private set; } = [];

    /// <summary>By how much first estimates of the last starts were off, seconds; null where there are none.</summary>
    public double? EstimateError { get; private set; }

    protected override bool Matters(Change change) => change.Kind is ChangeKind.Queue or ChangeKind.Workload;

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        Rows = await jobs.QueueAsync(actor, 0, Shown, ct);
        EstimateError = await jobs.EstimateErrorAsync(ct);
        return true;
    }
}
