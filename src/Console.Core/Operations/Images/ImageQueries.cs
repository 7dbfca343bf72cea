using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Images;

/// <summary>Reads of the catalogue and of the tasks with images. Members find what is shared or theirs, admins all.</summary>
public sealed class ImageQueries(IDbContextFactory<ConsoleDb> databases)
{
    private const int TasksShown = 100;

    public async Task<IReadOnlyList<ImageView>> ListAsync(Actor actor, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var images = await db.Images.AsNoTracking().VisibleTo(actor).OrderBy(i => i.Name).ToListAsync(ct);
        var hosts = await db
            .Hosts.AsNoTracking()
            .OrderBy(h => h.Name)
            .Select(h => new { h.Name, h.Images })
            .ToListAsync(ct);
        var having = hosts
            .SelectMany(h => h.Images.Select(i => (Image: i, h.Name)))
            .ToLookup(x => x.Image, x => x.Name, StringComparer.Ordinal);
        return [.. images.Select(i => View(i, actor, [.. having[Familiar(i.Reference)]]))];
    }

    public async Task<ImageView?> FindAsync(Actor actor, string name, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var image = await db.Images.AsNoTracking().VisibleTo(actor).SingleOrDefaultAsync(i => i.Name == name, ct);
        if (image is null)
        {
            return null;
        }
        var listed = Familiar(image.Reference);
        var hosts = await db
            .Hosts.Where(h => h.Images.Contains(listed))
            .OrderBy(h => h.Name)
            .Select(h => h.Name)
            .ToListAsync(ct);
        return View(image, actor, hosts);
    }

    /// <summary>Newest first, at most a hundred.</summary>
    /// <param name="open">only those that are not over</param>
    public async Task<IReadOnlyList<ImageTaskView>> TasksAsync(Actor actor, bool open, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var tasks = Visible(db, actor);
        if (open)
        {
            tasks = tasks.Where(t => t.State == ImageTaskState.Waiting || t.State == ImageTaskState.Running);
        }
        return await ViewAsync(db, tasks.OrderByDescending(t => t.Id).Take(TasksShown), ct);
    }

    public async Task<ImageTaskView?> FindTaskAsync(Actor actor, long id, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return (await ViewAsync(db, Visible(db, actor).Where(t => t.Id == id), ct)).SingleOrDefault();
    }

    /// <summary>What a build said so far; null where there is no such task.</summary>
    public async Task<string?> LogAsync(Actor actor, long id, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await Visible(db, actor).Where(t => t.Id == id).Select(t => t.Log).SingleOrDefaultAsync(ct);
    }

    internal static IQueryable<ImageTask> Visible(ConsoleDb db, Actor actor) =>
        actor.IsAdmin
            ? db.ImageTasks.AsNoTracking()
            : db.ImageTasks.AsNoTracking().Where(t => t.ActorId == actor.UserId);

    internal static async Task<List<ImageTaskView>> ViewAsync(
        ConsoleDb db,
        IQueryable<ImageTask> tasks,
        CancellationToken ct
    )
    {
        var rows = await tasks
            .Select(t => new
            {
                Task = new
                {
                    t.Id,
                    t.Kind,
                    t.State,
                    t.Reference,
                    t.HostName,
                    t.Fraction,
                    t.Message,
                    t.ActorName,
                    t.CreatedAt,
                    t.StartedAt,
                    t.EndedAt,
                    t.Wish,
                },
                Name = db
                    .Images.Where(i => i.Reference == t.Reference)
                    .OrderBy(i => i.Name)
                    .Select(i => i.Name)
                    .FirstOrDefault(),
            })
            .ToListAsync(ct);
        return
        [
            .. rows.Select(r => new ImageTaskView(
                r.Task.Id,
                r.Task.Kind,
                r.Task.State,
                r.Task.Wish?.Name ?? r.Name ?? r.Task.Reference,
                r.Task.Reference,
                r.Task.HostName,
                r.Task.Fraction,
                r.Task.Message,
                r.Task.ActorName,
                r.Task.CreatedAt,
                r.Task.StartedAt,
                r.Task.EndedAt
            )),
        ];
    }

    /// <summary>As engines list it; what is no reference stays as it is.</summary>
    internal static string Familiar(string reference) => ImageReference.FamiliarOf(reference);

    private static ImageView View(CatalogueImage i, Actor actor, IReadOnlyList<string> hosts) =>
        new(i.Id, i.Name, i.Reference, i.Framework, i.FrameworkVersion, i.Features, i.Description)
        {
            Python = i.Python,
            Cuda = i.Cuda,
            Origin = i.Origin,
            Owner = i.OwnerId is null ? null : i.OwnerName,
            Shared = i.Shared,
            Mine = actor.IsAdmin || i.OwnerId == actor.UserId,
            Bytes = i.Bytes,
            Pinned = i.Pinned,
            Hosts = hosts,
            WorkloadId = i.WorkloadId,
            CreatedAt = i.CreatedAt,
        };
}
