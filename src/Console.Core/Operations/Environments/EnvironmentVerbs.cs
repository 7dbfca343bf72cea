using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Environments;

/// <summary>Starts an environment that has ended, with the home it had; one that is to stop is started once it has. Again is fine.</summary>
public sealed class StartEnvironment(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<long>> RunAsync(Actor actor, long id, CancellationToken ct) =>
        Verb.WithWorkloadAsync(
            databases,
            actor,
            id,
            async (db, w) =>
            {
                if (w.State.IsTerminal())
                {
                    return await AgainAsync(db, w, actor, time.GetUtcNow(), ct);
                }
                if (w.Desired == DesiredState.Stop)
                {
                    RestartEnvironment.Ask(db, w, actor, time.GetUtcNow());
                }
                return null;
            },
            ct,
            WorkloadKind.Environment
        );

    /// <summary>A new round, as if it came just now. Answers null, or why there is none.</summary>
    internal static async Task<string?> AgainAsync(
        ConsoleDb db,
        Workload w,
        Actor actor,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        if (
            StoredSpec.TryRead(w.SpecJson, out _) is { } spec
            && await EnvironmentChecks.WhyNotAgainAsync(db, actor, spec, ct) is { } why
        )
        {
            return why;
        }
        // Rounds are those that were placed: one that was stopped while it waited is still to come
        if (db.Attempts.Any(a => a.WorkloadId == w.Id && a.Round == w.Round))
        {
            w.Round++;
        }
        w.Desired = DesiredState.Run;
        w.StopRequestedBy = null;
        w.StopRequestedAt = null;
        w.QueuedAt = now;
        w.PlacedAt = null;
        w.StartedAt = null;
        w.EndedAt = null;
        w.NotBefore = null;
        w.HostName = null;
        w.HostNames = [];
        w.Restarts = 0;
        w.Interruptions = 0;
        w.LastActiveAt = null;
        w.CullAt = null;
        w.CullWarned = false;
        w.FirstEstimate = null;
        w.EstimatedStart = null;
        w.MoveTo(WorkloadState.Queued, Reason.WaitingForResources, "waits for the next plan");
        db.AddEvent(w, now, actor.UserName, "start-requested", Reason.None, "asked to start it again");
        db.AddAudit(now, actor.UserName, "environment.start", $"environment {w.Id}");
        db.Tell(ChangeKind.Queue);
        return null;
    }
}

/// <summary>Ends what runs and starts it anew, with the home it has; one that has ended is started.</summary>
public sealed class RestartEnvironment(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<long>> RunAsync(Actor actor, long id, CancellationToken ct) =>
        Verb.WithWorkloadAsync(
            databases,
            actor,
            id,
            async (db, w) =>
            {
                var now = time.GetUtcNow();
                if (w.State.IsTerminal())
                {
                    return await StartEnvironment.AgainAsync(db, w, actor, now, ct);
                }
                if (w.Desired == DesiredState.Stop || w.State != WorkloadState.Queued)
                {
                    Ask(db, w, actor, now);
                }
                return null;
            },
            ct,
            WorkloadKind.Environment
        );

    internal static void Ask(ConsoleDb db, Workload w, Actor actor, DateTimeOffset now)
    {
        if (w.State == WorkloadState.Queued)
        {
            // Nothing runs that would have to end first
            w.Desired = DesiredState.Run;
            w.StopRequestedAt = null;
        }
        else
        {
            w.Desired = DesiredState.Requeue;
            w.RequeueReason = Reason.RestartRequested;
            w.StopRequestedAt = now;
        }
        w.StopRequestedBy = actor.UserName;
        db.AddEvent(w, now, actor.UserName, "restart-requested", Reason.RestartRequested, "asked to start it anew");
        db.AddAudit(now, actor.UserName, "environment.restart", $"environment {w.Id}");
        db.Tell(ChangeKind.Queue);
    }
}

/// <summary>Takes an ended environment out of the lists, and its home away where that is asked for.</summary>
public sealed class DeleteEnvironment(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    /// <param name="withHome">its home goes too, for ever</param>
    public Task<Outcome<long>> RunAsync(Actor actor, long id, bool withHome, CancellationToken ct) =>
        Verb.OnWorkloadAsync(
            databases,
            actor,
            id,
            (db, w) =>
            {
                if (!w.State.IsTerminal())
                {
                    return $"Environment {id} is {w.State}; only one that has ended can be deleted. Stop it first.";
                }
                var now = time.GetUtcNow();
                w.DeletedAt = now;
                // A TensorBoard has none
                w.HomeDiscarded = withHome || StoredSpec.TryRead(w.SpecJson, out _) is { Environment.IsBoard: true };
                // Nothing opens it any more
                db.Secrets.RemoveRange(db.Secrets.Where(s => s.WorkloadId == id));
                db.AddEvent(
                    w,
                    now,
                    actor.UserName,
                    "deleted",
                    Reason.None,
                    withHome ? "deleted with its home" : "deleted; its home is kept"
                );
                db.AddAudit(
                    now,
                    actor.UserName,
                    withHome ? "environment.delete-with-home" : "environment.delete",
                    $"environment {id}"
                );
                db.Tell(ChangeKind.Queue);
                return null;
            },
            ct,
            WorkloadKind.Environment
        );
}

/// <summary>Makes another environment of the same definition, with an empty home. Jupyter's password is not part of it.</summary>
public sealed class CloneEnvironment(CloneJob clone)
{
    public Task<Outcome<Submitted>> RunAsync(
        Actor actor,
        long id,
        CancellationToken ct,
        Idempotency? idempotency = null
    ) => clone.RunAsync(actor, id, "Environment", WorkloadKind.Environment, WithEmptyHome, ct, idempotency);

    /// <summary>The home that it took over is its own.</summary>
    private static JobSpec WithEmptyHome(JobSpec spec) =>
        spec with
        {
            Environment = spec.Environment is { } environment ? environment with { Home = null } : null,
        };
}

/// <summary>Says that somebody uses a running environment by a way that Jupyter does not see, such as a terminal in the page.</summary>
public sealed class TouchEnvironment(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    /// <summary>The loop sets the end anew from this at its next look. Of one that the actor may not see, nothing is said.</summary>
    public async Task RunAsync(Actor actor, long id, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        await using var db = await databases.CreateDbContextAsync(ct);
        await db
            .Workloads.VisibleTo(actor)
            .Where(w => w.Id == id && w.Kind == WorkloadKind.Environment && w.State == WorkloadState.Running)
            .ExecuteUpdateAsync(s => s.SetProperty(w => w.LastActiveAt, now), ct);
    }
}
