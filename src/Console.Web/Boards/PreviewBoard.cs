using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Boards;

/// <summary>What would happen to the job or environment that is being written, and what is free for it.</summary>
public sealed class PreviewBoard(
    Actor actor,
    PreviewJob preview,
    FleetQueries fleet,
    ImageQueries images,
    VolumeVerbs volumes,
    DatasetQueries datasets,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<PreviewBoard> logger
) : Board(feed, time, logger)
{
    private JobSpec? _spec;

    public IReadOnlyList<ClusterView> Clusters { get; private set; } = [];
    public IReadOnlyList<HostView> Hosts { get; private set; } = [];
    public IReadOnlyList<ImageView> Images { get; private set; } = [];
    public IReadOnlyList<VolumeView> Volumes { get; private set; } = [];

    /// <summary>Those with a version that is ready.</summary>
    public IReadOnlyList<DatasetView> Datasets { get; private set; } = [];

    /// <summary>Null where there is no valid spec, or it is being looked at.</summary>
    public JobPreview? Answer { get; private set; }

    protected override TimeSpan Pace { get; } = TimeSpan.FromSeconds(1);

    protected override bool Matters(Change change) =>
        change.Kind is ChangeKind.Queue or ChangeKind.Host or ChangeKind.Workload
        || change is { Kind: ChangeKind.Image, Id: 0 };

    /// <param name="spec">null where what is written is not a spec</param>
    public async Task AskAsync(JobSpec? spec, CancellationToken ct)
    {
        _spec = spec;
        var answer = spec is null ? null : await preview.RunAsync(actor, spec, ct);
        if (_spec == spec)
        {
            Answer = answer;
        }
    }

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        if (Images.Count == 0 || changes.Any(c => c.Kind is ChangeKind.Image or ChangeKind.Everything))
        {
            Images = await images.ListAsync(actor, ct);
        }
        Volumes = await volumes.ListAsync(actor, ct);
        Datasets = [.. (await datasets.ListAsync(actor, ct)).Where(d => d.Latest is not null)];
        Clusters = await fleet.ClustersAsync(ct);
        Hosts = await fleet.HostsAsync(actor, ct);
        await AskAsync(_spec, ct);
        return true;
    }
}
