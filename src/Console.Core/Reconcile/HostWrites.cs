using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>The loop's writes about hosts and their GPUs.</summary>
public sealed class HostWrites(LeaderWrites writes, IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    // A container that ended just before its engine's probe did was stopped with it
    private static readonly TimeSpan s_before = TimeSpan.FromSeconds(1);

    public Task ReachedAsync(LeaderTerm term, Guid hostId, EngineInfo info) =>
        ChangeAsync(
            term,
            hostId,
            (db, h) =>
            {
                if (h.UnreachableSince is not null)
                {
                    h.UnreachableSince = null;
                    h.LostAt = null;
                    h.StateMessage = h.Wish == HostWish.Active ? "" : h.StateMessage;
                    h.Settle();
                    db.Tell(ChangeKind.Queue);
                }
                h.EngineVersion = info.EngineVersion;
                h.ApiVersion = info.ApiVersion;
                h.OperatingSystem = info.OperatingSystem;
                h.KernelVersion = info.KernelVersion;
                h.Cpus = info.Cpus;
                h.MemoryBytes = info.MemoryBytes;
                h.LastSeenAt = time.GetUtcNow();
            }
        );

    public Task UnreachableAsync(LeaderTerm term, Guid hostId, string message) =>
        ChangeAsync(
            term,
            hostId,
            (db, h) =>
            {
                if (h.UnreachableSince is null)
                {
                    h.UnreachableSince = time.GetUtcNow();
                    db.Tell(ChangeKind.Queue);
                }
                if (h.LostAt is null)
                {
                    h.StateMessage = message;
                }
                h.Settle();
            }
        );

    public async Task SeenAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var now = time.GetUtcNow();
        await db.Hosts.Where(h => h.Id == hostId).ExecuteUpdateAsync(s => s.SetProperty(h => h.LastSeenAt, now), ct);
    }

    /// <summary>Keeps that the engine stopped its containers at <paramref name="stoppedAt"/>, up to now.</summary>
    public Task OutageAsync(LeaderTerm term, Guid hostId, DateTimeOffset stoppedAt) =>
        ChangeAsync(
            term,
            hostId,
            (db, h) =>
                db.EngineOutages.Add(
                    new EngineOutage
                    {
                        HostId = hostId,
                        From = stoppedAt - s_before,
                        To = time.GetUtcNow(),
                    }
                )
        );

    public async Task<bool> WasOutageAsync(Guid hostId, DateTimeOffset at, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db.EngineOutages.AnyAsync(o => o.HostId == hostId && o.From <= at && at <= o.To, ct);
    }

    /// <summary>Brings the inventory to what the probe lists. A GPU that it no longer lists is sick, never forgotten.</summary>
    public Task InventoryAsync(LeaderTerm term, Guid hostId, IReadOnlyList<GpuInventoryRow> rows) =>
        writes.RunAsync(
            term,
            async (db, ct) =>
            {
                var now = time.GetUtcNow();
                var known = await db.Gpus.Where(g => g.HostId == hostId).ToDictionaryAsync(g => g.Uuid, ct);
                foreach (var row in rows)
                {
                    if (!known.Remove(row.Uuid, out var gpu))
                    {
                        gpu = new Gpu { Uuid = row.Uuid, Model = row.Model };
                        db.Gpus.Add(gpu);
                    }
                    gpu.HostId = hostId;
                    gpu.Index = row.Index;
                    gpu.Model = row.Model;
                    gpu.MemoryBytes = row.MemoryBytes;
                    gpu.DriverVersion = row.DriverVersion;
                    gpu.PciBusId = row.PciBusId;
                    gpu.Health = row.Trouble is null ? GpuHealth.Healthy : GpuHealth.Sick;
                    gpu.HealthMessage = row.Trouble ?? "";
                    gpu.LastSeenAt = now;
                }
                foreach (var gone in known.Values)
                {
                    gone.Health = GpuHealth.Sick;
                    gone.HealthMessage = "the probe no longer lists it";
                }
                db.Tell(ChangeKind.Host);
                db.Tell(ChangeKind.Queue);
                return 0;
            }
        );

    private Task ChangeAsync(LeaderTerm term, Guid hostId, Action<ConsoleDb, Host> change) =>
        writes.RunAsync(
            term,
            async (db, ct) =>
            {
                if (await db.LockHostAsync(hostId, ct) is not { } host)
                {
                    // Removed by an operator meanwhile
                    return 0;
                }
                change(db, host);
                if (db.ChangeTracker.HasChanges())
                {
                    db.Tell(ChangeKind.Host);
                }
                return 0;
            }
        );
}
