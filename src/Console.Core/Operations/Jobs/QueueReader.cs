using System.Collections.Concurrent;
using DeepLab.Core.Operations.Data;
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
                w.NotBefore
            ))
            .ToListAsync(ct);
        var unread = rows.Select(r => r.Id).Where(id => !_specs.ContainsKey(id)).ToArray();
        foreach (var chunk in unread.Chunk(1000))
        {
            var specs = await db
                .Workloads.AsNoTracking()
                .Where(w => chunk.Contains(w.Id))
                .Select(w => new { w.Id, w.SpecJson })
                .ToListAsync(ct);
            specs.ForEach(s => _specs[s.Id] = StoredSpec.Read(s.SpecJson));
        }
        Forget(rows);
        if (rows.Count == 0)
        {
            return [];
        }
        var images = await db.Images.AsNoTracking().ToDictionaryAsync(i => i.Name, i => i.Reference, ct);
        var known = rows.Where(r => _specs.ContainsKey(r.Id)).ToArray();
        var volumes = known.Any(r => _specs[r.Id].Volumes.Length > 0) ? await VolumeReader.ReadAsync(db, ct) : [];
        return [.. known.Select(r => Request(r, _specs[r.Id], images, volumes))];
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
        CancellationToken ct
    ) =>
        Request(
            new Row(id, clusterId, spec.Priority, team, ownerId, queuedAt, false, null, null),
            spec,
            new Dictionary<string, string>(),
            spec.Volumes.IsEmpty ? [] : await VolumeReader.ReadAsync(db, ct)
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
        DateTimeOffset? NotBefore
    );

    private static JobRequest Request(
        Row row,
        JobSpec spec,
        IReadOnlyDictionary<string, string> images,
        Dictionary<string, Volume> volumes
    ) =>
        new(row.Id, row.ClusterId, row.Priority, spec.Roles)
        {
            Placement = VolumeReader.Narrow(spec.Placement, spec.Volumes, volumes),
            Team = row.Team,
            OwnerId = row.OwnerId,
            QueuedAt = row.QueuedAt,
            Preemptible = spec.Preemptible,
            MaxDuration = spec.MaxDuration,
            Image = images.GetValueOrDefault(spec.Image, spec.Image),
            Held = row.Held,
            Rank = row.Rank,
            NotBefore = row.NotBefore,
        };

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
