using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads.Receipts;

namespace DeepLab.Web.Boards;

/// <summary>Where the time of one job goes.</summary>
public sealed class ReceiptBoard(
    Actor actor,
    long workloadId,
    JobReceipts receipts,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<ReceiptBoard> logger
) : Board(feed, time, logger)
{
    /// <summary>Null until it is loaded.</summary>
    public Receipt? Receipt { get; private set; }

    /// <summary>It is made from samples, which come all the time.</summary>
    protected override TimeSpan Pace { get; } = TimeSpan.FromSeconds(5);

    protected override TimeSpan Patience =>
        Receipt is { Ended: true } ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(15);

    protected override bool Matters(Change change) => change == new Change(ChangeKind.Workload, workloadId);

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        Receipt = await receipts.FindAsync(actor, workloadId, ct);
        return true;
    }
}
