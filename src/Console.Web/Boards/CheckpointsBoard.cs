using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>A job's checkpoints, the newest first.</summary>
public sealed class CheckpointsBoard(
    Actor actor,
    long id,
    CheckpointQueries checkpoints,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<CheckpointsBoard> logger
) : Board(feed, time, logger)
{
    /// <summary>Shown at most; REST pages through all of them.</summary>
    public const int Most = 200;

    public IReadOnlyList<CheckpointView> Rows { get; private set; } = [];

    /// <summary>There are more than are shown.</summary>
    public bool More { get; private set; }

    protected override TimeSpan Pace { get; } = TimeSpan.FromSeconds(1);

    protected override bool Matters(Change change) => change == new Change(ChangeKind.Workload, id);

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        if (await checkpoints.ListAsync(actor, id, null, Most, ct) is Outcome<Page<CheckpointView>>.Done page)
        {
            (Rows, More) = (page.Value.Items, page.Value.Next is not null);
        }
        return true;
    }
}
