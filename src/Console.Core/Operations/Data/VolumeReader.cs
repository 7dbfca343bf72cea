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
        var asked = spec.NamedMounts().ToArray();
        if (asked.Length == 0)
        {
            return [];
        }
        var names = asked.Select(v => v.Mount.Name).ToArray();
        var found = await db
            .Volumes.FromSql($"select * from volumes where name = any({names}) for share")
            .AsNoTracking()
            .ToDictionaryAsync(v => v.Name, StringComparer.Ordinal, ct);
        var mine = await db.TeamMembers.Where(m => m.UserId == actor.UserId).Select(m => m.TeamId).ToHashSetAsync(ct);
        var errors = new List<SpecError>();
        foreach (var (field, mount) in asked)
        {
            // Where its checkpoints go
            var isKept = field.StartsWith("checkpoint", StringComparison.Ordinal);
            var volume = found.GetValueOrDefault(mount.Name);
            if (volume is null || !MayMount(volume, actor, mine))
            {
                errors.Add(
                    new SpecError(
                        field,
                        field.StartsWith("datasets", StringComparison.Ordinal)
                            ? "It lies on a volume that you may not mount; its owner or an admin can tell which."
                            : $"There is no volume \"{mount.Name}\" that you may mount; GET /api/v1/volumes lists those there are."
                    )
                );
            }
            else if (volume.ReadOnly && !mount.ReadOnly)
            {
                errors.Add(
                    new SpecError(
                        isKept ? field : field.Replace(".name", ".readOnly", StringComparison.Ordinal),
                        isKept
                            ? $"The volume \"{mount.Name}\" may only be read; one that may be written is allowed."
                            : $"The volume \"{mount.Name}\" may only be read; true is allowed."
                    )
                );
            }
        }
        if (errors.Count == 0 && Narrow(new PlacementSpec(), spec.Mounts, found).OnlyHosts is [Nowhere])
        {
            errors.Add(new SpecError("volumes", "No host has all of them; choose volumes that lie on one host."));
        }
        return errors;
    }

    /// <param name="teams">of the actor</param>
    public static bool MayMount(Volume volume, Actor actor, IReadOnlySet<Guid> teams) =>
        actor.IsAdmin || volume.TeamId is not { } team || teams.Contains(team);
}
