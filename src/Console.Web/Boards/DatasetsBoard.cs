using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>The datasets that one may see.</summary>
public sealed class DatasetsBoard(
    Actor actor,
    DatasetQueries datasets,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<DatasetsBoard> logger
) : Board(feed, time, logger)
{
    public IReadOnlyList<DatasetView> Rows { get; private set; } = [];

    protected override TimeSpan Pace { get; } = TimeSpan.FromSeconds(1);

    protected override bool Matters(Change change) => change.Kind is ChangeKind.Queue or ChangeKind.Workload;

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        Rows = await datasets.ListAsync(actor, ct);
        return true;
    }
}
