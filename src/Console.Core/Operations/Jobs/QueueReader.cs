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
                w.PinnedImage,
                w.PinnedRoleImages,
                w.RoundTasks
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
        var meant = known.ToDictionary(r => r.Id, r => ImagesOf(r, _specs[r.Id], images));
        var made = await ImageChecks.HostsOfMadeAsync(db, meant.Values.SelectMany(i => i), ct);
        return
        [
            .. known.Select(r => Request(r, _specs[r.Id], meant[r.Id], made, volumes, hosts)),
            .. rows.Where(r => unreadable.ContainsKey(r.Id)).Select(r => Unreadable(r, unreadable[r.Id])),
        ];
    }

    /// <summary>A job that is not in the queue yet, as the planner would see it.</summary>
    /// <param name="pins">what it is to run, by the name that the spec has for each image</param>
    public static async Task<JobRequest> RequestAsync(
        ConsoleDb db,
        long id,
        JobSpec spec,
        Guid clusterId,
        string team,
        Guid ownerId,
        DateTimeOffset queuedAt,
        IReadOnlyDictionary<string, string> pins,
        CancellationToken ct
    )
    {
        var images = spec.NamedImages().Select(n => pins.GetValueOrDefault(n.Image, n.Image)).ToImmutableArray();
        return Request(
            new Row(id, clusterId, spec.Priority, team, ownerId, queuedAt, false, null, null, null, null, [], null),
            spec,
            images,
            await ImageChecks.HostsOfMadeAsync(db, images, ct),
            spec.Mounts.IsEmpty ? [] : await VolumeReader.ReadAsync(db, ct),
            new Dictionary<Guid, string>()
        );
    }

    /// <summary>A job that was placed before, as the planner would see it anew.</summary>
    public static Task<JobRequest> RequestAsync(
        ConsoleDb db,
        Workload w,
        JobSpec spec,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        var pins = spec.NamedImages()
            .Select(n => (n.Image, Pin: w.PinOf(spec, n.Image)))
            .Where(n => n.Pin is not null)
            .ToDictionary(n => n.Image, n => n.Pin!, StringComparer.Ordinal);
        return RequestAsync(db, w.Id, spec, w.ClusterId, w.TeamName, w.OwnerId, now, pins, ct);
    }

    /// <summary>What the spec's images mean, the job's own first.</summary>
    /// <param name="references">of the catalogue, by name</param>
    private static ImmutableArray<string> ImagesOf(Row r, JobSpec spec, Dictionary<string, string> references) =>
        [
            .. spec.NamedImages()
                .Select(n =>
                    (n.Image == spec.Image ? r.PinnedImage : r.PinnedRoleImages.GetValueOrDefault(n.Image))
                    ?? references.GetValueOrDefault(n.Image, n.Image)
                ),
        ];

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
        string? PinnedImage,
        Dictionary<string, string> PinnedRoleImages,
        int[]? Tasks
    );

    private static JobRequest Request(
        Row row,
        JobSpec spec,
        ImmutableArray<string> images,
        IReadOnlyDictionary<string, ImmutableArray<string>> made,
        Dictionary<string, Volume> volumes,
        IReadOnlyDictionary<Guid, string> hosts
    )
    {
        var having = ImageChecks.HostsOfAll(images, made);
        var placement = VolumeReader.Narrow(spec.Placement, spec.Mounts, volumes);
        // An array has one role
        var roles = row.Tasks is { } left ? [spec.Roles[0] with { Replicas = left.Length }] : spec.Roles;
        return new JobRequest(row.Id, row.ClusterId, row.Priority, roles)
        {
            Tasks = [.. row.Tasks ?? []],
            Placement = AtHome(row, ImageChecks.Narrow(placement, having), hosts),
            HostNetwork = spec.HostNetwork,
            ImageHosts = having,
            Team = row.Team,
            OwnerId = row.OwnerId,
            QueuedAt = row.QueuedAt,
            Preemptible = spec.Preemptible,
            MaxDuration = spec.MaxDuration,
            Image = images[0],
            OtherImages = images[1..],
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
