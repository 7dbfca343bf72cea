using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>What a build said so far.</summary>
public sealed class BuildLogBoard(
    Actor actor,
    long id,
    ImageQueries images,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<BuildLogBoard> logger
) : Board(feed, time, logger)
{
    public string? Log { get; private set; }

    protected override TimeSpan Pace { get; } = TimeSpan.FromSeconds(1);

    protected override bool Matters(Change change) => change.Kind == ChangeKind.Image && change.Id == id;

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        Log = await images.LogAsync(actor, id, ct);
        return true;
    }
}
