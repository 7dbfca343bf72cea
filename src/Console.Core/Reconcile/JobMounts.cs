using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Storage;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <param name="Missing">what is not there, as a sentence, or null</param>
public sealed record FoundMounts(string? Missing, IReadOnlyList<PlannedMount> Mounts)
{
    /// <summary>Paths in the container whose folder becomes the program's own: an engine's volume is born root's. A host's path is its admin's matter.</summary>
    public IReadOnlyList<string> Owned =>
        [.. Mounts.Where(m => m is { IsPath: false, ReadOnly: false }).Select(m => m.Target)];

    /// <summary>An engine's words, with each host's path replaced by the name under which users know it.</summary>
    public string InWords(string message) =>
        Mounts.Where(m => m.IsPath).Aggregate(message, (text, m) => text.Replace(m.Source, $"(volume {m.Name})"));
}

/// <summary>Turns the volumes that a spec names into what an engine mounts.</summary>
public sealed class JobMounts(IDbContextFactory<ConsoleDb> databases)
{
    private static readonly FoundMounts s_none = new(null, []);

    public async Task<FoundMounts> FindAsync(string installId, JobSpec spec, CancellationToken ct)
    {
        var asked = spec.Mounts;
        if (asked.IsEmpty)
        {
            return s_none;
        }
        await using var db = await databases.CreateDbContextAsync(ct);
        var volumes = await VolumeReader.ReadAsync(db, ct);
        return asked.FirstOrDefault(m => !volumes.ContainsKey(m.Name)) is { } missing
            ? new FoundMounts($"the volume {missing.Name} is no longer defined", [])
            : new FoundMounts(null, [.. asked.Select(m => Plan(installId, m, volumes[m.Name]))]);
    }

    /// <summary>The lists of the parts of its datasets, as files of its containers.</summary>
    /// <exception cref="EngineException">A version is not kept any more.</exception>
    public async Task<IReadOnlyList<PlacedFile>> ListsAsync(JobSpec spec, CancellationToken ct)
    {
        var asked = spec.Datasets.Where(d => d.Split).ToArray();
        if (asked.Length == 0)
        {
            return [];
        }
        await using var db = await databases.CreateDbContextAsync(ct);
        var files = new List<PlacedFile>();
        foreach (var mount in asked)
        {
            var version = await db
                .DatasetVersions.AsNoTracking()
                .SingleOrDefaultAsync(
                    v => v.Number == mount.Version && db.Datasets.Any(d => d.Id == v.DatasetId && d.Name == mount.Name),
                    ct
                );
            if (version is not { Manifest: { } manifest, Split: { } split })
            {
                throw new EngineException(
                    EngineErrorKind.Other,
                    $"the lists of its dataset {mount.InWords()} are not kept any more"
                );
            }
            files.AddRange(DatasetLaunch.Lists(mount, split, DatasetManifest.Unpack(manifest), spec.Final));
        }
        return DatasetLaunch.InFolders(files);
    }

    private static PlannedMount Plan(string installId, VolumeMount mount, Volume volume) =>
        new(
            volume.Name,
            volume.Path ?? LaunchPlan.VolumeOf(installId, volume.Name),
            volume.Path is not null,
            mount.MountPath,
            mount.ReadOnly || volume.ReadOnly
        );
}
