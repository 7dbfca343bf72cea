using System.Collections.Concurrent;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Tests.Engines;

/// <summary>What stands around containers: images, the Swarm, networks, volumes.</summary>
public sealed partial class FakeEngine
{
    /// <summary>Nodes of the Swarm it manages; null = it manages none.</summary>
    public IReadOnlyList<SwarmNode>? Nodes { get; set; }
    public ConcurrentDictionary<string, string> Networks { get; } = new();

    public Task<ImageInfo> CommitAsync(
        string container,
        string reference,
        IReadOnlyDictionary<string, string> labels,
        CancellationToken ct
    ) => throw new NotSupportedException();

    public Task<Stream> SaveImageAsync(string reference, CancellationToken ct) => throw new NotSupportedException();

    public Task LoadImageAsync(Stream tar, CancellationToken ct) => throw new NotSupportedException();

    public Task BuildImageAsync(
        Stream context,
        string reference,
        IReadOnlyDictionary<string, string> labels,
        Action<string> onText,
        CancellationToken ct
    ) => throw new NotSupportedException();

    public Task RemoveImageAsync(string reference, CancellationToken ct) => throw new NotSupportedException();

    public Task<IReadOnlyList<OwnImage>> OwnImagesAsync(string installId, CancellationToken ct) =>
        throw new NotSupportedException();

    public Task<IReadOnlyList<string>> ImagesAsync(CancellationToken ct) =>
        DoAsync<IReadOnlyList<string>>("", () => [.. Images.Keys.Order(StringComparer.Ordinal)], ct);

    public Task<string?> WhyNoRegistryAsync(string reference, CancellationToken ct) =>
        DoAsync<string?>(reference, () => null, ct);

    public Task<IReadOnlyList<SwarmNode>?> NodesAsync(CancellationToken ct) => DoAsync("", () => Nodes, ct);

    public Task EnsureNetworkAsync(string name, IReadOnlyDictionary<string, string> labels, CancellationToken ct) =>
        DoAsync(name, () => Networks.TryAdd(name, labels.GetValueOrDefault(Labels.Install, "")), ct);

    /// <summary>Names of bridges of this host.</summary>
    public ConcurrentDictionary<string, bool> Bridges { get; } = new();

    public Task EnsureBridgeAsync(BridgePlan plan, CancellationToken ct) =>
        DoAsync(
            plan.Name,
            () =>
                plan.IsApart
                    ? Bridges.TryAdd(plan.Name, true)
                    : Networks.TryAdd(plan.Name, plan.Labels.GetValueOrDefault(Labels.Install, "")),
            ct
        );

    public Task RemoveNetworkAsync(string name, CancellationToken ct) =>
        DoAsync(name, () => Networks.TryRemove(name, out _), ct);

    public ConcurrentDictionary<string, VolumeSummary> Volumes { get; } = new();

    public Task<IReadOnlyList<VolumeSummary>> VolumesAsync(string installId, CancellationToken ct) =>
        DoAsync<IReadOnlyList<VolumeSummary>>(
            installId,
            () => [.. Volumes.Values.Where(v => v.Labels.GetValueOrDefault(Labels.Install) == installId)],
            ct
        );

    public Task RemoveVolumeAsync(string name, CancellationToken ct) =>
        DoAsync(name, () => Volumes.TryRemove(name, out _), ct);

    public Task<IReadOnlyList<string>> NetworksAsync(string installId, CancellationToken ct) =>
        DoAsync<IReadOnlyList<string>>(
            installId,
            () => [.. Networks.Where(n => n.Value == installId).Select(n => n.Key)],
            ct
        );
}
