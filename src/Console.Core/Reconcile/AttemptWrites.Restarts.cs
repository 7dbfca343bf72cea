using DeepLab.Core.Clusters;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Placement;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// A replica that is started again alone: another attempt on its host, with the GPUs that it had, or where its host was given
/// up, on another.
/// </summary>
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
        if (
            ended.Round != w.Round
            || Restart.InPlace(w, StoredSpec.Read(w.SpecJson), RoundOf(db, w), ended) is not { } restart
            || !await db.Hosts.AnyAsync(h => h.Id == ended.HostId && h.Wish == HostWish.Active && h.LostAt == null, ct)
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
        return await ReplaceAsync(db, w, ended, ended.HostId, gpus, restart, "is started again in place", now, ct);
    }

    /// <summary>
    /// As above, of one whose host was given up: on another host that has room now. It does not wait in the queue: its job was
    /// placed before whatever waits there. Null where no other replica runs on meanwhile, or the job's network is its host's.
    /// </summary>
    /// <param name="looked">hosts that may be given work</param>
    private async Task<Attempt?> StartElsewhereAsync(
        ConsoleDb db,
        Workload w,
        Attempt ended,
        IReadOnlySet<Guid> looked,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        var spec = StoredSpec.Read(w.SpecJson);
        var round = RoundOf(db, w);
        if (
            ended.Round != w.Round
            || round.All(a => a.State.IsTerminal())
            || Restart.Alone(w, spec, round, ended) is not { } restart
            || await db.Networks.AnyAsync(n => n.Name == w.NetworkName && n.HostId != null, ct)
        )
        {
            return null;
        }
        var asked = await QueueReader.RequestAsync(db, w, spec, now, ct);
        var request = asked with
        {
            Roles = [spec.RoleOf(ended.ReplicaName) with { Replicas = 1 }],
            Tasks = [Topologies.IndexOf(ended.ReplicaName)],
        };
        var fleet = QueuePass.OnlyLooked(await FleetReader.ReadAsync(db, now, ct), looked);
        if (Planner.Plan(fleet, [request], now).Placements is not [{ Replicas: [var place] } placement])
        {
            return null;
        }
        restart.Charge(w);
        w.Borrowing |= placement.Borrowing;
        w.HostNames = [.. w.HostNames.Append(place.HostName).Distinct().Order(StringComparer.Ordinal)];
        w.HostName = string.Join(", ", w.HostNames);
        var how = $"is started again on {place.HostName}";
        return await ReplaceAsync(db, w, ended, place.HostId, place.Gpus, restart, how, now, ct);
    }

    private static Attempt[] RoundOf(ConsoleDb db, Workload w) =>
        [.. db.Attempts.Local.Where(a => a.WorkloadId == w.Id && a.Round == w.Round)];

    /// <param name="gpus">UUIDs, free or its own until now</param>
    private async Task<Attempt> ReplaceAsync(
        ConsoleDb db,
        Workload w,
        Attempt ended,
        Guid hostId,
        IReadOnlyList<string> gpus,
        Restart restart,
        string how,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        // One live attempt of a replica, one lease on a GPU: the old ones are over before the new ones are written
        await db.SaveChangesAsync(ct);
        var was =
            w.HostNames.Length > 1
                ? await db.Hosts.Where(h => h.Id == ended.HostId).Select(h => h.Name).SingleAsync(ct)
                : null;
        var where = was is null ? "" : $" on {was}";
        var message = $"{ended.ReplicaName}{where} {ended.Message}; it alone {how}: {restart.InWords}";
        var next = new Attempt
        {
            WorkloadId = w.Id,
            ReplicaId = ended.ReplicaId,
            ReplicaName = ended.ReplicaName,
            Number = ended.Number + 1,
            Round = ended.Round,
            HostId = hostId,
            ContainerName = LaunchPlan.NameOf(installation.Value, w.Id, ended.ReplicaName, ended.Number + 1),
            State = AttemptState.Leased,
            Reason = Reason.RestartRequested,
            Message = $"{how}: {restart.InWords}",
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
