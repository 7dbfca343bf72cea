using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>Homes that outlived their environments.</summary>
public sealed class HomesBoard(
    Actor actor,
    KeptHomes homes,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<HomesBoard> logger
) : Board(feed, time, logger)
{
    public IReadOnlyList<KeptHomeView> Rows { get; private set; } = [];

    protected override TimeSpan Pace { get; } = TimeSpan.FromSeconds(1);

    protected override bool Matters(Change change) => change.Kind is ChangeKind.Queue or ChangeKind.Workload;

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        Rows = await homes.ListAsync(actor, ct);
        return true;
    }
}
