using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>All hosts with their GPUs.</summary>
public sealed class HostsBoard(
    Actor actor,
    FleetQueries fleet,
    LatestReadings readings,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<HostsBoard> logger
) : Board(feed, time, logger)
{
    public IReadOnlyList<HostView> Hosts { get; private set; } = [];

    protected override TimeSpan Patience { get; } = TimeSpan.FromSeconds(5);

    protected override bool Matters(Change change) => change.Kind is not (ChangeKind.Log or ChangeKind.Account);

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        Hosts =
            Loaded && changes.Count > 0 && changes.All(c => c.Kind == ChangeKind.Metrics)
                ? HostReadings.Renew(Hosts, readings)
                : await fleet.HostsAsync(actor, ct);
        return true;
    }
}
