using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>
/// What an admin may do to the queue: keep a job from starting, let it go, give it a place before all others, give that
/// place up, change its priority. Every move is an event of the job and an audit row. Doors let only admins in.
/// </summary>
public sealed class QueueVerbs(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<long>> HoldAsync(Actor actor, long id, CancellationToken ct) =>
        MoveAsync(
            actor,
            id,
            "job.hold",
            w => w.Held ? null : "held: an admin keeps it from starting",
            w => w.Held = true,
            ct
        );

    public Task<Outcome<long>> ReleaseAsync(Actor actor, long id, CancellationToken ct) =>
        MoveAsync(actor, id, "job.release", w => w.Held ? "released: it may start" : null, w => w.Held = false, ct);

    /// <summary>Before every other job, those with a place of their own included.</summary>
    public async Task<Outcome<long>> ToFrontAsync(Actor actor, long id, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var least = await db
            .Workloads.Where(w => w.State == WorkloadState.Queued && w.Id != id)
            .MinAsync(w => w.Rank, ct);
        return await MoveAsync(
            actor,
            id,
            "job.front",
            _ => "moved to the front of the queue",
            w => w.Rank = (least ?? 0) - 1,
            ct
        );
    }

    public Task<Outcome<long>> ToOwnPlaceAsync(Actor actor, long id, CancellationToken ct) =>
        MoveAsync(
            actor,
            id,
            "job.own-place",
            w => w.Rank is null ? null : "moved back to its own place in the queue",
            w => w.Rank = null,
            ct
        );

    public Task<Outcome<long>> PrioritiseAsync(Actor actor, long id, int priority, CancellationToken ct) =>
        priority is < 0 or > 100
            ? Task.FromResult<Outcome<long>>(
                new Outcome<long>.Refused([
                    new SpecError("priority", $"This is {priority}; a whole number from 0 to 100 is allowed."),
                ])
            )
            : MoveAsync(
                actor,
                id,
                "job.priority",
                w => w.Priority == priority ? null : $"its priority is {priority} now, it was {w.Priority}",
                w => w.Priority = priority,
                ct
            );

    /// <param name="told">the event's sentence; null where there is nothing to change</param>
    private Task<Outcome<long>> MoveAsync(
        Actor actor,
        long id,
        string action,
        Func<Workload, string?> told,
        Action<Workload> move,
        CancellationToken ct
    ) =>
        Verb.OnWorkloadAsync(
            databases,
            actor,
            id,
            (db, w) =>
            {
                if (w.State != WorkloadState.Queued)
                {
                    return $"Job {id} is {w.State}; only a queued job has a place in the queue.";
                }
                if (told(w) is not { } sentence)
                {
                    return null;
                }
                move(w);
                var now = time.GetUtcNow();
                db.AddEvent(w, now, actor.UserName, "moved", Reason.None, sentence);
                db.AddAudit(now, actor.UserName, action, $"job {id}");
                db.Tell(ChangeKind.Queue);
                return null;
            },
            ct
        );
}
