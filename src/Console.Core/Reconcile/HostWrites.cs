using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
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
                    var toldAway = h.State == HostState.Unreachable;
                    h.UnreachableSince = null;
                    h.LostAt = null;
                    // A disabled one kept the operator's words all along
                    h.SettleAs(
                        !toldAway ? h.StateMessage
                        : h.Wish == HostWish.Draining ? "is drained"
                        : ""
                    );
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
                h.Settle();
                if (h.LostAt is null && h.State == HostState.Unreachable)
                {
                    h.StateMessage = message;
                }
            }
        );

    public Task CheckedAsync(LeaderTerm term, Guid hostId, PreflightReport report) =>
        ChangeAsync(
            term,
            hostId,
            (db, h) =>
            {
                h.Preflight = report;
                db.Tell(ChangeKind.Queue);
            }
        );

    /// <summary>Writes only what changed.</summary>
    public async Task ImagesAsync(LeaderTerm term, Guid hostId, string[] images)
    {
        await using (var db = await databases.CreateDbContextAsync(term.Ended))
        {
            var known = await db
                .Hosts.Where(h => h.Id == hostId)
                .Select(h => h.Images)
                .SingleOrDefaultAsync(term.Ended);
            if (known is null || known.SequenceEqual(images, StringComparer.Ordinal))
            {
                return;
            }
        }
        await ChangeAsync(
            term,
            hostId,
            (db, h) =>
            {
                h.Images = images;
                db.Tell(ChangeKind.Queue);
            }
        );
    }

    /// <summary>Its engine has the image because it was asked to get it.</summary>
    public Task PulledAsync(LeaderTerm term, Guid hostId, string image) =>
        writes.RunAsync(
            term,
            (db, ct) => PulledImage.NoteAsync(db, hostId, ImageReference.FamiliarOf(image), time.GetUtcNow(), ct)
        );

    public Task SeenAsync(LeaderTerm term, Guid hostId) =>
        writes.RunAsync(
            term,
            (db, ct) =>
            {
                var now = time.GetUtcNow();
                return db
                    .Hosts.Where(h => h.Id == hostId)
                    .ExecuteUpdateAsync(s => s.SetProperty(h => h.LastSeenAt, now), ct);
            }
        );

    /// <summary>Keeps that the engine stopped its containers at <paramref name="stoppedAt"/>, up to now: both by the engine's clock.</summary>
    /// <param name="engineNow">null where the engine does not tell; then this console's clock counts</param>
    public Task OutageAsync(LeaderTerm term, Guid hostId, DateTimeOffset stoppedAt, DateTimeOffset? engineNow) =>
        ChangeAsync(
            term,
            hostId,
            (db, h) =>
                db.EngineOutages.Add(
                    new EngineOutage
                    {
                        HostId = hostId,
                        From = stoppedAt - s_before,
                        To = engineNow ?? time.GetUtcNow(),
                    }
                )
        );

    /// <summary>Ids that containers carry already are given to nobody else: their names would be the same.</summary>
    public Task PassOverIdsAsync(LeaderTerm term, long attemptId, long workloadId) =>
        writes.RunAsync(
            term,
            (db, ct) =>
                db
                    .Database.SqlQuery<long>(
                        $"""
                        select setval(s.id, s.taken) as "Value" from (values
                          (pg_get_serial_sequence('attempts', 'id')::regclass, {attemptId}),
                          (pg_get_serial_sequence('workloads', 'id')::regclass, {workloadId})) s (id, taken)
                        where coalesce(pg_sequence_last_value(s.id), 0) < s.taken
                        """
                    )
                    .ToListAsync(ct)
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
                // Removed by an operator meanwhile, its GPUs went with it; while this is held, it is not
                var there = await db
                    .Database.SqlQuery<Guid>($"select id as \"Value\" from hosts where id = {hostId} for key share")
                    .ToListAsync(ct);
                if (there.Count == 0)
                {
                    return 0;
                }
                var now = time.GetUtcNow();
                var uuids = rows.Select(r => r.Uuid).ToArray();
                var known = await db
                    .Gpus.Where(g => g.HostId == hostId || uuids.Contains(g.Uuid))
                    .ToDictionaryAsync(g => g.Uuid, ct);
                var sick = known.Values.Where(g => g.Health == GpuHealth.Sick).Select(g => g.Uuid).ToHashSet();
                var here = known.Values.Where(g => g.HostId == hostId).ToList();
                foreach (var row in rows)
                {
                    if (!known.Remove(row.Uuid, out var gpu))
                    {
                        gpu = new Gpu { Uuid = row.Uuid, Model = row.Model };
                        db.Gpus.Add(gpu);
                    }
                    else if (gpu.HostId != hostId && !await MayMoveAsync(db, gpu, ct))
                    {
                        continue;
                    }
                    gpu.HostId = hostId;
                    gpu.Index = row.Index;
                    gpu.Model = row.Model;
                    gpu.MemoryBytes = row.MemoryBytes;
                    gpu.DriverVersion = row.DriverVersion;
                    gpu.PciBusId = row.PciBusId;
                    gpu.LastSeenAt = now;
                    // The rest is the ledger's
                    if (gpu.Health is GpuHealth.Healthy or GpuHealth.Sick)
                    {
                        gpu.Health = row.Trouble is null ? GpuHealth.Healthy : GpuHealth.Sick;
                        gpu.HealthMessage = row.Trouble ?? "";
                    }
                }
                foreach (var gone in known.Values.Where(g => g.Health is GpuHealth.Healthy or GpuHealth.Sick))
                {
                    gone.Health = GpuHealth.Sick;
                    gone.HealthMessage = "the probe no longer lists it";
                }
                await TellHoldersAsync(
                    db,
                    here.Where(g => g.Health == GpuHealth.Sick && !sick.Contains(g.Uuid))
                        .ToDictionary(g => g.Uuid, g => g.HealthMessage),
                    now,
                    ct
                );
                db.Tell(ChangeKind.Host);
                db.Tell(ChangeKind.Queue);
                return 0;
            }
        );

    /// <summary>
    /// A card that was put into another machine is gone from its old one. Where it is not, one engine was entered twice, and
    /// the GPU stays with the host that had it first.
    /// </summary>
    private static async Task<bool> MayMoveAsync(ConsoleDb db, Gpu gpu, CancellationToken ct) =>
        gpu.Health == GpuHealth.Sick
        && !await db.Leases.AnyAsync(l => l.GpuUuid == gpu.Uuid && l.ReleasedAt == null, ct);

    /// <summary>Writes only what changed, and nothing over what an admin said meanwhile.</summary>
    /// <param name="recorded">what the verdicts were made from</param>
    public async Task HealthAsync(
        LeaderTerm term,
        Guid hostId,
        IReadOnlyList<Gpu> recorded,
        IReadOnlyDictionary<string, GpuVerdict> verdicts
    )
    {
        static bool Differs(Gpu g, GpuVerdict v) => g.Health != v.Health || g.HealthMessage != v.Evidence;
        var changed = recorded.Where(g => Differs(g, verdicts[g.Uuid])).ToDictionary(g => g.Uuid, g => g.Health);
        if (changed.Count == 0)
        {
            return;
        }
        await writes.RunAsync(
            term,
            async (db, ct) =>
            {
                // Jobs are locked before GPUs, as everywhere
                await TellHoldersAsync(
                    db,
                    changed
                        .Where(c => c.Value != GpuHealth.Sick && verdicts[c.Key].Health == GpuHealth.Sick)
                        .ToDictionary(c => c.Key, c => verdicts[c.Key].Evidence),
                    time.GetUtcNow(),
                    ct
                );
                var rows = await db
                    .Gpus.FromSql($"select * from gpus where host_id = {hostId} order by uuid for update")
                    .ToListAsync(ct);
                foreach (var gpu in rows.Where(g => changed.TryGetValue(g.Uuid, out var was) && was == g.Health))
                {
                    (gpu.Health, gpu.HealthMessage) = (verdicts[gpu.Uuid].Health, verdicts[gpu.Uuid].Evidence);
                }
                db.Tell(ChangeKind.Host);
                db.Tell(ChangeKind.Queue);
                return 0;
            }
        );
    }

    /// <summary>What is wrong with the first of these GPUs that is sick; null where none is.</summary>
    public async Task<string?> WhatIsSickAsync(IReadOnlyList<string> gpus, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db
            .Gpus.Where(g => gpus.Contains(g.Uuid) && g.Health == GpuHealth.Sick)
            .OrderBy(g => g.Uuid)
            .Select(g => $"{g.Uuid}: {g.HealthMessage}")
            .FirstOrDefaultAsync(ct);
    }

    /// <summary>Says in the history of each job that holds one of them that it has become sick.</summary>
    /// <param name="sick">GPU to what is wrong with it</param>
    private static async Task TellHoldersAsync(
        ConsoleDb db,
        Dictionary<string, string> sick,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        if (sick.Count == 0)
        {
            return;
        }
        var holders = await db
            .Leases.AsNoTracking()
            .Where(l => l.ReleasedAt == null && sick.Keys.Contains(l.GpuUuid))
            .Join(db.Attempts.AsNoTracking(), l => l.AttemptId, a => a.Id, (l, a) => new { l.GpuUuid, Attempt = a })
            .OrderBy(x => x.Attempt.WorkloadId)
            .ThenBy(x => x.GpuUuid)
            .ToListAsync(ct);
        foreach (var holder in holders)
        {
            if (await db.LockWorkloadAsync(holder.Attempt.WorkloadId, ct) is { } w && !w.State.IsTerminal())
            {
                db.AddEvent(
                    w,
                    now,
                    "console",
                    "gpu-sick",
                    Reason.GpuFailed,
                    $"{holder.GpuUuid}, which {holder.Attempt.ReplicaName} holds, is sick: {sick[holder.GpuUuid]}",
                    holder.Attempt
                );
            }
        }
    }

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
