using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>All clusters, and all hosts with their GPUs.</summary>
public sealed class HostsBoard(
    Actor actor,
    FleetQueries fleet,
    LatestReadings readings,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<HostsBoard> logger
) : Board(feed, time, logger)
{
    private const int ManyHosts = 20;

    public IReadOnlyList<HostView> Hosts { get; private set; } = [];

    public IReadOnlyList<ClusterView> Clusters { get; private set; } = [];

    /// <summary>
    /// A hundred hosts announce readings all the time, and each render of their thousand GPUs costs some 25 ms of one core.
    /// </summary>
    protected override TimeSpan Pace => Hosts.Count > ManyHosts ? TimeSpan.FromSeconds(1) : base.Pace;

    protected override TimeSpan Patience { get; } = TimeSpan.FromSeconds(5);

    protected override bool Matters(Change change) => change.Kind is not (ChangeKind.Log or ChangeKind.Account);

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        if (Loaded && changes.Count > 0 && changes.All(c => c.Kind == ChangeKind.Metrics))
        {
            Hosts = HostReadings.Renew(Hosts, readings);
        }
        else
        {
            Hosts = await fleet.HostsAsync(actor, ct);
            // Of clusters only names, managers and troubles are shown, which jobs' changes leave alone
            if (changes.Count == 0 || changes.Any(c => c.Kind is ChangeKind.Host or ChangeKind.Everything))
            {
                Clusters = await fleet.ClustersAsync(ct);
            }
        }
        return true;
    }
}
