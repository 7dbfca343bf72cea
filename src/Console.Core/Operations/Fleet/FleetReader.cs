using System.Collections.Frozen;
using System.Collections.Immutable;
using DeepLab.Core.Clusters;
using DeepLab.Core.Placement;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Fleet;

/// <summary>Reads the fleet as the planner sees it.</summary>
public static class FleetReader
{
    /// <summary>What the hosts of a cluster have, whatever is held of it.</summary>
    public static async Task<FleetSnapshot> ReadCapacityAsync(ConsoleDb db, Cluster cluster, CancellationToken ct)
    {
        var hosts = await db.Hosts.AsNoTracking().Where(h => h.ClusterId == cluster.Id).ToListAsync(ct);
        var ids = hosts.Select(h => h.Id).ToArray();
        var gpus = (await db.Gpus.AsNoTracking().Where(g => ids.Contains(g.HostId)).ToListAsync(ct)).ToLookup(g =>
            g.HostId
        );
        return new FleetSnapshot([.. hosts.Select(h => Slot(h, [.. gpus[h.Id].Select(g => Slot(g, null))], []))])
        {
            Clusters = [Slot(cluster)],
        };
    }

    public static async Task<FleetSnapshot> ReadAsync(ConsoleDb db, DateTimeOffset now, CancellationToken ct)
    {
        var clusters = await db.Clusters.AsNoTracking().ToListAsync(ct);
        var hosts = await db.Hosts.AsNoTracking().OrderBy(h => h.Name).ToListAsync(ct);
        var gpus = (await db.Gpus.AsNoTracking().OrderBy(g => g.Index).ToListAsync(ct)).ToLookup(g => g.HostId);
        var leases = await db
            .Leases.AsNoTracking()
            .Where(l => l.ReleasedAt == null)
            .Select(l => new
            {
                l.GpuUuid,
                l.WorkloadId,
                l.AttemptId,
            })
            .ToListAsync(ct);
        var held = leases.ToDictionary(l => l.GpuUuid, l => l.WorkloadId, StringComparer.Ordinal);
        var gpusOf = leases.ToLookup(l => l.AttemptId, l => l.GpuUuid);
        var holders = await HoldersAsync(db, ct);
        var byHost = holders.ToLookup(a => a.HostId);
        var teams = await db.Teams.AsNoTracking().OrderBy(t => t.Name).ToListAsync(ct);
        var users = await db
            .Users.AsNoTracking()
            .Select(u => new
            {
                u.Id,
                u.UserName,
                u.Quota,
            })
            .ToListAsync(ct);
        return new FleetSnapshot([
            .. hosts.Select(h =>
                Slot(
                    h,
                    [.. gpus[h.Id].Select(g => Slot(g, held.TryGetValue(g.Uuid, out var w) ? w : null))],
                    [.. byHost[h.Id]]
                )
            ),
        ])
        {
            Clusters = [.. clusters.Select(Slot)],
            Running = await RunningAsync(db, holders, gpusOf, now, ct),
            Teams = [.. teams.Select(t => new TeamSlot(t.Name, t.Weight, t.Quota, t.RecentAt(now)))],
            Users =
            [
                .. users
                    .Where(u => u.Quota != Quota.None)
                    .Select(u => new UserSlot(u.Id, u.UserName, u.Quota))
                    .OrderBy(u => u.Id),
            ],
        };
    }

    private sealed record Holder(long AttemptId, long WorkloadId, Guid HostId, double Cpus, long MemoryBytes);

    /// <summary>Every attempt whose container may be alive: one that was given up counts until its container was seen dead.</summary>
    private static Task<List<Holder>> HoldersAsync(ConsoleDb db, CancellationToken ct) =>
        db
            .Attempts.AsNoTracking()
            .Where(a =>
                a.State == AttemptState.Leased
                || a.State == AttemptState.Creating
                || a.State == AttemptState.Running
                || (a.State == AttemptState.Lost && !a.ContainerRemoved)
            )
            .Select(a => new Holder(a.Id, a.WorkloadId, a.HostId, a.Cpus, a.MemoryBytes))
            .ToListAsync(ct);

    private static async Task<ImmutableArray<RunningJob>> RunningAsync(
        ConsoleDb db,
        List<Holder> holders,
        ILookup<long, string> gpusOf,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        if (holders.Count == 0)
        {
            return [];
        }
        var ids = holders.Select(h => h.WorkloadId).Distinct().ToArray();
        var workloads = await db
            .Workloads.AsNoTracking()
            .Where(w => ids.Contains(w.Id))
            .Select(w => new
            {
                w.Id,
                w.ClusterId,
                w.Priority,
                w.TeamName,
                w.OwnerId,
                w.Preemptible,
                w.Borrowing,
                w.State,
                w.Desired,
                w.StartedAt,
                w.PlacedAt,
                w.Deadline,
                w.ExpectedSeconds,
                w.CheckpointAt,
                w.YieldBy,
                w.Round,
            })
            .ToDictionaryAsync(w => w.Id, ct);
        return
        [
            .. holders
                .GroupBy(h => h.WorkloadId)
                .OrderBy(g => g.Key)
                .Select(g =>
                {
                    var w = workloads[g.Key];
                    var since = w.StartedAt ?? w.PlacedAt ?? now;
                    var unsaved = Workload.UnsavedFrom(w.Round, w.StartedAt, w.PlacedAt, w.CheckpointAt);
                    return new RunningJob(
                        w.Id,
                        w.ClusterId,
                        w.Priority,
                        [
                            .. g.GroupBy(h => h.HostId)
                                .OrderBy(h => h.Key)
                                .Select(h => new Holding(
                                    h.Key,
                                    h.Sum(a => a.Cpus),
                                    h.Sum(a => a.MemoryBytes),
                                    [.. h.SelectMany(a => gpusOf[a.AttemptId]).Order(StringComparer.Ordinal)]
                                )),
                        ]
                    )
                    {
                        Team = w.TeamName,
                        OwnerId = w.OwnerId,
                        Preemptible = w.Preemptible,
                        Borrowing = w.Borrowing,
                        // A stray container of a job that waits again or is over ends as soon as it is seen
                        IsEnding =
                            w.Desired != DesiredState.Run
                            || w.YieldBy is not null
                            || w.State is not (WorkloadState.Starting or WorkloadState.Running),
                        StartedAt = w.StartedAt,
                        EndsBy = w.Deadline,
                        ExpectedEnd = w.ExpectedSeconds is { } s ? since.AddSeconds(s) : null,
                        Unsaved = now - (unsaved ?? now),
                    };
                }),
        ];
    }

    private static ClusterSlot Slot(Cluster c) => new(c.Id, c.Name, c.SpansHosts, c.Trusted);

    private static HostSlot Slot(Host h, ImmutableArray<GpuSlot> gpus, IReadOnlyList<Holder> holders) =>
        new(
            h.Id,
            h.Name,
            h.ClusterId,
            h.State,
            h.Cpus,
            holders.Sum(a => a.Cpus),
            h.MemoryBytes,
            holders.Sum(a => a.MemoryBytes),
            gpus,
            [.. holders.Select(a => a.WorkloadId).Distinct().Order()]
        )
        {
            Closed = h.Closed,
            Labels = h.Labels,
            Images = h.Images.ToFrozenSet(StringComparer.Ordinal),
        };

    private static GpuSlot Slot(Gpu g, long? heldBy) =>
        new(g.Uuid, g.Model, g.MemoryBytes, g.Health == GpuHealth.Healthy, heldBy);
}
