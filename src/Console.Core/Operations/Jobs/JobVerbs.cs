using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>Asks for a stop; idempotent. The loop does it.</summary>
public sealed class StopWorkload(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<long>> RunAsync(Actor actor, long id, CancellationToken ct) =>
        Verb.OnWorkloadAsync(
            databases,
            actor,
            id,
            (db, w) =>
            {
                if (w.State.IsTerminal() || w.Desired == DesiredState.Stop)
                {
                    return null;
                }
                var now = time.GetUtcNow();
                w.Desired = DesiredState.Stop;
                w.StopRequestedBy = actor.UserName;
                w.StopRequestedAt = now;
                db.AddEvent(w, now, actor.UserName, "stop-requested", Reason.StoppedByUser, "asked to stop");
                db.AddAudit(now, actor.UserName, "job.stop", $"job {id}");
                db.Tell(ChangeKind.Queue);
                return null;
            },
            ct
        );
}

/// <summary>Takes an ended workload out of the lists; one that has not ended is a conflict.</summary>
public sealed class DeleteWorkload(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<long>> RunAsync(Actor actor, long id, CancellationToken ct) =>
        Verb.OnWorkloadAsync(
            databases,
            actor,
            id,
            (db, w) =>
            {
                if (!w.State.IsTerminal())
                {
                    return $"Job {id} is {w.State}; only an ended job can be deleted. Stop it first.";
                }
                var now = time.GetUtcNow();
                w.DeletedAt = now;
                // Nothing opens it any more
                db.Secrets.RemoveRange(db.Secrets.Where(s => s.WorkloadId == id));
                db.AddEvent(w, now, actor.UserName, "deleted", Reason.None, "deleted from the history");
                db.AddAudit(now, actor.UserName, "job.delete", $"job {id}");
                return null;
            },
            ct
        );
}

/// <summary>Submits a job's spec again as a new job.</summary>
public sealed class CloneJob(SubmitJob submit)
{
    public Task<Outcome<Submitted>> RunAsync(
        Actor actor,
        long id,
        CancellationToken ct,
        Idempotency? idempotency = null
    ) => RunAsync(actor, id, "Job", null, spec => spec, ct, idempotency);

    /// <param name="what">it is called so in the sentence of a conflict</param>
    /// <param name="kind">any other is not found; null = all are</param>
    /// <param name="adapt">what the new one has otherwise</param>
    internal Task<Outcome<Submitted>> RunAsync(
        Actor actor,
        long id,
        string what,
        WorkloadKind? kind,
        Func<JobSpec, JobSpec> adapt,
        CancellationToken ct,
        Idempotency? idempotency = null
    ) => submit.RunAsync(actor, db => FindAsync(db, actor, id, what, kind, adapt, ct), idempotency, ct);

    private static async Task<Submission> FindAsync(
        ConsoleDb db,
        Actor actor,
        long id,
        string what,
        WorkloadKind? kind,
        Func<JobSpec, JobSpec> adapt,
        CancellationToken ct
    )
    {
        var json = await db
            .Workloads.VisibleTo(actor)
            .Where(w => w.Id == id && (kind == null || w.Kind == kind))
            .Select(w => w.SpecJson)
            .SingleOrDefaultAsync(ct);
        if (json is null)
        {
            return Submission.Instead(new Outcome<Submitted>.NotFound());
        }
        return StoredSpec.TryRead(json, out var trouble) is { } spec
            ? new Submission(adapt(spec), new Origin(id))
            : Submission.Instead(new Outcome<Submitted>.Conflict($"{what} {id} cannot be cloned: {trouble}"));
    }
}

internal static class Verb
{
    /// <summary>Members see what they own, admins everything; what was deleted nobody.</summary>
    public static IQueryable<Workload> VisibleTo(this IQueryable<Workload> workloads, Actor actor) =>
        actor.IsAdmin
            ? workloads.Where(w => w.DeletedAt == null)
            : workloads.Where(w => w.DeletedAt == null && w.OwnerId == actor.UserId);

    /// <summary>The rule of <see cref="VisibleTo"/> for one that was read already and is not deleted.</summary>
    public static bool MaySee(Actor actor, Guid ownerId) => actor.IsAdmin || ownerId == actor.UserId;

    /// <summary>Runs a change on a locked, visible workload in one transaction.</summary>
    /// <param name="change">answers null, or the sentence of a conflict</param>
    /// <param name="kind">any other is not found; null = all are</param>
    public static Task<Outcome<long>> OnWorkloadAsync(
        IDbContextFactory<ConsoleDb> databases,
        Actor actor,
        long id,
        Func<ConsoleDb, Workload, string?> change,
        CancellationToken ct,
        WorkloadKind? kind = null
    ) => WithWorkloadAsync(databases, actor, id, (db, w) => Task.FromResult(change(db, w)), ct, kind);

    /// <summary>As <see cref="OnWorkloadAsync"/>, where the change has to ask the database.</summary>
    public static Task<Outcome<long>> WithWorkloadAsync(
        IDbContextFactory<ConsoleDb> databases,
        Actor actor,
        long id,
        Func<ConsoleDb, Workload, Task<string?>> change,
        CancellationToken ct,
        WorkloadKind? kind = null
    ) =>
        VerbTransaction.RunAsync<long>(
            databases,
            async db =>
            {
                var w = await db.LockWorkloadAsync(id, ct);
                if (w is null || w.DeletedAt is not null || !MaySee(actor, w.OwnerId) || (kind ?? w.Kind) != w.Kind)
                {
                    return new Outcome<long>.NotFound();
                }
                if (await change(db, w) is { } conflict)
                {
                    return new Outcome<long>.Conflict(conflict);
                }
                return new Outcome<long>.Done(id);
            },
            ct
        );
}
