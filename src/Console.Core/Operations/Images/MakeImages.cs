using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Images;

/// <summary>Keeps an environment as it is now as an image of its owner's: everything but its home. In the background.</summary>
public sealed class SnapshotEnvironment(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<ImageTaskView>> RunAsync(Actor actor, long id, SnapshotInput wanted, CancellationToken ct) =>
        VerbTransaction.RunAsync<ImageTaskView>(
            databases,
            async db =>
            {
                var w = await db.LockWorkloadAsync(id, ct);
                if (w is not { Kind: WorkloadKind.Environment, DeletedAt: null } || !Verb.MaySee(actor, w.OwnerId))
                {
                    return new Outcome<ImageTaskView>.NotFound();
                }
                if (ImageInputs.Check(wanted) is { Count: > 0 } errors)
                {
                    return new Outcome<ImageTaskView>.Refused(errors);
                }
                var attempt = await db
                    .Attempts.AsNoTracking()
                    .Where(a => a.WorkloadId == id && !a.ContainerRemoved && a.ContainerId != null)
                    .OrderByDescending(a => a.Id)
                    .FirstOrDefaultAsync(ct);
                if (attempt is null)
                {
                    return new Outcome<ImageTaskView>.Conflict(
                        $"Environment {id} is {w.State} and has no container; start it, and take the snapshot while it runs."
                    );
                }
                if (await ImageNaming.IsTakenAsync(db, wanted.Name, ct))
                {
                    return new Outcome<ImageTaskView>.Conflict(ImageNaming.Taken(wanted.Name));
                }
                var now = time.GetUtcNow();
                var host = await db.Hosts.AsNoTracking().SingleAsync(h => h.Id == attempt.HostId, ct);
                var spec = StoredSpec.Read(w.SpecJson);
                var origin = await ImageChecks.FindAsync(db, actor, spec.Image, ct);
                var task = ImageTaskRows.Make(ImageTaskKind.Snapshot, actor, "", host, now);
                task.Wish = new ImageWish(
                    wanted.Name,
                    origin?.Framework ?? spec.Image,
                    wanted.Version is { Length: > 0 } version ? version : origin?.FrameworkVersion ?? "",
                    origin?.Python ?? "",
                    origin?.Cuda ?? "",
                    origin?.Features ?? [],
                    wanted.Description ?? $"Snapshot of environment {w.Name}, made from {spec.Image}",
                    id,
                    attempt.Id
                );
                db.AddEvent(
                    w,
                    now,
                    actor.UserName,
                    "snapshot",
                    Reason.None,
                    $"asked to keep it as the image {wanted.Name}; it is paused for a moment"
                );
                return await ImageNaming.SaveAsync(
                    db,
                    task,
                    wanted.Version ?? "",
                    "environment.snapshot",
                    $"environment {id}",
                    ct
                );
            },
            ct
        );
}

/// <summary>
/// Has an image built from a Dockerfile. For admins only, which the doors check: a build's programs run as root in containers of
/// the host that reach its network.
/// </summary>
public sealed class BuildImage(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<ImageTaskView>> RunAsync(Actor actor, BuildInput wanted, CancellationToken ct) =>
        VerbTransaction.RunAsync<ImageTaskView>(
            databases,
            async db =>
            {
                var errors = ImageInputs.Check(wanted);
                var host = await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Name == wanted.Host, ct);
                if (host is null)
                {
                    errors.Add(new SpecError("host", $"There is no host {SpecText.Quote(wanted.Host ?? "")}."));
                }
                if (wanted.Code is { } code && !await db.CodeArchives.AnyAsync(c => c.Digest == code, ct))
                {
                    errors.Add(
                        new SpecError("code", "No code with this digest was uploaded; POST it to /api/v1/code first.")
                    );
                }
                if (errors.Count > 0)
                {
                    return new Outcome<ImageTaskView>.Refused(errors);
                }
                if (await ImageNaming.IsTakenAsync(db, wanted.Name, ct))
                {
                    return new Outcome<ImageTaskView>.Conflict(ImageNaming.Taken(wanted.Name));
                }
                var now = time.GetUtcNow();
                var task = ImageTaskRows.Make(ImageTaskKind.Build, actor, "", host!, now);
                task.Wish = new ImageWish(
                    wanted.Name,
                    wanted.Framework is { Length: > 0 } framework ? framework : wanted.Name,
                    wanted.FrameworkVersion ?? "",
                    wanted.Python ?? "",
                    wanted.Cuda ?? "",
                    [.. (wanted.Features ?? []).Distinct()],
                    wanted.Description ?? "",
                    Dockerfile: wanted.Dockerfile,
                    Code: wanted.Code
                );
                return await ImageNaming.SaveAsync(
                    db,
                    task,
                    wanted.FrameworkVersion ?? "",
                    "image.build",
                    $"image {wanted.Name}",
                    ct
                );
            },
            ct
        );
}

/// <summary>Names of images that are being made: free in the catalogue, and in no other task.</summary>
internal static class ImageNaming
{
    public static string Taken(string name) =>
        $"There is an image \"{name}\" in the catalogue already, or one being made.";

    public static async Task<bool> IsTakenAsync(ConsoleDb db, string name, CancellationToken ct)
    {
        await db.Database.ExecuteSqlAsync($"select pg_advisory_xact_lock(hashtextextended({"image " + name}, 0))", ct);
        return await db.Images.AnyAsync(i => i.Name == name, ct)
            || await db
                .Database.SqlQuery<int>(
                    $"""
                    select 1 as "Value" from image_tasks
                    where state in ('Waiting','Running') and wish->>'name' = {name} limit 1
                    """
                )
                .AnyAsync(ct);
    }

    /// <summary>The task's id is part of the tag of what it makes.</summary>
    public static async Task<Outcome<ImageTaskView>> SaveAsync(
        ConsoleDb db,
        ImageTask task,
        string version,
        string action,
        string target,
        CancellationToken ct
    )
    {
        db.ImageTasks.Add(task);
        await db.SaveChangesAsync(ct);
        task.Reference = MadeImages.Reference(task.Wish!.Name, version, task.Id);
        db.AddAudit(task.CreatedAt, task.ActorName, action, target);
        db.Tell(ChangeKind.Image, task.Id);
        await db.SaveChangesAsync(ct);
        return new Outcome<ImageTaskView>.Done(
            (await ImageQueries.ViewAsync(db, db.ImageTasks.AsNoTracking().Where(t => t.Id == task.Id), ct)).Single()
        );
    }
}
