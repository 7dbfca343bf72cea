using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Images;

/// <summary>Has images pulled, copied and taken away, in the background. Pulling and pruning is for admins: the doors check that.</summary>
public sealed class ImageTaskVerbs(IDbContextFactory<ConsoleDb> databases, ConsoleOptions options, TimeProvider time)
{
    public const int MostHosts = 1000;

    /// <summary>What nobody used for as long may be pruned, unless another time is asked for.</summary>
    public static TimeSpan UnusedFor { get; } = TimeSpan.FromDays(30);

    /// <summary>Pulls an entry's image to hosts, by their names. One that is on its way to a host already is not pulled twice.</summary>
    public Task<Outcome<IReadOnlyList<ImageTaskView>>> PullAsync(
        Actor actor,
        string name,
        IReadOnlyList<string>? hosts,
        CancellationToken ct
    ) =>
        OnHostsAsync(
            actor,
            hosts,
            async db => await db.Images.AsNoTracking().VisibleTo(actor).SingleOrDefaultAsync(i => i.Name == name, ct),
            image =>
                image.Origin == ImageOrigin.Listed
                    ? null
                    : $"The image {name} was made here, and no registry has it; have it copied instead.",
            (_, image, host) => Task.FromResult((ImageTask?)Row(ImageTaskKind.Pull, actor, image.Reference, host)),
            ct
        );

    /// <summary>Copies an entry's image to hosts from one that has it, through the console.</summary>
    public Task<Outcome<IReadOnlyList<ImageTaskView>>> CopyAsync(
        Actor actor,
        string name,
        IReadOnlyList<string>? hosts,
        CancellationToken ct
    ) =>
        OnHostsAsync(
            actor,
            hosts,
            db => ImageVerbs.FindOwnAsync(db, actor, name, ct),
            _ => null,
            async (db, image, host) =>
            {
                var listed = ImageQueries.Familiar(image.Reference);
                var from = await db
                    .Hosts.AsNoTracking()
                    .Where(h => h.Images.Contains(listed) && h.Id != host.Id)
                    .OrderBy(h => h.UnreachableSince != null)
                    .ThenBy(h => h.Name)
                    .FirstOrDefaultAsync(ct);
                if (from is null)
                {
                    return null;
                }
                var row = Row(ImageTaskKind.Copy, actor, image.Reference, host);
                row.FromHostId = from.Id;
                row.Message = $"waits to be copied from {from.Name}";
                return row;
            },
            ct
        );

    /// <summary>Asks for the end of a task; one that is over stays as it is.</summary>
    public Task<Outcome<long>> CancelAsync(Actor actor, long id, CancellationToken ct) =>
        VerbTransaction.RunAsync<long>(
            databases,
            async db =>
            {
                var task = await db
                    .ImageTasks.FromSql($"select * from image_tasks where id = {id} for update")
                    .SingleOrDefaultAsync(ct);
                if (task is null || !Verb(actor, task))
                {
                    return new Outcome<long>.NotFound();
                }
                if (task.IsOver)
                {
                    return new Outcome<long>.Done(id);
                }
                task.CancelWanted = true;
                if (task.State == ImageTaskState.Waiting)
                {
                    task.State = ImageTaskState.Cancelled;
                    task.Message = $"cancelled by {actor.UserName}";
                    task.EndedAt = time.GetUtcNow();
                }
                db.AddAudit(time.GetUtcNow(), actor.UserName, "image-task.cancel", $"image task {id}");
                db.Tell(ChangeKind.Image, id);
                return new Outcome<long>.Done(id);
            },
            ct
        );

    /// <summary>Images that were made here and could go: nothing names them, and nothing used them for a while.</summary>
    public async Task<IReadOnlyList<PruneRow>> PrunableAsync(TimeSpan unusedFor, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await PrunableAsync(db, time.GetUtcNow() - unusedFor, ct);
    }

    /// <summary>Takes them away; what came to be used meanwhile stays. Answers the tasks.</summary>
    public Task<Outcome<IReadOnlyList<ImageTaskView>>> PruneAsync(
        Actor actor,
        TimeSpan unusedFor,
        CancellationToken ct
    ) =>
        VerbTransaction.RunAsync<IReadOnlyList<ImageTaskView>>(
            databases,
            async db =>
            {
                var now = time.GetUtcNow();
                var rows = new List<ImageTask>();
                var found = await PrunableAsync(db, now - unusedFor, ct);
                var names = found.Select(r => r.Host).Distinct().ToArray();
                var hosts = await db
                    .Hosts.AsNoTracking()
                    .Where(h => names.Contains(h.Name))
                    .ToDictionaryAsync(h => h.Name, ct);
                foreach (var row in found)
                {
                    var task = Row(ImageTaskKind.Remove, actor, row.Reference, hosts[row.Host]);
                    rows.Add(await ImageTaskRows.JoinAsync(db, task, ct));
                }
                db.AddAudit(now, actor.UserName, "image.prune", $"{rows.Count} images");
                return await SavedAsync(db, rows, ct);
            },
            ct
        );

    /// <summary>Of those that were made here alone.</summary>
    private async Task<IReadOnlyList<PruneRow>> PrunableAsync(
        ConsoleDb db,
        DateTimeOffset usedBefore,
        CancellationToken ct
    ) =>
        [
            .. (await UnusedImages.FindAsync(db, [ImageSource.Made], usedBefore, options.ProbeImage, ct)).Select(
                u => new PruneRow(u.Reference, u.Host, u.LastUsedAt)
            ),
        ];

    private static bool Verb(Actor actor, ImageTask task) => actor.IsAdmin || task.ActorId == actor.UserId;

    private ImageTask Row(ImageTaskKind kind, Actor actor, string reference, Clusters.Host host) =>
        ImageTaskRows.Make(kind, actor, reference, host, time.GetUtcNow());

    private Task<Outcome<IReadOnlyList<ImageTaskView>>> OnHostsAsync(
        Actor actor,
        IReadOnlyList<string>? hosts,
        Func<ConsoleDb, Task<CatalogueImage?>> find,
        Func<CatalogueImage, string?> whyNot,
        Func<ConsoleDb, CatalogueImage, Clusters.Host, Task<ImageTask?>> make,
        CancellationToken ct
    ) =>
        VerbTransaction.RunAsync<IReadOnlyList<ImageTaskView>>(
            databases,
            async db =>
            {
                if (await find(db) is not { } image)
                {
                    return new Outcome<IReadOnlyList<ImageTaskView>>.NotFound();
                }
                if (whyNot(image) is { } conflict)
                {
                    return new Outcome<IReadOnlyList<ImageTaskView>>.Conflict(conflict);
                }
                var (errors, found) = await HostsAsync(db, hosts, ct);
                if (errors.Count > 0)
                {
                    return new Outcome<IReadOnlyList<ImageTaskView>>.Refused(errors);
                }
                var rows = new List<ImageTask>();
                foreach (var host in found)
                {
                    if (await make(db, image, host) is not { } row)
                    {
                        return new Outcome<IReadOnlyList<ImageTaskView>>.Conflict(
                            $"No other host than {host.Name} has the image {image.Name}."
                        );
                    }
                    rows.Add(await ImageTaskRows.JoinAsync(db, row, ct));
                }
                var kind = rows[0].Kind == ImageTaskKind.Pull ? "image.pull" : "image.copy";
                db.AddAudit(
                    time.GetUtcNow(),
                    actor.UserName,
                    kind,
                    $"image {image.Name} to {string.Join(", ", found.Select(h => h.Name))}"
                );
                return await SavedAsync(db, rows, ct);
            },
            ct
        );

    private static async Task<(List<SpecError> Errors, List<Clusters.Host> Hosts)> HostsAsync(
        ConsoleDb db,
        IReadOnlyList<string>? names,
        CancellationToken ct
    )
    {
        if (names is not { Count: > 0 and <= MostHosts })
        {
            return ([new SpecError("hosts", $"1 to {MostHosts:N0} names of hosts are wanted.")], []);
        }
        var asked = names.Distinct(StringComparer.Ordinal).ToArray();
        var found = await db
            .Hosts.AsNoTracking()
            .Where(h => asked.Contains(h.Name))
            .OrderBy(h => h.Name)
            .ToListAsync(ct);
        var errors = names
            .Select((n, i) => (Name: n, Index: i))
            .Where(x => found.TrueForAll(h => h.Name != x.Name))
            .Select(x => new SpecError($"hosts[{x.Index}]", $"There is no host {SpecText.Quote(x.Name ?? "")}."))
            .ToList();
        return (errors, found);
    }

    private static async Task<Outcome<IReadOnlyList<ImageTaskView>>> SavedAsync(
        ConsoleDb db,
        List<ImageTask> rows,
        CancellationToken ct
    )
    {
        await db.SaveChangesAsync(ct);
        db.Tell(ChangeKind.Image);
        var ids = rows.Select(r => r.Id).ToArray();
        return new Outcome<IReadOnlyList<ImageTaskView>>.Done(
            await ImageQueries.ViewAsync(
                db,
                db.ImageTasks.AsNoTracking().Where(t => ids.Contains(t.Id)).OrderBy(t => t.HostName),
                ct
            )
        );
    }
}

/// <summary>Rows of tasks with images.</summary>
internal static class ImageTaskRows
{
    public static ImageTask Make(
        ImageTaskKind kind,
        Actor actor,
        string reference,
        Clusters.Host host,
        DateTimeOffset now
    ) =>
        ImageTask.Waiting(
            kind,
            ImageQueries.Familiar(reference),
            (host.Id, host.Name),
            (actor.UserId, actor.UserName),
            now
        );

    /// <summary>The task that is at work on this image on this host already, or else the new one.</summary>
    public static async Task<ImageTask> JoinAsync(ConsoleDb db, ImageTask task, CancellationToken ct)
    {
        // Two that ask at once: the second waits here for the first
        await db.Database.ExecuteSqlAsync(
            $"select pg_advisory_xact_lock(hashtextextended({task.HostId.ToString() + task.Reference}, 0))",
            ct
        );
        var open = await db
            .ImageTasks.Where(t =>
                t.HostId == task.HostId
                && t.Reference == task.Reference
                && (t.State == ImageTaskState.Waiting || t.State == ImageTaskState.Running)
            )
            .SingleOrDefaultAsync(ct);
        if (open is not null)
        {
            return open;
        }
        db.ImageTasks.Add(task);
        return task;
    }

    /// <summary>From every host that has it.</summary>
    public static async Task RemoveEverywhereAsync(
        ConsoleDb db,
        Actor actor,
        string reference,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        var hosts = await db.Hosts.AsNoTracking().Where(h => h.Images.Contains(reference)).ToListAsync(ct);
        foreach (var host in hosts)
        {
            await JoinAsync(db, Make(ImageTaskKind.Remove, actor, reference, host, now), ct);
        }
    }
}
