using System.Collections.Concurrent;
using System.Collections.Immutable;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Placement;
using DeepLab.Core.Storage;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>
/// Reads the queue as the planner sees it. A spec never changes, so each is read once and kept while its job waits: ten
/// thousand waiting jobs cost a pass ten thousand short rows.
/// </summary>
public sealed class QueueReader
{
    private readonly ConcurrentDictionary<long, JobSpec> _specs = new();

    public async Task<IReadOnlyList<JobRequest>> ReadAsync(ConsoleDb db, CancellationToken ct)
    {
        var rows = await db
            .Workloads.AsNoTracking()
            .Where(w => w.State == WorkloadState.Queued && w.Desired == DesiredState.Run)
            .Select(w => new Row(
                w.Id,
                w.ClusterId,
                w.Priority,
                w.TeamName,
                w.OwnerId,
                w.QueuedAt,
                w.Held,
                w.Rank,
                w.NotBefore,
                w.HomeHostId,
                w.PinnedImage
            ))
            .ToListAsync(ct);
        var unreadable = new Dictionary<long, string>();
        var unread = rows.Select(r => r.Id).Where(id => !_specs.ContainsKey(id)).ToArray();
        foreach (var chunk in unread.Chunk(1000))
        {
            var specs = await db
                .Workloads.AsNoTracking()
                .Where(w => chunk.Contains(w.Id))
                .Select(w => new { w.Id, w.SpecJson })
                .ToListAsync(ct);
            foreach (var stored in specs)
            {
                if (StoredSpec.TryRead(stored.SpecJson, out var trouble) is { } spec)
                {
                    _specs[stored.Id] = spec;
                }
                else
                {
                    unreadable[stored.Id] = trouble;
                }
            }
        }
        Forget(rows);
        if (rows.Count == 0)
        {
            return [];
        }
        // Whoever means another's comes with it pinned
        var images = await db
            .Images.AsNoTracking()
            .Where(i => i.Shared)
            .ToDictionaryAsync(i => i.Name, i => i.Reference, ct);
        var known = rows.Where(r => _specs.ContainsKey(r.Id)).ToArray();
        var volumes = known.Any(r => _specs[r.Id].Mounts.Length > 0) ? await VolumeReader.ReadAsync(db, ct) : [];
        var homes = known.Select(r => r.HomeHostId).OfType<Guid>().Distinct().ToArray();
        var hosts =
            homes.Length > 0
                ? await db.Hosts.Where(h => homes.Contains(h.Id)).ToDictionaryAsync(h => h.Id, h => h.Name, ct)
                : [];
        string ImageOf(Row r) => r.PinnedImage ?? images.GetValueOrDefault(_specs[r.Id].Image, _specs[r.Id].Image);
        var made = await ImageChecks.HostsOfMadeAsync(db, known.Select(ImageOf), ct);
        return
        [
            .. known.Select(r => Request(r, _specs[r.Id], ImageOf(r), made, volumes, hosts)),
            .. rows.Where(r => unreadable.ContainsKey(r.Id)).Select(r => Unreadable(r, unreadable[r.Id])),
        ];
    }

    /// <summary>A job that is not in the queue yet, as the planner would see it.</summary>
    public static async Task<JobRequest> RequestAsync(
        ConsoleDb db,
        long id,
        JobSpec spec,
        Guid clusterId,
        string team,
        Guid ownerId,
        DateTimeOffset queuedAt,
        string? pinnedImage,
        CancellationToken ct
    ) =>
        Request(
            new Row(id, clusterId, spec.Priority, team, ownerId, queuedAt, false, null, null, null, pinnedImage),
            spec,
            pinnedImage ?? spec.Image,
            await ImageChecks.HostsOfMadeAsync(db, [pinnedImage ?? spec.Image], ct),
            spec.Mounts.IsEmpty ? [] : await VolumeReader.ReadAsync(db, ct),
            new Dictionary<Guid, string>()
        );

    private sealed record Row(
        long Id,
        Guid ClusterId,
        int Priority,
        string Team,
        Guid OwnerId,
        DateTimeOffset QueuedAt,
        bool Held,
        double? Rank,
        DateTimeOffset? NotBefore,
        Guid? HomeHostId,
        string? PinnedImage
    );

    private static JobRequest Request(
        Row row,
        JobSpec spec,
        string image,
        IReadOnlyDictionary<string, ImmutableArray<string>> made,
        Dictionary<string, Volume> volumes,
        IReadOnlyDictionary<Guid, string> hosts
    )
    {
        ImmutableArray<string>? having = made.TryGetValue(image, out var some) ? some : null;
        var placement = VolumeReader.Narrow(spec.Placement, spec.Mounts, volumes);
        return new JobRequest(row.Id, row.ClusterId, row.Priority, spec.Roles)
        {
            Placement = AtHome(row, ImageChecks.Narrow(placement, having), hosts),
            ImageHosts = having,
            Team = row.Team,
            OwnerId = row.OwnerId,
            QueuedAt = row.QueuedAt,
            Preemptible = spec.Preemptible,
            MaxDuration = spec.MaxDuration,
            Image = image,
            Held = row.Held,
            Rank = row.Rank,
            NotBefore = row.NotBefore,
        };
    }

    private static JobRequest Unreadable(Row row, string trouble) =>
        new(row.Id, row.ClusterId, row.Priority, [new RoleSpec { Name = "unknown" }])
        {
            Team = row.Team,
            OwnerId = row.OwnerId,
            QueuedAt = row.QueuedAt,
            Held = row.Held,
            Rank = row.Rank,
            Unreadable = trouble,
        };

    /// <summary>An environment goes where its home lies, which no other host has.</summary>
    private static PlacementSpec AtHome(Row row, PlacementSpec placement, IReadOnlyDictionary<Guid, string> hosts) =>
        row.HomeHostId is not { } home ? placement
        : hosts.TryGetValue(home, out var name)
        && (placement.OnlyHosts.IsDefaultOrEmpty || placement.OnlyHosts.Contains(name))
            ? placement with
            {
                OnlyHosts = [name],
            }
        : placement with { OnlyHosts = [HomeGone] };

    /// <summary>Stands in place of a host's name where no host has an environment's home any more, or not all of its volumes, or not its image.</summary>
    public const string HomeGone = "the host of its home alone, which is gone or lacks its volumes or image";

    private void Forget(List<Row> waiting)
    {
        // Some slack, so that a queue that breathes does not read its specs again and again
        if (_specs.Count <= (waiting.Count * 2) + 1000)
        {
            return;
        }
        var known = waiting.Select(r => r.Id).ToHashSet();
        foreach (var id in _specs.Keys.Where(id => !known.Contains(id)))
        {
            _specs.TryRemove(id, out _);
        }
    }
}
