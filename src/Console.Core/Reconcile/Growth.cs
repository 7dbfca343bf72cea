using System.Globalization;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Placement;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Lets an elastic job that runs with fewer replicas than it asked for go on with more once there is room: after its next
/// checkpoint, one job of a cluster at a time. That it shrinks needs no doing: each round is placed with what there is room for.
/// </summary>
public sealed class Growth(
    LeaderWrites writes,
    QueueReader reader,
    IDbContextFactory<ConsoleDb> databases,
    TimeProvider time
)
{
    /// <summary>A new round costs its start and the load of a checkpoint: the present one has run for so long at least.</summary>
    private static readonly TimeSpan s_least = TimeSpan.FromSeconds(30);

    /// <summary>And for so many of its checkpoints.</summary>
    private const int Checkpoints = 4;

    /// <summary>A queue that moves is planned many times a second, and nobody is in a hurry to grow.</summary>
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(4);
    private long? _lookedAt;

    /// <param name="looked">hosts that may be given work</param>
    public async Task RunAsync(LeaderTerm term, IReadOnlySet<Guid> looked)
    {
        if (_lookedAt is { } last && time.GetElapsedTime(last) < s_every)
        {
            return;
        }
        _lookedAt = time.GetTimestamp();
        await using var db = await databases.CreateDbContextAsync(term.Ended);
        var now = time.GetUtcNow();
        var small = (
            await db
                .Workloads.AsNoTracking()
                .Where(w =>
                    w.RoundReplicas != null
                    && w.State == WorkloadState.Running
                    && w.RoundReplicas < db.Replicas.Count(r => r.WorkloadId == w.Id)
                )
                .OrderBy(w => w.Id)
                .ToListAsync(term.Ended)
        ).FindAll(w => MayGrow(w, now));
        if (small.Count == 0)
        {
            return;
        }
        // What these give up is not free yet, and what they will take is not held yet
        var moving = (
            await db
                .Workloads.Where(w =>
                    (w.YieldBy != null || w.Desired == DesiredState.Requeue)
                    && (
                        w.State == WorkloadState.Starting
                        || w.State == WorkloadState.Running
                        || w.State == WorkloadState.Stopping
                    )
                )
                .Select(w => w.ClusterId)
                .ToListAsync(term.Ended)
        ).ToHashSet();
        var fleet = QueuePass.OnlyLooked(await FleetReader.ReadAsync(db, now, term.Ended), looked);
        var queue = await reader.ReadAsync(db, term.Ended);
        foreach (var w in small.Where(w => !moving.Contains(w.ClusterId)))
        {
            var spec = StoredSpec.Read(w.SpecJson);
            var asked = await QueueReader.RequestAsync(db, w, spec, now, term.Ended);
            if (Elastic.RoomToGrow(fleet, queue, asked, w.RoundReplicas!.Value, now) is { } room)
            {
                await AskAsync(term, w.Id, room, asked.Replicas);
                moving.Add(w.ClusterId);
            }
        }
    }

    private Task AskAsync(LeaderTerm term, long id, int room, int all) =>
        writes.RunAsync(
            term,
            async (db, ct) =>
            {
                var now = time.GetUtcNow();
                if (await db.LockWorkloadAsync(id, ct) is { State: WorkloadState.Running } w && MayGrow(w, now))
                {
                    var message = string.Create(
                        CultureInfo.InvariantCulture,
                        $"runs with {w.RoundReplicas} of {all} replicas, and there is room for {room}"
                    );
                    Yields.Ask(db, w, Reason.Growing, message, now);
                }
                return 0;
            }
        );

    /// <summary>Nobody else wants anything of it, it has run for a while, and its next checkpoint is about to come.</summary>
    private static bool MayGrow(Workload w, DateTimeOffset now) =>
        w
            is {
                Desired: DesiredState.Run,
                YieldBy: null,
                Held: false,
                PlacedAt: { } placed,
                CheckpointSeconds: { } period
            }
        && now - placed >= s_least
        && now - placed >= Checkpoints * TimeSpan.FromSeconds(period)
        && Yields.By(w, now) is not null;
}
