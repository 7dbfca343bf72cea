using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>The volumes that one may mount, and how many workloads mount them.</summary>
public sealed class VolumesBoard(
    Actor actor,
    VolumeVerbs volumes,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<VolumesBoard> logger
) : Board(feed, time, logger)
{
    public IReadOnlyList<VolumeView> Rows { get; private set; } = [];

    protected override TimeSpan Pace { get; } = TimeSpan.FromSeconds(1);

    protected override bool Matters(Change change) => change.Kind is ChangeKind.Queue or ChangeKind.Workload;

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        Rows = await volumes.ListAsync(actor, ct);
        return true;
    }
}
