using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Images;

/// <summary>Entries of the catalogue. Entering and editing is for admins: the doors check that. An owner shares and removes their own.</summary>
public sealed class ImageVerbs(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<string>> AddAsync(Actor actor, ImageInput wanted, CancellationToken ct) =>
        VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                if (ImageInputs.Check(wanted) is { Count: > 0 } errors)
                {
                    return new Outcome<string>.Refused(errors);
                }
                if (await ImageNaming.IsTakenAsync(db, wanted.Name, ct))
                {
                    return new Outcome<string>.Conflict(ImageNaming.Taken(wanted.Name));
                }
                var now = time.GetUtcNow();
                var image = new CatalogueImage
                {
                    Id = Guid.CreateVersion7(now),
                    Name = wanted.Name,
                    Reference = wanted.Reference,
                    Framework = wanted.Framework,
                    FrameworkVersion = wanted.FrameworkVersion,
                    CreatedAt = now,
                };
                Write(image, wanted, actor);
                db.Images.Add(image);
                db.AddAudit(now, actor.UserName, "image.add", $"image {wanted.Name}");
                Tell(db);
                return new Outcome<string>.Done(wanted.Name);
            },
            ct
        );

    /// <summary>Its name stays, and so does the reference of an image that was made here.</summary>
    public Task<Outcome<string>> EditAsync(Actor actor, string name, ImageInput wanted, CancellationToken ct) =>
        VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                if (await LockAsync(db, name, ct) is not { } image)
                {
                    return new Outcome<string>.NotFound();
                }
                var errors = ImageInputs.Check(wanted);
                if (image.Origin != ImageOrigin.Listed)
                {
                    errors.RemoveAll(e => e.Path == "reference");
                    if (wanted.Reference != image.Reference)
                    {
                        errors.Add(new SpecError("reference", $"It was made here and stays {image.Reference}."));
                    }
                }
                if (wanted.Name != name)
                {
                    errors.Add(new SpecError("name", $"It stays \"{name}\": specs know it by that."));
                }
                if (errors.Count > 0)
                {
                    return new Outcome<string>.Refused(errors);
                }
                if (wanted.Reference != image.Reference)
                {
                    (image.Reference, image.Pinned, image.Bytes) = (wanted.Reference, null, null);
                }
                Write(image, wanted, actor);
                db.AddAudit(time.GetUtcNow(), actor.UserName, "image.edit", $"image {name}");
                Tell(db);
                return new Outcome<string>.Done(name);
            },
            ct
        );

    /// <summary>What runs with it already goes on when it is shared no more.</summary>
    public Task<Outcome<string>> ShareAsync(Actor actor, string name, bool shared, CancellationToken ct) =>
        VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                if (await FindOwnAsync(db, actor, name, ct) is not { } image)
                {
                    return new Outcome<string>.NotFound();
                }
                if (!shared && image.OwnerId is null)
                {
                    // Else nobody but admins would have it
                    (image.OwnerId, image.OwnerName) = (actor.UserId, actor.UserName);
                }
                image.Shared = shared;
                db.AddAudit(
                    time.GetUtcNow(),
                    actor.UserName,
                    shared ? "image.share" : "image.unshare",
                    $"image {name}"
                );
                Tell(db);
                return new Outcome<string>.Done(name);
            },
            ct
        );

    /// <summary>Takes an entry that nothing names any more out of the catalogue; an image that was made here leaves its hosts too.</summary>
    public Task<Outcome<string>> RemoveAsync(Actor actor, string name, CancellationToken ct) =>
        VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                if (await FindOwnAsync(db, actor, name, ct) is not { } image)
                {
                    return new Outcome<string>.NotFound();
                }
                if (await ImageUses.NamedByAsync(db, image.Name, image.Reference, ct) is { Count: > 0 } uses)
                {
                    return new Outcome<string>.Conflict(
                        $"The image {name} is named by {string.Join(", ", uses)}; delete {(uses.Count == 1 ? "it" : "them")} first, or let {(uses.Count == 1 ? "it" : "them")} end."
                    );
                }
                var now = time.GetUtcNow();
                db.Images.Remove(image);
                if (image.Origin != ImageOrigin.Listed)
                {
                    await ImageTaskRows.RemoveEverywhereAsync(db, actor, image.Reference, now, ct);
                }
                db.AddAudit(now, actor.UserName, "image.remove", $"image {name}");
                Tell(db);
                return new Outcome<string>.Done(name);
            },
            ct
        );

    internal static async Task<CatalogueImage?> FindOwnAsync(
        ConsoleDb db,
        Actor actor,
        string name,
        CancellationToken ct
    ) => await LockAsync(db, name, ct) is { } image && (actor.IsAdmin || image.OwnerId == actor.UserId) ? image : null;

    internal static Task<CatalogueImage?> LockAsync(ConsoleDb db, string name, CancellationToken ct) =>
        db.Images.FromSql($"select * from images where name = {name} for update").SingleOrDefaultAsync(ct);

    private static void Write(CatalogueImage image, ImageInput wanted, Actor actor)
    {
        image.Framework = wanted.Framework;
        image.FrameworkVersion = wanted.FrameworkVersion ?? "";
        image.Python = wanted.Python ?? "";
        image.Cuda = wanted.Cuda ?? "";
        image.Features = [.. (wanted.Features ?? []).Distinct()];
        image.Description = wanted.Description ?? "";
        if (!wanted.Shared && image.OwnerId is null)
        {
            (image.OwnerId, image.OwnerName) = (actor.UserId, actor.UserName);
        }
        image.Shared = wanted.Shared;
    }

    private static void Tell(ConsoleDb db)
    {
        db.Tell(ChangeKind.Image);
        db.Tell(ChangeKind.Queue);
    }
}

/// <summary>Who still needs an image.</summary>
internal static class ImageUses
{
    private sealed record Named(long Id, WorkloadKind Kind, string Name);

    /// <summary>Workloads that have not ended, and environments that may be started again; at most five, for people.</summary>
    public static async Task<IReadOnlyList<string>> NamedByAsync(
        ConsoleDb db,
        string name,
        string reference,
        CancellationToken ct
    )
    {
        var found = await db
            .Workloads.FromSql(
                $"""
                select * from workloads where (pinned_image = {reference} or spec_json->>'image' in ({name}, {reference}))
                """
            )
            .Where(w =>
                (w.Kind == WorkloadKind.Environment && w.DeletedAt == null)
                || (
                    w.State != WorkloadState.Succeeded
                    && w.State != WorkloadState.Failed
                    && w.State != WorkloadState.Stopped
                )
            )
            .OrderBy(w => w.Id)
            .Take(5)
            .Select(w => new Named(w.Id, w.Kind, w.Name))
            .ToListAsync(ct);
        return
        [
            .. found.Select(w => $"{(w.Kind == WorkloadKind.Environment ? "environment" : "job")} {w.Id} ({w.Name})"),
        ];
    }
}
