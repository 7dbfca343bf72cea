using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>One dataset with its versions, and the volumes that another may be made of.</summary>
public sealed class DatasetBoard(
    Actor actor,
    string name,
    DatasetQueries datasets,
    VolumeVerbs volumes,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<DatasetBoard> logger
) : Board(feed, time, logger)
{
    /// <summary>Null while loading, and where there is none that one may see.</summary>
    public DatasetDetail? Detail { get; private set; }
    public IReadOnlyList<VolumeView> Volumes { get; private set; } = [];

    protected override TimeSpan Pace { get; } = TimeSpan.FromSeconds(1);

    protected override bool Matters(Change change) => change.Kind is ChangeKind.Queue or ChangeKind.Workload;

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        Detail = await datasets.FindAsync(actor, name, ct);
        Volumes = await volumes.ListAsync(actor, ct);
        return true;
    }
}
