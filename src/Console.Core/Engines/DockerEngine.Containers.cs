using Docker.DotNet;
using Docker.DotNet.Models;

namespace DeepLab.Core.Engines;

/// <summary>Containers and images.</summary>
public sealed partial class DockerEngine
{
    /// <summary>What the engine may need to kill and clean up after the grace has run out.</summary>
    private static readonly TimeSpan AfterGrace = TimeSpan.FromSeconds(15);

    public async Task<ImageInfo?> FindImageAsync(string reference, CancellationToken ct)
    {
        try
        {
            return await CallAsync(
                Ordinary,
                async (connection, bounded) =>
                {
                    var image = await connection.Client.Images.InspectImageAsync(reference, bounded);
                    return new ImageInfo(image.ID, reference, image.Size, Copy(image.Config?.Labels))
                    {
                        Pinned = ImagePulls.Pinned(reference, image.RepoDigests ?? []),
                        Entrypoint = [.. image.Config?.Entrypoint ?? []],
                        Command = [.. image.Config?.Cmd ?? []],
                    };
                },
                ct
            );
        }
        catch (EngineException e) when (e.Kind is EngineErrorKind.ImageNotFound or EngineErrorKind.NotFound)
        {
            return null;
        }
    }

    public Task PullAsync(string reference, IProgress<PullProgress>? progress, CancellationToken ct) =>
        CallAsync(Unbounded, (client, bounded) => _pulls.PullAsync(client, _address, reference, progress, bounded), ct);

    public async Task<string> CreateAsync(ContainerPlan plan, CancellationToken ct)
    {
        try
        {
            return await CallAsync(
                Slow,
                async (connection, bounded) =>
                    (
                        await connection.Client.Containers.CreateContainerAsync(
                            HostConfigs.Build(plan, _policy),
                            bounded
                        )
                    ).ID,
                ct
            );
        }
        catch (EngineException e) when (EngineErrors.IsNetworkOnItsWay(e))
        {
            // Newer engines look for it now, older ones when it is started
            throw new EngineException(EngineErrorKind.NetworkNotReady, e.Message, e);
        }
    }

    public async Task StartAsync(string id, CancellationToken ct)
    {
        await _starts.WaitAsync(ct);
        try
        {
            await CallAsync(Slow, (client, bounded) => client.Containers.StartContainerAsync(id, null, bounded), ct);
        }
        catch (EngineException e) when (EngineErrors.IsNetworkOnItsWay(e))
        {
            throw new EngineException(EngineErrorKind.NetworkNotReady, e.Message, e);
        }
        finally
        {
            _starts.Release();
        }
    }

    public Task StopAsync(string id, TimeSpan grace, CancellationToken ct) =>
        CallAsync(
            grace + AfterGrace,
            (client, bounded) =>
                client.Containers.StopContainerAsync(
                    id,
                    new ContainerStopParameters { WaitBeforeKillSeconds = (uint)Math.Ceiling(grace.TotalSeconds) },
                    bounded
                ),
            ct
        );

    public async Task RemoveAsync(string id, bool force, CancellationToken ct)
    {
        try
        {
            await CallAsync(
                Slow,
                (client, bounded) =>
                    client.Containers.RemoveContainerAsync(
                        id,
                        // Anonymous volumes only; named ones stay
                        new ContainerRemoveParameters { Force = force, RemoveVolumes = true },
                        bounded
                    ),
                ct
            );
        }
        catch (EngineException e) when (e.Kind == EngineErrorKind.NotFound || IsBeingRemoved(e))
        {
            // Gone, or about to be: that is what was asked for
        }
    }

    private static bool IsBeingRemoved(EngineException e) =>
        e.Kind == EngineErrorKind.Conflict && e.Message.Contains("is already in progress");

    public async Task<ContainerReport?> InspectAsync(string idOrName, CancellationToken ct)
    {
        try
        {
            return await CallAsync(
                Ordinary,
                async (connection, bounded) =>
                    ContainerReports.From(await connection.Client.Containers.InspectContainerAsync(idOrName, bounded)),
                ct
            );
        }
        catch (EngineException e) when (e.Kind == EngineErrorKind.NotFound)
        {
            return null;
        }
    }

    public Task<IReadOnlyList<ContainerSummary>> ListAsync(string installId, CancellationToken ct) =>
        CallAsync<IReadOnlyList<ContainerSummary>>(
            Ordinary,
            async (connection, bounded) =>
            {
                var all = await connection.Client.Containers.ListContainersAsync(
                    new ContainersListParameters
                    {
                        All = true,
                        Filters = new Dictionary<string, IDictionary<string, bool>>
                        {
                            ["label"] = new Dictionary<string, bool> { [$"{Labels.Install}={installId}"] = true },
                        },
                    },
                    bounded
                );
                return [.. all.Select(ContainerReports.From)];
            },
            ct
        );

    internal static IReadOnlyDictionary<string, string> Copy(IDictionary<string, string>? labels) =>
        labels is null ? new Dictionary<string, string>() : new Dictionary<string, string>(labels);
}
