using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>What users wish of their checkpoints. The loop takes away what is not wanted.</summary>
public sealed class CheckpointVerbs(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    /// <summary>A pinned one stays, whatever the spec's `keep` says and however the job ends. Again is fine.</summary>
    public Task<Outcome<long>> PinAsync(Actor actor, long jobId, long id, bool pinned, CancellationToken ct) =>
        ChangeAsync(
            actor,
            jobId,
            id,
            (db, w, c, now) =>
            {
                if (c.Pinned == pinned)
                {
                    return null;
                }
                if (c.DeleteRequestedAt is not null)
                {
                    return "It is about to be deleted.";
                }
                c.Pinned = pinned;
                var verb = pinned ? "pin" : "unpin";
                db.AddEvent(w, now, actor.UserName, $"checkpoint-{verb}ned", Reason.None, $"{verb}ned {NameOf(c)}");
                db.AddAudit(now, actor.UserName, $"checkpoint.{verb}", $"checkpoint {id} of job {jobId}");
                return null;
            },
            ct
        );

    /// <summary>Asks for its end; again is fine.</summary>
    public Task<Outcome<long>> DeleteAsync(Actor actor, long jobId, long id, CancellationToken ct) =>
        ChangeAsync(
            actor,
            jobId,
            id,
            (db, w, c, now) =>
            {
                if (c.Pinned)
                {
                    return "It is pinned; unpin it first.";
                }
                if (c.DeleteRequestedAt is null)
                {
                    c.DeleteRequestedAt = now;
                    db.AddEvent(w, now, actor.UserName, "checkpoint-deleted", Reason.None, $"deleted {NameOf(c)}");
                    db.AddAudit(now, actor.UserName, "checkpoint.delete", $"checkpoint {id} of job {jobId}");
                    db.Tell(ChangeKind.Queue);
                }
                return null;
            },
            ct
        );

    private static string NameOf(Checkpoint c) =>
        c.Step is { } step ? $"the checkpoint of step {step} ({c.Path})" : $"the checkpoint {c.Path}";

    private Task<Outcome<long>> ChangeAsync(
        Actor actor,
        long jobId,
        long id,
        Func<ConsoleDb, Workload, Checkpoint, DateTimeOffset, string?> change,
        CancellationToken ct
    ) =>
        VerbTransaction.RunAsync<long>(
            databases,
            async db =>
            {
                var w = await db.LockWorkloadAsync(jobId, ct);
                if (w is null || w.DeletedAt is not null || !Verb.MaySee(actor, w.OwnerId))
                {
                    return new Outcome<long>.NotFound();
                }
                var c = await db.Checkpoints.SingleOrDefaultAsync(
                    x => x.Id == id && x.WorkloadId == jobId && x.DeletedAt == null,
                    ct
                );
                if (c is null)
                {
                    return new Outcome<long>.NotFound();
                }
                return change(db, w, c, time.GetUtcNow()) is { } conflict
                    ? new Outcome<long>.Conflict(conflict)
                    : new Outcome<long>.Done(id);
            },
            ct
        );
}
