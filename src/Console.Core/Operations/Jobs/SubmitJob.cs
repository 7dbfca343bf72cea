using System.Security.Cryptography;
using System.Text;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <param name="Key">as the client sent it, at most 128 characters</param>
/// <param name="BodyHash">hex SHA-256 of what the key stands for; another body under the same key is refused</param>
public sealed record Idempotency(string Key, string BodyHash)
{
    /// <summary>Null where the client sent no key.</summary>
    /// <param name="body">what the key stands for</param>
    public static Idempotency? Of(string? key, string body) =>
        key is null ? null : new Idempotency(key, SubmitJob.HashOf(body));
}

/// <param name="Replayed">the same key and body had been accepted before; this is that job</param>
public sealed record Submitted(long Id, bool Replayed);

/// <param name="Pins">what that one ran, which this one is to run too, by the name that the spec has for each image; null = as the names mean now</param>
public sealed record Origin(long Id, IReadOnlyDictionary<string, string>? Pins = null)
{
    public bool IsExact => Pins is not null;
}

/// <summary>What is to be submitted, or what is answered instead: exactly one is not null.</summary>
internal sealed record Submission(JobSpec? Spec, Origin? Origin, Outcome<Submitted>? Refused = null)
{
    public static Submission Instead(Outcome<Submitted> refused) => new(null, null, refused);
}

/// <summary>Takes a job, or an environment, into the queue, durably, in one transaction.</summary>
public sealed class SubmitJob(IDbContextFactory<ConsoleDb> databases, SecretBox secrets, TimeProvider time)
{
    /// <param name="password">an environment's own for Jupyter; null = none</param>
    /// <param name="origin">the workload whose spec it is, which the actor may see; null = it was written</param>
    public Task<Outcome<Submitted>> RunAsync(
        Actor actor,
        JobSpec spec,
        Idempotency? idempotency,
        CancellationToken ct,
        string? password = null,
        Origin? origin = null
    ) => RunAsync(actor, _ => Task.FromResult(new Submission(spec, origin)), idempotency, ct, password);

    /// <param name="find">looked for in the transaction, once the key is known to be new: an answer is repeated even where it could no longer be found</param>
    internal async Task<Outcome<Submitted>> RunAsync(
        Actor actor,
        Func<ConsoleDb, Task<Submission>> find,
        Idempotency? idempotency,
        CancellationToken ct,
        string? password = null
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        long? tried = null;
        return await db
            .Database.CreateExecutionStrategy()
            .ExecuteAsync(async () =>
            {
                db.ChangeTracker.Clear();
                // The answer to an earlier commit may have been lost, and the commit not; an id is never given twice
                if (tried is { } id && await db.Workloads.AnyAsync(w => w.Id == id, ct))
                {
                    return new Outcome<Submitted>.Done(new Submitted(id, false));
                }
                return await SubmitAsync(db, actor, find, idempotency, password, made => tried = made, ct);
            });
    }

    private async Task<Outcome<Submitted>> SubmitAsync(
        ConsoleDb db,
        Actor actor,
        Func<ConsoleDb, Task<Submission>> find,
        Idempotency? idempotency,
        string? password,
        Action<long> numbered,
        CancellationToken ct
    )
    {
        var now = time.GetUtcNow();
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        if (idempotency is not null && await ClaimAsync(db, actor, idempotency, now, ct) is { } earlier)
        {
            return earlier;
        }
        var (wanted, origin, instead) = await find(db);
        if (wanted is not { } spec)
        {
            return instead!;
        }
        var cluster = await db.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Name == spec.Cluster, ct);
        (var errors, var team, var pins, spec) = await SpecChecks.RunAsync(db, actor, spec, cluster, ct, origin?.Pins);
        if (errors.Count > 0)
        {
            return new Outcome<Submitted>.Refused(errors);
        }
        KeptHome? home = null;
        if (spec.Environment is { Home: { } asked } withHome)
        {
            (home, var refused) = await KeptHomes.TakeAsync(db, actor, asked, cluster!.Id, ct);
            if (home is null)
            {
                return new Outcome<Submitted>.Refused([new SpecError("home", refused)]);
            }
            spec = spec with { Environment = withHome with { Home = home.MadeFor } };
        }
        var workload = Make(actor, spec, cluster!.Id, team!, now);
        workload.HomeHostId = home?.HostId;
        foreach (var (name, pin) in pins)
        {
            workload.Pin(spec, name, pin);
        }
        workload.OriginId = origin?.Id;
        workload.OriginExact = origin?.IsExact == true;
        db.Workloads.Add(workload);
        // The identity is needed by the rows below
        await db.SaveChangesAsync(ct);
        numbered(workload.Id);
        db.Texts.Add(WorkloadText.Of(workload.Id, spec));
        foreach (var role in spec.Roles)
        {
            db.Replicas.AddRange(
                Enumerable
                    .Range(0, role.Replicas)
                    .Select(i => new Replica
                    {
                        WorkloadId = workload.Id,
                        Role = role.Name,
                        Index = i,
                    })
            );
        }
        var from =
            origin is null ? ""
            : origin.IsExact ? $", to run again exactly what job {origin.Id} ran"
            : $", as a clone of {origin.Id}";
        db.AddEvent(workload, now, actor.UserName, "submitted", Reason.None, $"submitted to the queue{from}");
        if (spec.Environment is { } environment)
        {
            db.Secrets.AddRange(EnvironmentSecrets.Make(secrets, workload.Id, environment, password));
            db.AddAudit(now, actor.UserName, "environment.create", $"environment {workload.Id}");
            if (home is not null)
            {
                db.AddEvent(
                    workload,
                    now,
                    actor.UserName,
                    "home-taken",
                    Reason.None,
                    $"takes the home of environment {home.Id}, {home.Name}"
                );
            }
        }
        else
        {
            if (spec.Topology == Topology.Mpi)
            {
                db.Secrets.Add(MpiSecret.Make(secrets, workload.Id));
            }
            db.AddAudit(now, actor.UserName, "job.submit", $"job {workload.Id}");
        }
        if (idempotency is not null)
        {
            await db
                .IdempotencyKeys.Where(k => k.UserId == actor.UserId && k.Key == idempotency.Key)
                .ExecuteUpdateAsync(s => s.SetProperty(k => k.WorkloadId, workload.Id), ct);
        }
        db.Tell(ChangeKind.Queue);
        await db.CommitAsync(ct);
        return new Outcome<Submitted>.Done(new Submitted(workload.Id, false));
    }

    /// <param name="json">of the spec, as <see cref="SpecWriter"/> writes it</param>
    internal static string HashOf(string json) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(json)));

    private static Workload Make(Actor actor, JobSpec spec, Guid clusterId, Team team, DateTimeOffset now)
    {
        var json = SpecWriter.Write(spec);
        var workload = new Workload
        {
            Kind = spec.Kind,
            Name = spec.Name,
            OwnerId = actor.UserId,
            OwnerName = actor.UserName,
            ClusterId = clusterId,
            TeamId = team.Id,
            TeamName = team.Name,
            Preemptible = spec.Preemptible,
            SpecJson = json,
            SpecHash = HashOf(json),
            Priority = spec.Priority,
            GpusAsked = spec.GpusAsked,
            HostNetwork = spec.HostNetwork,
            State = WorkloadState.Queued,
            Reason = Reason.WaitingForResources,
            Message = "waits for the next plan",
            SubmittedAt = now,
            QueuedAt = now,
        };
        workload.SetLabels(spec.Labels);
        return workload;
    }

    /// <summary>Null where the key is new and now ours; a concurrent request with the same key waits here for the first.</summary>
    private static async Task<Outcome<Submitted>?> ClaimAsync(
        ConsoleDb db,
        Actor actor,
        Idempotency idempotency,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        var mine = await db.Database.ExecuteSqlAsync(
            $"""
            insert into idempotency_keys (user_id, key, body_hash, workload_id, created_at)
            values ({actor.UserId}, {idempotency.Key}, {idempotency.BodyHash}, 0, {now})
            on conflict do nothing
            """,
            ct
        );
        if (mine == 1)
        {
            return null;
        }
        var row = await db
            .IdempotencyKeys.AsNoTracking()
            .SingleAsync(k => k.UserId == actor.UserId && k.Key == idempotency.Key, ct);
        return row.BodyHash == idempotency.BodyHash
            ? new Outcome<Submitted>.Done(new Submitted(row.WorkloadId, true))
            : new Outcome<Submitted>.Refused([
                new SpecError(
                    "Idempotency-Key",
                    "This Idempotency-Key was used with another body; use a new key for a new job."
                ),
            ]);
    }
}
