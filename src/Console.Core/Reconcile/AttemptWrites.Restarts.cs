using DeepLab.Core.Clusters;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>A replica that is started again alone: another attempt on its host, with the GPUs that it had.</summary>
public sealed partial class AttemptWrites
{
    /// <summary>
    /// In the transaction that records the end, so that nobody is given its place between the two. Null where its scope or its
    /// end does not allow it, or its host takes no work.
    /// </summary>
    /// <param name="ended">seen dead; the others of its round are tracked</param>
    private async Task<Attempt?> StartAgainAsync(
        ConsoleDb db,
        Workload w,
        Attempt ended,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        var round = db.Attempts.Local.Where(a => a.WorkloadId == w.Id && a.Round == w.Round);
        if (
            ended.Round != w.Round
            || Restart.InPlace(w, StoredSpec.Read(w.SpecJson), Rollup.LastOfEach(round), ended) is not { } restart
            || await db
                .Hosts.Where(h => h.Id == ended.HostId && h.Wish == HostWish.Active && h.LostAt == null)
                .Select(h => h.Name)
                .SingleOrDefaultAsync(ct)
                is not { } host
        )
        {
            return null;
        }
        var gpus = await db
            .Leases.Where(l => l.AttemptId == ended.Id && l.ReleasedAt == null)
            .OrderBy(l => l.Id)
            .Select(l => l.GpuUuid)
            .ToListAsync(ct);
        if (await db.Gpus.AnyAsync(g => gpus.Contains(g.Uuid) && g.Health != GpuHealth.Healthy, ct))
        {
            return null;
        }
        restart.Charge(w);
        await ReleaseAsync(db, w, ended, now, ct);
        // One live attempt of a replica, one lease on a GPU: the old ones are over before the new ones are written
        await db.SaveChangesAsync(ct);
        var where = w.HostNames.Length > 1 ? $" on {host}" : "";
        var message = $"{ended.ReplicaName}{where} {ended.Message}; it alone is started again: {restart.InWords}";
        var next = new Attempt
        {
            WorkloadId = w.Id,
            ReplicaId = ended.ReplicaId,
            ReplicaName = ended.ReplicaName,
            Number = ended.Number + 1,
            Round = ended.Round,
            HostId = ended.HostId,
            ContainerName = LaunchPlan.NameOf(installation.Value, w.Id, ended.ReplicaName, ended.Number + 1),
            State = AttemptState.Leased,
            Reason = Reason.RestartRequested,
            Message = $"is started again in place: {restart.InWords}",
            Cpus = ended.Cpus,
            MemoryBytes = ended.MemoryBytes,
            LeasedAt = now,
            NotBefore = now + restart.Pause,
        };
        db.Attempts.Add(next);
        await db.SaveChangesAsync(ct);
        db.Leases.AddRange(
            gpus.Select(g => new Lease
            {
                GpuUuid = g,
                HostId = next.HostId,
                AttemptId = next.Id,
                WorkloadId = w.Id,
                LeasedAt = now,
            })
        );
        w.GpusHeld += gpus.Count;
        (w.Reason, w.Message) = (Reason.RestartRequested, message);
        db.AddEvent(w, now, "console", "restarting", ended.Reason, message, next);
        return next;
    }
}
