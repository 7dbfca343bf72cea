using System.Collections.Immutable;
using DeepLab.Core.Clusters;
using DeepLab.Core.Placement;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Fleet;

/// <summary>Reads the fleet as the planner sees it.</summary>
public static class FleetReader
{
    /// <summary>What the hosts of a cluster have, whatever is held of it.</summary>
    public static async Task<FleetSnapshot> ReadCapacityAsync(ConsoleDb db, Guid clusterId, CancellationToken ct)
    {
        var hosts = await db.Hosts.AsNoTracking().Where(h => h.ClusterId == clusterId).ToListAsync(ct);
        var gpus = (await db.Gpus.AsNoTracking().ToListAsync(ct)).ToLookup(g => g.HostId);
        return new FleetSnapshot([
            .. hosts.Select(h => new HostSlot(
                h.Id,
                h.Name,
                h.ClusterId,
                h.State,
                h.Cpus,
                0,
                h.MemoryBytes,
                0,
                [.. gpus[h.Id].Select(g => Slot(g, null))],
                []
            )),
        ]);
    }

    private static GpuSlot Slot(Gpu g, long? heldBy) =>
        new(g.Uuid, g.Model, g.MemoryBytes, g.Health == GpuHealth.Healthy, heldBy);

    public static async Task<FleetSnapshot> ReadAsync(ConsoleDb db, CancellationToken ct)
    {
        var hosts = await db.Hosts.AsNoTracking().OrderBy(h => h.Name).ToListAsync(ct);
        var gpus = (await db.Gpus.AsNoTracking().OrderBy(g => g.Index).ToListAsync(ct)).ToLookup(g => g.HostId);
        var held = (
            await db
                .Leases.AsNoTracking()
                .Where(l => l.ReleasedAt == null)
                .Select(l => new { l.GpuUuid, l.WorkloadId })
                .ToListAsync(ct)
        ).ToDictionary(l => l.GpuUuid, l => l.WorkloadId, StringComparer.Ordinal);
        var attempts = (
            await db
                .Attempts.AsNoTracking()
                .Where(a =>
                    a.State == AttemptState.Leased
                    || a.State == AttemptState.Creating
                    || a.State == AttemptState.Running
                )
                .Select(a => new
                {
                    a.HostId,
                    a.WorkloadId,
                    a.Cpus,
                    a.MemoryBytes,
                })
                .ToListAsync(ct)
        ).ToLookup(a => a.HostId);
        return new FleetSnapshot([
            .. hosts.Select(h => new HostSlot(
                h.Id,
                h.Name,
                h.ClusterId,
                h.State,
                h.Cpus,
                attempts[h.Id].Sum(a => a.Cpus),
                h.MemoryBytes,
                attempts[h.Id].Sum(a => a.MemoryBytes),
                [.. gpus[h.Id].Select(g => Slot(g, held.TryGetValue(g.Uuid, out var w) ? w : null))],
                [.. attempts[h.Id].Select(a => a.WorkloadId).Distinct().Order()]
            )),
        ]);
    }
}
