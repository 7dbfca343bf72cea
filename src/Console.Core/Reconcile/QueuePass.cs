using System.Collections.Immutable;
using System.Globalization;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Placement;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <param name="NextDeadline">the soonest end of a running job's longest duration; null where none has one</param>
/// <param name="Leased">attempts that were leased in this pass, by host</param>
public sealed record PassResult(ImmutableArray<(Guid HostId, long AttemptId)> Leased, DateTimeOffset? NextDeadline);

/// <summary>
/// One look at the queue: ends what is not wanted or too old, places what fits, writes why the rest waits. When nothing
/// changed, it writes nothing.
/// </summary>
public sealed class QueuePass(
    LeaderWrites writes,
    IDbContextFactory<ConsoleDb> databases,
    InstallationId installation,
    Failpoints failpoints,
    TimeProvider time
)
{
    // A commit of this many keeps its transaction, and so the locks on its rows, in the tens of milliseconds
    private const int PlacementsPerCommit = 32;

    public async Task<PassResult> RunAsync(LeaderTerm term)
    {
        var ct = term.Ended;
        await StopQueuedAsync(term);
        var nextDeadline = await StopOverdueAsync(term);
        QueuePlan plan;
        await using (var db = await databases.CreateDbContextAsync(ct))
        {
            var queue = await QueueReader.ReadAsync(db, ct);
            plan = queue.Count == 0 ? new QueuePlan([], []) : Planner.Plan(await FleetReader.ReadAsync(db, ct), queue);
        }
        var leased = ImmutableArray.CreateBuilder<(Guid, long)>();
        foreach (var chunk in plan.Placements.Chunk(PlacementsPerCommit))
        {
            leased.AddRange(
                await writes.RunAsync(
                    term,
                    async (db, token) =>
                    {
                        var attempts = await LeaseAsync(db, chunk, token);
                        failpoints.Hit(Failpoints.BeforeLeaseCommit);
                        return attempts;
                    }
                )
            );
            failpoints.Hit(Failpoints.AfterLeaseCommit);
        }
        await WriteWaitsAsync(term, plan);
        return new PassResult(leased.ToImmutable(), nextDeadline);
    }

    private async Task<IReadOnlyList<(Guid, long)>> LeaseAsync(
        ConsoleDb db,
        JobPlacement[] placements,
        CancellationToken ct
    )
    {
        var now = time.GetUtcNow();
        // Read again under the leadership lock: only what still fits is leased, by the function that planned it
        var hosts = (await FleetReader.ReadAsync(db, ct)).Hosts.ToDictionary(h => h.Id);
        var made = new List<Attempt>();
        var leases = new List<(Attempt Attempt, string Gpu)>();
        foreach (var placement in placements.OrderBy(p => p.JobId))
        {
            var w = await db.LockWorkloadAsync(placement.JobId, ct);
            if (w is not { State: WorkloadState.Queued, Desired: DesiredState.Run })
            {
                continue;
            }
            var role = StoredSpec.Read(w.SpecJson).Roles[0];
            var request = new JobRequest(w.Id, w.ClusterId, w.Priority, role);
            var host = hosts[placement.HostId];
            if (!Fit.Check(host, request).IsEmpty)
            {
                continue;
            }
            var gpus = Fit.ChooseGpus(host, request);
            hosts[host.Id] = Planner.Take(host, request, gpus);
            var replicas = await db
                .Replicas.Where(r => r.WorkloadId == w.Id)
                .OrderBy(r => r.Role)
                .ThenBy(r => r.Index)
                .ToListAsync(ct);
            for (var i = 0; i < replicas.Count; i++)
            {
                var attempt = MakeAttempt(w, replicas[i], host.Id, role.Resources, now);
                db.Attempts.Add(attempt);
                made.Add(attempt);
                leases.AddRange(gpus[i].Select(g => (attempt, g)));
            }
            w.HostName = host.Name;
            w.PlacedAt = now;
            w.GpusHeld = request.Gpus;
            w.Waits = [];
            var what = request.Gpus == 0 ? "" : $" with {request.Gpus} {(request.Gpus == 1 ? "GPU" : "GPUs")}";
            Rollup.Move(db, w, WorkloadState.Starting, "placed", Reason.Placed, $"placed on {host.Name}{what}", now);
        }
        await db.SaveChangesAsync(ct);
        db.Leases.AddRange(
            leases.Select(l => new Lease
            {
                GpuUuid = l.Gpu,
                HostId = l.Attempt.HostId,
                AttemptId = l.Attempt.Id,
                WorkloadId = l.Attempt.WorkloadId,
                LeasedAt = now,
            })
        );
        if (made.Count > 0)
        {
            db.Tell(ChangeKind.Queue);
        }
        return [.. made.Select(a => (a.HostId, a.Id))];
    }

    private Attempt MakeAttempt(Workload w, Replica replica, Guid hostId, ResourcesSpec asked, DateTimeOffset now)
    {
        var number = w.Restarts + 1;
        return new Attempt
        {
            WorkloadId = w.Id,
            ReplicaId = replica.Id,
            ReplicaName = replica.Name,
            Number = number,
            HostId = hostId,
            ContainerName = LaunchPlan.NameOf(installation.Value, w.Id, replica.Name, number),
            State = AttemptState.Leased,
            Reason = Reason.Placed,
            Cpus = asked.Cpus,
            MemoryBytes = asked.Memory,
            LeasedAt = now,
        };
    }

    /// <summary>Only reasons that changed are written: a long queue at rest costs no write.</summary>
    private async Task WriteWaitsAsync(LeaderTerm term, QueuePlan plan)
    {
        if (plan.Waiting.IsEmpty)
        {
            return;
        }
        var waits = plan.Waiting.ToDictionary(x => x.JobId, x => x.Waits);
        var stale = new List<long>();
        await using (var db = await databases.CreateDbContextAsync(term.Ended))
        {
            var stored = await db
                .Workloads.AsNoTracking()
                .Where(w => w.State == WorkloadState.Queued)
                .Select(w => new { w.Id, w.Waits })
                .ToListAsync(term.Ended);
            stale.AddRange(
                stored.Where(s => waits.TryGetValue(s.Id, out var now) && !Same(s.Waits, now)).Select(s => s.Id)
            );
        }
        foreach (var chunk in stale.Order().Chunk(200))
        {
            await writes.RunAsync(
                term,
                async (db, ct) =>
                {
                    var rows = await db
                        .Workloads.FromSql($"select * from workloads where id = any({chunk}) order by id for update")
                        .ToListAsync(ct);
                    foreach (var w in rows.Where(w => w.State == WorkloadState.Queued))
                    {
                        w.Waits = [.. waits[w.Id]];
                        w.Reason = Reason.WaitingForResources;
                        w.Message = waits[w.Id].IsEmpty ? "waits for the next plan" : waits[w.Id][0].Message;
                        db.Tell(ChangeKind.Workload, w.Id);
                    }
                    return 0;
                }
            );
        }
    }

    private static bool Same(IReadOnlyList<WaitReason> a, ImmutableArray<WaitReason> b) =>
        a.Select(x => (x.Kind, x.Message)).SequenceEqual(b.Select(x => (x.Kind, x.Message)));

    private async Task StopQueuedAsync(LeaderTerm term)
    {
        await using var read = await databases.CreateDbContextAsync(term.Ended);
        var unwanted = await read
            .Workloads.Where(w => w.State == WorkloadState.Queued && w.Desired == DesiredState.Stop)
            .Select(w => w.Id)
            .ToListAsync(term.Ended);
        foreach (var id in unwanted)
        {
            await writes.RunAsync(
                term,
                async (db, ct) =>
                {
                    var w = await db.LockWorkloadAsync(id, ct);
                    if (w is { State: WorkloadState.Queued, Desired: DesiredState.Stop })
                    {
                        var now = time.GetUtcNow();
                        w.EndedAt = now;
                        w.Waits = [];
                        var (reason, message) = Rollup.StopReason(w);
                        Rollup.Move(db, w, WorkloadState.Stopped, "ended", reason, message, now);
                    }
                    return 0;
                }
            );
        }
    }

    private async Task<DateTimeOffset?> StopOverdueAsync(LeaderTerm term)
    {
        await using var read = await databases.CreateDbContextAsync(term.Ended);
        var limited = await read
            .Workloads.Where(w =>
                (w.State == WorkloadState.Running || w.State == WorkloadState.Starting)
                && w.Desired == DesiredState.Run
                && w.Deadline != null
            )
            .Select(w => new { w.Id, w.Deadline })
            .ToListAsync(term.Ended);
        var now = time.GetUtcNow();
        foreach (var overdue in limited.Where(w => w.Deadline <= now))
        {
            await writes.RunAsync(
                term,
                async (db, ct) =>
                {
                    var w = await db.LockWorkloadAsync(overdue.Id, ct);
                    if (w is { Desired: DesiredState.Run } && !w.State.IsTerminal())
                    {
                        w.Desired = DesiredState.Stop;
                        w.StopRequestedBy = Rollup.MaxDurationActor;
                        w.StopRequestedAt = now;
                        var limit = StoredSpec.Read(w.SpecJson).MaxDuration;
                        db.AddEvent(
                            w,
                            now,
                            "console",
                            "stop-requested",
                            Reason.MaxDurationReached,
                            string.Create(
                                CultureInfo.InvariantCulture,
                                $"it ran for its longest allowed duration, {limit}"
                            )
                        );
                    }
                    return 0;
                }
            );
        }
        return limited.Where(w => w.Deadline > now).Min(w => w.Deadline);
    }
}
