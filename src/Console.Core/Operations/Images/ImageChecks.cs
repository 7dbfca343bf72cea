using System.Collections.Immutable;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Images;

/// <summary>Which image a spec means, who may use it, and which hosts have it.</summary>
public static class ImageChecks
{
    /// <summary>Stands in place of a host's name where no host has an image that no registry has.</summary>
    public const string Nowhere = "none has its image";

    /// <summary>Entries that the actor sees; the others are as if they were not there.</summary>
    public static IQueryable<CatalogueImage> VisibleTo(this IQueryable<CatalogueImage> images, Actor actor) =>
        actor.IsAdmin ? images : images.Where(i => i.Shared || i.OwnerId == actor.UserId);

    /// <summary>The entry that a spec's image names, by its short name or its reference; null where it names none that the actor sees.</summary>
    public static Task<CatalogueImage?> FindAsync(ConsoleDb db, Actor actor, string image, CancellationToken ct) =>
        db
            .Images.AsNoTracking()
            .VisibleTo(actor)
            .Where(i => i.Name == image || i.Reference == image)
            .OrderByDescending(i => i.Name == image)
            .ThenBy(i => i.Name)
            .FirstOrDefaultAsync(ct);

    /// <summary>Why the image may not be used; null where it may. One that somebody keeps to themselves looks like one that is not there.</summary>
    /// <param name="entry">that the actor sees</param>
    /// <param name="pinned">the very image that an earlier run had; null = what the spec's means</param>
    public static async Task<SpecError?> WhyNotAsync(
        ConsoleDb db,
        CatalogueImage? entry,
        string image,
        string? pinned,
        CancellationToken ct
    ) =>
        entry is null
        && (
            MadeImages.IsMade(image)
            // An earlier run of it opens nothing that was closed since
            || (
                pinned is not null
                && await db.Images.AnyAsync(i => i.Name == image || i.Reference == image || i.Reference == pinned, ct)
            )
        )
            ? new SpecError(
                "image",
                $"There is no image {SpecText.Quote(image)} that you may use; GET /api/v1/images lists those there are."
            )
            : null;

    /// <summary>What a workload runs that is submitted now; null where its first replica finds out.</summary>
    public static string? PinnedBy(CatalogueImage? entry) =>
        entry is null ? null
        : entry.Origin != ImageOrigin.Listed || !entry.Shared ? entry.Reference
        : entry.Pinned;

    /// <summary>By reference, the hosts that have it: of those references that no registry has.</summary>
    public static async Task<IReadOnlyDictionary<string, ImmutableArray<string>>> HostsOfMadeAsync(
        ConsoleDb db,
        IEnumerable<string> references,
        CancellationToken ct
    )
    {
        var made = references.Where(MadeImages.HasNoRegistry).Distinct(StringComparer.Ordinal).ToArray();
        if (made.Length == 0)
        {
            return ImmutableDictionary<string, ImmutableArray<string>>.Empty;
        }
        var hosts = await db
            .Hosts.AsNoTracking()
            .OrderBy(h => h.Name)
            .Select(h => new { h.Name, h.Images })
            .ToListAsync(ct);
        return made.ToDictionary(
            r => r,
            r => hosts.Where(h => h.Images.Contains(r)).Select(h => h.Name).ToImmutableArray(),
            StringComparer.Ordinal
        );
    }

    /// <summary>The hosts that have each of these images that no registry has; null where each can be pulled.</summary>
    /// <param name="made">as of <see cref="HostsOfMadeAsync"/></param>
    public static ImmutableArray<string>? HostsOfAll(
        ImmutableArray<string> images,
        IReadOnlyDictionary<string, ImmutableArray<string>> made
    )
    {
        ImmutableArray<string>? all = null;
        foreach (var image in images)
        {
            if (made.TryGetValue(image, out var having))
            {
                all = all is { } before ? [.. before.Where(having.Contains)] : having;
            }
        }
        return all;
    }

    /// <summary>The placement, with only those hosts that have the image; null = any may pull it.</summary>
    public static PlacementSpec Narrow(PlacementSpec placement, ImmutableArray<string>? hosts)
    {
        if (hosts is not { } have)
        {
            return placement;
        }
        var only = placement.OnlyHosts.IsDefaultOrEmpty
            ? have
            : [.. have.Where(h => placement.OnlyHosts.Contains(h, StringComparer.Ordinal))];
        return placement with { OnlyHosts = only.IsEmpty ? [Nowhere] : only };
    }
}
