using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>The whole of the overview. Readings come from memory; the rest is read again only when it changed.</summary>
public sealed class OverviewBoard(
    Actor actor,
    FleetQueries fleet,
    LatestReadings readings,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<OverviewBoard> logger
) : Board(feed, time, logger)
{
    public OverviewView? View { get; private set; }

    protected override TimeSpan Patience { get; } = TimeSpan.FromSeconds(5);

    protected override bool Matters(Change change) => change.Kind is not (ChangeKind.Log or ChangeKind.Account);

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        if (View is { } view && changes.Count > 0 && changes.All(c => c.Kind == ChangeKind.Metrics))
        {
            View = view with { Hosts = HostReadings.Renew(view.Hosts, readings) };
        }
        else
        {
            View = await fleet.OverviewAsync(actor, ct);
        }
        return true;
    }
}

internal static class HostReadings
{
    /// <summary>The same hosts with the newest readings in memory.</summary>
    public static IReadOnlyList<HostView> Renew(IReadOnlyList<HostView> hosts, LatestReadings readings) =>
        [
            .. hosts.Select(h =>
                h with
                {
                    Reading = readings.Host(h.Id),
                    Gpus = [.. h.Gpus.Select(g => g with { Reading = readings.Gpu(g.Uuid) })],
                }
            ),
        ];
}
