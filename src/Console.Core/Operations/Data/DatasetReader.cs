using System.Collections.Immutable;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Data;

/// <summary>Which versions of datasets a spec means, and who may see them.</summary>
internal static class DatasetReader
{
    /// <summary>Those that the actor may see, as volumes are: their own, their teams', and everyone's.</summary>
    public static IQueryable<Dataset> VisibleTo(this IQueryable<Dataset> datasets, ConsoleDb db, Actor actor) =>
        actor.IsAdmin
            ? datasets
            : datasets.Where(d =>
                d.OwnerId == actor.UserId
                || d.TeamId == null
                || db.TeamMembers.Any(m => m.UserId == actor.UserId && m.TeamId == d.TeamId)
            );

    /// <summary>
    /// The spec with what each of its datasets lies on, and what is wrong with them, by field; holds their rows, so that none of them goes until the
    /// transaction ends.
    /// </summary>
    public static async Task<(JobSpec Spec, IReadOnlyList<SpecError> Errors)> ResolveAsync(
        ConsoleDb db,
        Actor actor,
        JobSpec spec,
        CancellationToken ct
    )
    {
        if (spec.Datasets.IsEmpty)
        {
            return (spec, []);
        }
        var names = spec.Datasets.Select(d => d.Name).ToArray();
        var seen = await db
            .Datasets.FromSql($"select * from datasets where name = any({names}) for share")
            .VisibleTo(db, actor)
            .AsNoTracking()
            .ToDictionaryAsync(d => d.Name, StringComparer.Ordinal, ct);
        var resolved = ImmutableArray.CreateBuilder<DatasetMount>();
        var errors = new List<SpecError>();
        foreach (var (i, asked) in spec.Datasets.Index())
        {
            var plain = new DatasetMount(asked.Name, asked.Version, asked.Path);
            resolved.Add(plain);
            if (!seen.TryGetValue(asked.Name, out var dataset))
            {
                errors.Add(
                    new SpecError(
                        $"datasets[{i}].name",
                        $"There is no dataset \"{asked.Name}\" that you may mount; GET /api/v1/datasets lists those there are."
                    )
                );
                continue;
            }
            var versions = await db
                .DatasetVersions.Where(v => v.DatasetId == dataset.Id)
                .Select(v => new
                {
                    v.Number,
                    v.State,
                    v.Volume,
                    v.Folder,
                    IsSplit = v.Parts != null,
                })
                .ToListAsync(ct);
            var version = versions.Find(v => v.Number == asked.Version);
            if (version is { State: DatasetState.Ready })
            {
                resolved[i] = plain with { Volume = version.Volume, Folder = version.Folder, Split = version.IsSplit };
                continue;
            }
            var ready = versions.Where(v => v.State == DatasetState.Ready).Select(v => v.Number).Order().ToArray();
            errors.Add(
                new SpecError(
                    $"datasets[{i}].version",
                    version switch
                    {
                        null => $"{asked.Name} has no version {asked.Version}; ",
                        { State: DatasetState.Making } =>
                            $"Version {asked.Version} of {asked.Name} is still being made; ",
                        _ => $"Version {asked.Version} of {asked.Name} could not be made; ",
                    } + (ready.Length == 0 ? "none is ready." : $"ready: {string.Join(", ", ready.TakeLast(20))}.")
                )
            );
        }
        return (spec with { Datasets = resolved.DrainToImmutable() }, errors);
    }
}
