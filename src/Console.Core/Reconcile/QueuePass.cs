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

public readonly record struct LeasedAttempt(Guid HostId, long AttemptId);

/// <summary>
/// One look at the queue: ends what is not wanted or too old, places what fits, writes why the rest waits. When nothing
/// changed, it writes nothing.
/// </summary>
public sealed class QueuePass(
    LeaderWrites writes,
    WaitWrites waits,
    HostDuties duties,
    Yields yields,
    Growth growth,
    QueueReader reader,
    IDbContextFactory<ConsoleDb> databases,
    InstallationId installation,
    DoorLeases doors,
    Failpoints failpoints,
    TimeProvider time
)
{
    // A commit of this many keeps its transaction, and so the locks on its rows, in the tens of milliseconds
    private const int PlacementsPerCommit = 32;

    /// <summary>Answers when the clock alone asks for the next pass: a longest duration, a drain, a host's grace; null for never.</summary>
    /// <param name="looked">hosts that may be given work: what they run was seen in this term</param>
    /// <param name="leased">told of each attempt as soon as its lease stands: it need not wait for the rest of the pass</param>
    public async Task<DateTimeOffset?> RunAsync(
        LeaderTerm term,
        IReadOnlySet<Guid> looked,
        Action<LeasedAttempt> leased
    )
    {
        var (plan, pauseEnds) = await PlaceAsync(term, looked, leased);
        await StopQueuedAsync(term);
        var nextDeadline = Soonest(
            pauseEnds,
            Soonest(await StopOverdueAsync(term), await duties.RunAsync(term, looked, leased))
        );
        nextDeadline = Soonest(nextDeadline, await yields.RunAsync(term));
        await growth.RunAsync(term, looked);
        await PreemptAsync(term, plan.Preemptions);
        await waits.WriteAsync(term, plan);
        return nextDeadline;
    }

    /// <summary>Plans under the leadership lock and leases at once what the plan starts first; what is left is checked again.</summary>
    private async Task<(QueuePlan Plan, DateTimeOffset? PauseEnds)> PlaceAsync(
        LeaderTerm term,
        IReadOnlySet<Guid> looked,
        Action<LeasedAttempt> leased
    )
    {
        var (plan, requests) = (QueuePlan.Empty, new Dictionary<long, JobRequest>());
        Tell(
            await writes.RunAsync(
                term,
                async (db, ct) =>
                {
                    var queue = await reader.ReadAsync(db, ct);
                    if (queue.Count == 0)
                    {
                        return [];
                    }
                    var now = time.GetUtcNow();
                    var fleet = OnlyLooked(await FleetReader.ReadAsync(db, now, ct), looked);
                    plan = Planner.Plan(fleet, queue, now);
                    requests = queue.ToDictionary(r => r.Id);
                    return await LeaseAsync(db, fleet, [.. plan.Placements.Take(PlacementsPerCommit)], requests, ct);
                },
                db => db.ChangeTracker.Entries<Attempt>().Any()
            )
        );
        foreach (var chunk in plan.Placements.Skip(PlacementsPerCommit).Chunk(PlacementsPerCommit))
        {
            Tell(
                await writes.RunAsync(
                    term,
                    async (db, ct) =>
                        await LeaseAsync(db, await FleetReader.ReadAsync(db, time.GetUtcNow(), ct), chunk, requests, ct)
                )
            );
        }
        return (plan, requests.Values.Min(r => r.NotBefore > time.GetUtcNow() ? r.NotBefore : null));

        void Tell(IReadOnlyList<LeasedAttempt> attempts)
        {
            if (attempts.Count > 0)
            {
                failpoints.Hit(Failpoints.AfterLeaseCommit);
            }
            foreach (var attempt in attempts)
            {
                leased(attempt);
            }
        }
    }

    private static DateTimeOffset? Soonest(DateTimeOffset? a, DateTimeOffset? b) => a is null || b < a ? b : a;

    /// <param name="fleet">read in this transaction: only what still fits is leased, by the function that planned it</param>
    private async Task<IReadOnlyList<LeasedAttempt>> LeaseAsync(
        ConsoleDb db,
        FleetSnapshot fleet,
        JobPlacement[] placements,
        Dictionary<long, JobRequest> requests,
        CancellationToken ct
    )
    {
        if (placements.Length == 0)
        {
            return [];
        }
        var now = time.GetUtcNow();
        var made = new List<Attempt>();
        var leases = new List<(Attempt Attempt, string Gpu)>();
        var opened = new List<Doors>();
        foreach (var placement in placements.OrderBy(p => p.JobId))
        {
            var w = await db.LockWorkloadAsync(placement.JobId, ct);
            var request = requests[placement.JobId].As(placement);
            if (
                w is not { State: WorkloadState.Queued, Desired: DesiredState.Run, Held: false }
                || Fit.WhyNot(fleet, request, placement) is not null
            )
            {
                continue;
            }
            IReadOnlyList<Doors> own = [];
            if (DoorLeases.AreFor(w, request))
            {
                var found = await doors.FindAsync(db, w, placement, opened, ct);
                if (found.All is not { } all)
                {
                    doors.Tell(db, w, found.Trouble!, now);
                    continue;
                }
                own = all;
            }
            fleet = Fit.Take(fleet, request, placement);
            var replicas = await db
                .Replicas.Where(r => r.WorkloadId == w.Id)
                .ToDictionaryAsync(r => (r.Role, r.Index), ct);
            // Above all that there were, whoever of them was started again alone
            var number =
                (await db.Attempts.Where(a => a.WorkloadId == w.Id).MaxAsync(a => (int?)a.Number, ct) ?? 0) + 1;
            var resources = request.Roles.ToDictionary(r => r.Name, r => r.Resources, StringComparer.Ordinal);
            foreach (var placed in placement.Replicas)
            {
                var attempt = MakeAttempt(
                    w,
                    replicas[(placed.Role, placed.Index)],
                    placed,
                    resources[placed.Role],
                    number,
                    now
                );
                db.Attempts.Add(attempt);
                made.Add(attempt);
                leases.AddRange(placed.Gpus.Select(g => (attempt, g)));
                opened.AddRange(
                    own.Where(d => d.Replica == attempt.ReplicaName).Select(d => d with { Attempt = attempt })
                );
            }
            Place(db, w, requests[placement.JobId], placement, fleet, now);
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
        db.Endpoints.AddRange(opened.SelectMany(d => d.Rows(now)));
        if (made.Count > 0)
        {
            db.Tell(ChangeKind.Queue);
        }
        failpoints.Hit(Failpoints.BeforeLeaseCommit);
        return [.. made.Select(a => new LeasedAttempt(a.HostId, a.Id))];
    }

    /// <summary>What hosts run that were not seen in this term may hold what the database calls free.</summary>
    internal static FleetSnapshot OnlyLooked(FleetSnapshot fleet, IReadOnlySet<Guid> looked) =>
        fleet.Hosts.All(h => looked.Contains(h.Id))
            ? fleet
            : fleet with
            {
                Hosts =
                [
                    .. fleet.Hosts.Select(h =>
                        looked.Contains(h.Id)
                            ? h
                            : h with
                            {
                                Closed = h.Closed ?? "its engine has not answered since this console took over",
                            }
                    ),
                ],
            };

    private void Place(
        ConsoleDb db,
        Workload w,
        JobRequest asked,
        JobPlacement placement,
        FleetSnapshot fleet,
        DateTimeOffset now
    )
    {
        var request = asked.As(placement);
        w.RoundReplicas = asked.IsElastic ? placement.Replicas.Length : null;
        w.HostNames = [.. placement.HostNames];
        w.HostName = string.Join(", ", w.HostNames);
        w.GpuModels = ModelsOf(fleet, placement);
        if (w.Kind == WorkloadKind.Environment)
        {
            w.HomeHostId ??= placement.Replicas[0].HostId;
        }
        w.PlacedAt = now;
        // What an earlier round left on a host that does not answer counts too, until it is seen dead
        w.GpusHeld += request.Gpus;
        w.Borrowing = placement.Borrowing;
        w.Waits = [];
        w.EstimateErrorSeconds = w.FirstEstimate is { } told ? (now - told).TotalSeconds : null;
        w.NetworkName = null;
        w.NotBefore = null;
        if (placement.Replicas.Length > 1 && !asked.HostNetwork)
        {
            w.NetworkName = LaunchPlan.NetworkOf(installation.Value, w.Id, w.Round);
            db.Networks.Add(
                new JobNetwork
                {
                    Name = w.NetworkName,
                    WorkloadId = w.Id,
                    Round = w.Round,
                    ClusterId = w.ClusterId,
                    HostId = w.HostNames.Length == 1 ? placement.Replicas[0].HostId : null,
                }
            );
        }
        var part =
            request.Replicas < asked.Replicas ? $", as {request.Replicas} of {asked.Replicas} replicas"
            : asked.Tasks is { Length: > 0 and var left }
                ? $", the {left} {(left == 1 ? "task" : "tasks")} that had not succeeded"
            : "";
        var what = request.Gpus == 0 ? "" : $" with {request.Gpus} {(request.Gpus == 1 ? "GPU" : "GPUs")}";
        var where = asked.HostNetwork ? $", with the network of {(w.HostNames.Length > 1 ? "each" : "that")} host" : "";
        var borrowed = placement.Borrowing ? ", above its team's quota: it gives way when they are wanted back" : "";
        Rollup.Move(
            db,
            w,
            WorkloadState.Starting,
            "placed",
            Reason.Placed,
            $"placed on {w.HostName}{what}{part}{where}{borrowed}",
            now
        );
    }

    /// <summary>Kept with the run: its host may be taken out of the lab, and its GPUs with it.</summary>
    private static string ModelsOf(FleetSnapshot fleet, JobPlacement placement)
    {
        var held = placement.Replicas.SelectMany(r => r.Gpus).ToHashSet(StringComparer.Ordinal);
        return held.Count == 0
            ? ""
            : string.Join(
                ", ",
                fleet
                    .Hosts.Where(h => placement.HostNames.Contains(h.Name))
                    .SelectMany(h => h.Gpus)
                    .Where(g => held.Contains(g.Uuid))
                    .Select(g => g.Model)
                    .Distinct(StringComparer.Ordinal)
                    .Order(StringComparer.Ordinal)
            );
    }

    private Attempt MakeAttempt(
        Workload w,
        Replica replica,
        ReplicaPlacement placed,
        ResourcesSpec asked,
        int number,
        DateTimeOffset now
    ) =>
        new()
        {
            WorkloadId = w.Id,
            ReplicaId = replica.Id,
            ReplicaName = replica.Name,
            Number = number,
            Round = w.Round,
            HostId = placed.HostId,
            ContainerName = LaunchPlan.NameOf(installation.Value, w.Id, replica.Name, number),
            State = AttemptState.Leased,
            Reason = Reason.Placed,
            Cpus = asked.Cpus,
            MemoryBytes = asked.Memory,
            LeasedAt = now,
        };

    private async Task PreemptAsync(LeaderTerm term, ImmutableArray<Preemption> preemptions)
    {
        foreach (var preemption in preemptions)
        {
            await writes.RunAsync(
                term,
                async (db, ct) =>
                {
                    var w = await db.LockWorkloadAsync(preemption.JobId, ct);
                    if (
                        w is { Desired: DesiredState.Run, State: WorkloadState.Starting or WorkloadState.Running }
                        && (w.Preemptible || w.Borrowing)
                    )
                    {
                        Yields.Ask(db, w, Reason.Preempted, preemption.Message, time.GetUtcNow());
                    }
                    return 0;
                }
            );
        }
    }

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
                        Rollup.Move(db, w, Rollup.StopEnd(reason), "ended", reason, message, now);
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
