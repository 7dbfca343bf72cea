using System.Collections.Immutable;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Data;

/// <summary>Which volumes a spec means, who may mount them, and which hosts have them.</summary>
public static class VolumeReader
{
    /// <summary>Stands in place of a host's name where no host has all volumes of a job.</summary>
    public const string Nowhere = "none has all of its volumes";

    public static Task<Dictionary<string, Volume>> ReadAsync(ConsoleDb db, CancellationToken ct) =>
        db.Volumes.AsNoTracking().ToDictionaryAsync(v => v.Name, StringComparer.Ordinal, ct);

    /// <summary>The placement, with only those hosts that have every volume.</summary>
    public static PlacementSpec Narrow(
        PlacementSpec placement,
        ImmutableArray<VolumeMount> mounts,
        IReadOnlyDictionary<string, Volume> volumes
    )
    {
        var bound = mounts
            .Select(m => volumes.GetValueOrDefault(m.Name)?.Hosts ?? [])
            .Where(h => h.Length > 0)
            .ToArray();
        if (bound.Length == 0)
        {
            return placement;
        }
        var hosts = bound.Aggregate<IEnumerable<string>>((a, b) => a.Intersect(b));
        if (!placement.OnlyHosts.IsDefaultOrEmpty)
        {
            hosts = hosts.Intersect(placement.OnlyHosts);
        }
        var only = hosts.Order(StringComparer.Ordinal).ToImmutableArray();
        return placement with { OnlyHosts = only.IsEmpty ? [Nowhere] : only };
    }

    /// <summary>What is wrong with a spec's volumes, by field; holds their rows, so that none of them goes until the transaction ends.</summary>
    public static async Task<IReadOnlyList<SpecError>> CheckAsync(
        ConsoleDb db,
        Actor actor,
        JobSpec spec,
        CancellationToken ct
    )
    {
        var asked = spec.Mounts;
        if (asked.IsEmpty)
        {
            return [];
        }
        var names = asked.Select(v => v.Name).ToArray();
        var found = await db
            .Volumes.FromSql($"select * from volumes where name = any({names}) for share")
            .AsNoTracking()
            .ToDictionaryAsync(v => v.Name, StringComparer.Ordinal, ct);
        var mine = await db.TeamMembers.Where(m => m.UserId == actor.UserId).Select(m => m.TeamId).ToHashSetAsync(ct);
        var errors = new List<SpecError>();
        for (var i = 0; i < asked.Length; i++)
        {
            var mount = asked[i];
            // Behind those of its own choice: where its checkpoints go
            var isKept = i >= spec.Volumes.Length;
            var volume = found.GetValueOrDefault(mount.Name);
            if (volume is null || !MayMount(volume, actor, mine))
            {
                errors.Add(
                    new SpecError(
                        isKept ? "checkpoint.volume" : $"volumes[{i}].name",
                        $"There is no volume \"{mount.Name}\" that you may mount; GET /api/v1/volumes lists those there are."
                    )
                );
            }
            else if (volume.ReadOnly && !mount.ReadOnly)
            {
                errors.Add(
                    new SpecError(
                        isKept ? "checkpoint.volume" : $"volumes[{i}].readOnly",
                        isKept
                            ? $"The volume \"{mount.Name}\" may only be read; one that may be written is allowed."
                            : $"The volume \"{mount.Name}\" may only be read; true is allowed."
                    )
                );
            }
        }
        if (errors.Count == 0 && Narrow(new PlacementSpec(), asked, found).OnlyHosts is [Nowhere])
        {
            errors.Add(new SpecError("volumes", "No host has all of them; choose volumes that lie on one host."));
        }
        return errors;
    }

    /// <param name="teams">of the actor</param>
    public static bool MayMount(Volume volume, Actor actor, IReadOnlySet<Guid> teams) =>
        actor.IsAdmin || volume.TeamId is not { } team || teams.Contains(team);
}
