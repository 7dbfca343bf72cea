using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>The catalogue as one sees it, and what is being done with images.</summary>
public sealed class ImagesBoard(
    Actor actor,
    ImageQueries images,
    FleetQueries fleet,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<ImagesBoard> logger
) : Board(feed, time, logger)
{
    /// <summary>How long one that is over is shown.</summary>
    private static readonly TimeSpan s_lately = TimeSpan.FromMinutes(30);

    public IReadOnlyList<ImageView> Images { get; private set; } = [];

    /// <summary>Those that are not over, and those that ended lately.</summary>
    public IReadOnlyList<ImageTaskView> Tasks { get; private set; } = [];
    public IReadOnlyList<string> Hosts { get; private set; } = [];

    protected override TimeSpan Pace { get; } = TimeSpan.FromMilliseconds(500);

    protected override bool Matters(Change change) =>
        change.Kind is ChangeKind.Image or ChangeKind.Host or ChangeKind.Queue;

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        // A step of a task's progress is no reason to read all hosts
        if (changes.Count == 0 || changes.Any(c => c.Kind != ChangeKind.Image || c.Id == 0))
        {
            Images = await images.ListAsync(actor, ct);
            Hosts = [.. (await fleet.HostsAsync(actor, ct)).Select(h => h.Name)];
        }
        var since = Time.GetUtcNow() - s_lately;
        Tasks =
        [
            .. (await images.TasksAsync(actor, open: false, ct)).Where(t => t.EndedAt is not { } end || end > since),
        ];
        return true;
    }
}
