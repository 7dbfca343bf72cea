using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;

namespace DeepLab.Web.Boards;

/// <summary>The network from one host to those that it shared jobs with.</summary>
public sealed class HostPairsBoard(
    HostView host,
    PairQueries pairs,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<HostPairsBoard> logger
) : Board(feed, time, logger)
{
    /// <summary>The slow ones come first.</summary>
    public const int Most = 50;

    public IReadOnlyList<PairView> Pairs { get; private set; } = [];

    /// <summary>There are more than <see cref="Most"/>.</summary>
    public bool HasMore { get; private set; }

    protected override TimeSpan Patience { get; } = TimeSpan.FromMinutes(1);

    protected override bool Matters(Change change) => change.Kind is ChangeKind.Host or ChangeKind.Everything;

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        var found = await pairs.FindAsync(host.Cluster, host.Name, 0, Most + 1, ct) ?? [];
        Pairs = [.. found.Take(Most)];
        HasMore = found.Count > Most;
        return true;
    }
}
