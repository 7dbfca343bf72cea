using System.Globalization;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Environments;

/// <param name="Id">of the environment that had it last</param>
/// <param name="MadeFor">the environment that it was made for: its volume is known by that</param>
internal sealed record KeptHome(long Id, string Name, long MadeFor, Guid HostId);

/// <summary>A home that outlived its environment.</summary>
/// <param name="Id">of the environment that had it last: what a new one says to take it</param>
/// <param name="Host">where it lies; null where that host was taken out</param>
public sealed record KeptHomeView(
    long Id,
    string Name,
    string Owner,
    string Image,
    string Cluster,
    string? Host,
    DateTimeOffset DeletedAt
);

/// <summary>Homes of environments that were deleted without them: whoever owned one has it, or another environment with it.</summary>
public sealed class KeptHomes(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    /// <summary>The newest first, 500 at most. An admin sees all, others their own.</summary>
    public async Task<IReadOnlyList<KeptHomeView>> ListAsync(Actor actor, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var rows = await Of(db, actor)
            .AsNoTracking()
            .Join(db.Clusters, w => w.ClusterId, c => c.Id, (w, c) => new { Workload = w, Cluster = c.Name })
            .OrderByDescending(x => x.Workload.DeletedAt)
            .Take(500)
            .Select(x => new
            {
                x.Workload.Id,
                x.Workload.Name,
                x.Workload.OwnerName,
                x.Workload.SpecJson,
                x.Cluster,
                Host = db.Hosts.Where(h => h.Id == x.Workload.HomeHostId).Select(h => h.Name).SingleOrDefault(),
                x.Workload.DeletedAt,
            })
            .ToListAsync(ct);
        return
        [
            .. rows.Select(r => new KeptHomeView(
                r.Id,
                r.Name,
                r.OwnerName,
                StoredSpec.TryRead(r.SpecJson, out _)?.Image ?? "",
                r.Cluster,
                r.Host,
                r.DeletedAt!.Value
            )),
        ];
    }

    /// <summary>Removes it from its host, for ever.</summary>
    public Task<Outcome<long>> DiscardAsync(Actor actor, long id, CancellationToken ct) =>
        VerbTransaction.RunAsync<long>(
            databases,
            async db =>
            {
                await db.LockWorkloadAsync(id, ct);
                if (await Of(db, actor).SingleOrDefaultAsync(w => w.Id == id, ct) is not { } workload)
                {
                    return new Outcome<long>.NotFound();
                }
                var now = time.GetUtcNow();
                workload.HomeDiscarded = true;
                db.AddEvent(workload, now, actor.UserName, "home-discarded", Reason.None, "its kept home goes");
                db.AddAudit(
                    now,
                    actor.UserName,
                    "home.delete",
                    string.Create(CultureInfo.InvariantCulture, $"home of environment {id}")
                );
                db.Tell(ChangeKind.Queue);
                return new Outcome<long>.Done(id);
            },
            ct
        );

    /// <summary>
    /// In the transaction that makes its next environment: from then on it is that one's, and of two that ask at once the
    /// second is refused.
    /// </summary>
    internal static async Task<(KeptHome? Home, string Refused)> TakeAsync(
        ConsoleDb db,
        Actor actor,
        long id,
        Guid clusterId,
        CancellationToken ct
    )
    {
        var row = await db.LockWorkloadAsync(id, ct);
        var (home, refused) = await FindAsync(db, actor, id, clusterId, ct);
        if (home is not null)
        {
            row!.HomeHostId = null;
        }
        return (home, refused);
    }

    /// <summary>The home, or why it cannot be had, as a sentence.</summary>
    internal static async Task<(KeptHome? Home, string Refused)> FindAsync(
        ConsoleDb db,
        Actor actor,
        long id,
        Guid clusterId,
        CancellationToken ct
    )
    {
        var kept = await Of(db, actor)
            .AsNoTracking()
            // An admin's environment with somebody else's home would be a way into it
            .SingleOrDefaultAsync(w => w.Id == id && w.OwnerId == actor.UserId, ct);
        if (kept is null)
        {
            return (
                null,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"You have no kept home of an environment {id}; GET /api/v1/homes lists those that you have."
                )
            );
        }
        var host = await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Id == kept.HomeHostId, ct);
        if (host is null)
        {
            return (null, "The host that it lies on was taken out; an environment with an empty home can be made.");
        }
        if (host.ClusterId != clusterId)
        {
            return (
                null,
                $"It lies on the host {host.Name}, which is not in this cluster; choose that host's cluster."
            );
        }
        var madeFor = StoredSpec.TryRead(kept.SpecJson, out _)?.Environment?.Home ?? kept.Id;
        return (new KeptHome(kept.Id, kept.Name, madeFor, host.Id), "");
    }

    /// <summary>Kept, and nothing writes to it any more.</summary>
    private static IQueryable<Workload> Of(ConsoleDb db, Actor actor) =>
        db.Workloads.Where(w =>
            w.Kind == WorkloadKind.Environment
            && w.DeletedAt != null
            && w.HomeHostId != null
            && !w.HomeDiscarded
            && (actor.IsAdmin || w.OwnerId == actor.UserId)
            && !db.Attempts.Any(a => a.WorkloadId == w.Id && !a.ContainerRemoved)
        );
}
