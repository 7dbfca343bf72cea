using Docker.DotNet.Models;

namespace DeepLab.Core.Engines;

/// <summary>Volumes of the console's own.</summary>
public sealed partial class DockerEngine
{
    public Task<IReadOnlyList<VolumeSummary>> VolumesAsync(string installId, CancellationToken ct) =>
        CallAsync<IReadOnlyList<VolumeSummary>>(
            Ordinary,
            async (connection, bounded) =>
            {
                var answer = await connection.Client.Volumes.ListAsync(
                    new VolumesListParameters
                    {
                        Filters = new Dictionary<string, IDictionary<string, bool>>
                        {
                            ["label"] = new Dictionary<string, bool> { [$"{Labels.Install}={installId}"] = true },
                        },
                    },
                    bounded
                );
                return [.. (answer.Volumes ?? []).Select(v => new VolumeSummary(v.Name, Copy(v.Labels)))];
            },
            ct
        );

    public async Task RemoveVolumeAsync(string name, CancellationToken ct)
    {
        try
        {
            await CallAsync(Ordinary, (client, bounded) => client.Volumes.RemoveAsync(name, force: false, bounded), ct);
        }
        catch (EngineException e) when (e.Kind == EngineErrorKind.NotFound)
        {
            // Gone: that is what was asked for
        }
    }
}
