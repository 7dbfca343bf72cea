using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace DeepLab.Core.Operations.History;

/// <param name="Team">whose members see it too; null = its owner alone</param>
/// <param name="Mine">the reader may change and remove it</param>
public sealed record SavedViewRow(Guid Id, string Name, string Query, string Owner, string? Team, bool Mine);

/// <param name="Team">one of the owner's; null = nobody else sees it</param>
public sealed record SavedViewInput(string? Name = null, string? Query = null, string? Team = null);

/// <summary>Searches under names. What one of them finds is still what its reader may see.</summary>
public sealed class SavedViews(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public const int LongestName = 60;

    /// <summary>Of one user.</summary>
    public const int Most = 100;

    /// <summary>One's own, then those that one's teams share, by name.</summary>
    public async Task<IReadOnlyList<SavedViewRow>> ListAsync(Actor actor, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await Rows(db, actor, db.SavedViews.AsNoTracking()).ToListAsync(ct);
    }

    /// <param name="id">the one that is changed; null = a new one</param>
    public async Task<Outcome<SavedViewRow>> SaveAsync(
        Actor actor,
        Guid? id,
        SavedViewInput given,
        CancellationToken ct
    )
    {
        try
        {
            return await VerbTransaction.RunAsync<SavedViewRow>(
                databases,
                db => SaveAsync(db, actor, id, given, ct),
                ct
            );
        }
        catch (DbUpdateException e)
            when (e.InnerException is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation })
        {
            // Somebody's other window was first
            return new Outcome<SavedViewRow>.Refused([Taken(given.Name!)]);
        }
    }

    public Task<Outcome<Guid>> RemoveAsync(Actor actor, Guid id, CancellationToken ct) =>
        VerbTransaction.RunAsync<Guid>(
            databases,
            async db =>
            {
                var removed = await db
                    .SavedViews.Where(v => v.Id == id && v.OwnerId == actor.UserId)
                    .ExecuteDeleteAsync(ct);
                if (removed == 0)
                {
                    return new Outcome<Guid>.NotFound();
                }
                db.AddAudit(time.GetUtcNow(), actor.UserName, "view.remove", $"view {id}");
                return new Outcome<Guid>.Done(id);
            },
            ct
        );

    private async Task<Outcome<SavedViewRow>> SaveAsync(
        ConsoleDb db,
        Actor actor,
        Guid? id,
        SavedViewInput given,
        CancellationToken ct
    )
    {
        // One's own rows alone are written, one after the other
        await db.Database.ExecuteSqlAsync($"select 1 from users where id = {actor.UserId} for update", ct);
        var mine = await db.SavedViews.Where(v => v.OwnerId == actor.UserId).ToListAsync(ct);
        var view = mine.Find(v => v.Id == id);
        if (id is not null && view is null)
        {
            return new Outcome<SavedViewRow>.NotFound();
        }
        var errors = Check(given);
        var name = given.Name?.Trim() ?? "";
        if (mine.Exists(v => v.Name == name && v != view))
        {
            errors.Add(Taken(name));
        }
        if (view is null && mine.Count >= Most)
        {
            errors.Add(
                new SpecError("name", $"There are {Most} views of yours, which is all there may be; remove one.")
            );
        }
        var team = given.Team is { Length: > 0 } wanted ? await TeamAsync(db, actor, wanted, ct) : null;
        if (given.Team is { Length: > 0 } && team is null)
        {
            errors.Add(new SpecError("team", $"There is no team {SpecText.Quote(given.Team)} that you are in."));
        }
        if (errors.Count > 0)
        {
            return new Outcome<SavedViewRow>.Refused(errors);
        }
        if (view is null)
        {
            view = new SavedView
            {
                Id = Guid.CreateVersion7(),
                OwnerId = actor.UserId,
                OwnerName = actor.UserName,
                Name = name,
                Query = "",
                CreatedAt = time.GetUtcNow(),
            };
            db.SavedViews.Add(view);
        }
        (view.Name, view.Query, view.TeamId) = (name, given.Query!.Trim(), team);
        db.AddAudit(time.GetUtcNow(), actor.UserName, "view.save", $"view {view.Id}");
        await db.SaveChangesAsync(ct);
        var row = await Rows(db, actor, db.SavedViews.AsNoTracking().Where(v => v.Id == view.Id)).SingleAsync(ct);
        return new Outcome<SavedViewRow>.Done(row);
    }

    private List<SpecError> Check(SavedViewInput given)
    {
        var errors = new List<SpecError>();
        if (string.IsNullOrWhiteSpace(given.Name))
        {
            errors.Add(new SpecError("name", "It is missing; a name such as \"failed last week\" is needed."));
        }
        else if (given.Name.Trim().Length > LongestName || given.Name.Any(char.IsControl))
        {
            errors.Add(new SpecError("name", $"1 to {LongestName} characters without control characters are allowed."));
        }
        if (string.IsNullOrWhiteSpace(given.Query))
        {
            errors.Add(
                new SpecError("query", "It is missing; a search such as \"state:failed submitted:7d\" is needed.")
            );
        }
        else
        {
            var read = SearchQuery.Read(given.Query, time.GetUtcNow());
            errors.AddRange(read.Errors.Select(e => e with { Path = "query" }));
        }
        return errors;
    }

    private static SpecError Taken(string name) =>
        new("name", $"There is a view {SpecText.Quote(name)} of yours already; choose another name.");

    private static Task<Guid?> TeamAsync(ConsoleDb db, Actor actor, string name, CancellationToken ct) =>
        db
            .Teams.Where(t =>
                t.Name == name
                && (actor.IsAdmin || db.TeamMembers.Any(m => m.TeamId == t.Id && m.UserId == actor.UserId))
            )
            .Select(t => (Guid?)t.Id)
            .SingleOrDefaultAsync(ct);

    private static IQueryable<SavedViewRow> Rows(ConsoleDb db, Actor actor, IQueryable<SavedView> views) =>
        views
            .Where(v =>
                v.OwnerId == actor.UserId || db.TeamMembers.Any(m => m.TeamId == v.TeamId && m.UserId == actor.UserId)
            )
            .OrderByDescending(v => v.OwnerId == actor.UserId)
            .ThenBy(v => v.Name)
            .ThenBy(v => v.Id)
            .Select(v => new SavedViewRow(
                v.Id,
                v.Name,
                v.Query,
                v.OwnerName,
                db.Teams.Where(t => t.Id == v.TeamId).Select(t => t.Name).SingleOrDefault(),
                v.OwnerId == actor.UserId
            ));
}
