using DeepLab.Core.Tenancy;

namespace DeepLab.Core.Operations.Fleet;

/// <summary>Reads of clusters, hosts, GPUs and images. Everyone signed in sees the fleet; holders' names only their own.</summary>
public sealed class FleetQueries
{
    public Task<IReadOnlyList<ClusterView>> ClustersAsync(CancellationToken ct) => throw new NotSupportedException("not built yet");

    public Task<IReadOnlyList<HostView>> HostsAsync(Actor actor, CancellationToken ct) => throw new NotSupportedException("not built yet");

    public Task<HostView?> FindHostAsync(Actor actor, string name, CancellationToken ct) => throw new NotSupportedException("not built yet");

    public Task<OverviewView> OverviewAsync(Actor actor, CancellationToken ct) => throw new NotSupportedException("not built yet");

    public Task<IReadOnlyList<ImageView>> ImagesAsync(CancellationToken ct) => throw new NotSupportedException("not built yet");
}
