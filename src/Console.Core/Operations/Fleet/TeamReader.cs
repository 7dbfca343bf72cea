using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Fleet;

/// <summary>Which team a workload counts for.</summary>
public static class TeamReader
{
    /// <summary>
    /// The named team, if the actor is in it or an admin; without a name, the first of the actor's own by name, or the
    /// team of everyone. Null where there is no such team for the actor.
    /// </summary>
    public static async Task<Team?> OfAsync(ConsoleDb db, Actor actor, string? name, CancellationToken ct)
    {
        var mine = db.TeamMembers.Where(m => m.UserId == actor.UserId).Select(m => m.TeamId);
        var teams = db.Teams.AsNoTracking();
        if (name is null)
        {
            return await teams.Where(t => mine.Contains(t.Id)).OrderBy(t => t.Name).FirstOrDefaultAsync(ct)
                ?? await teams.SingleOrDefaultAsync(t => t.Name == Team.Everyone, ct);
        }
        return await teams.SingleOrDefaultAsync(
            t => t.Name == name && (actor.IsAdmin || t.Name == Team.Everyone || mine.Contains(t.Id)),
            ct
        );
    }

    /// <summary>Names of the teams that the actor may submit for, at most 20.</summary>
    public static Task<List<string>> NamesAsync(ConsoleDb db, Actor actor, CancellationToken ct)
    {
        var mine = db.TeamMembers.Where(m => m.UserId == actor.UserId).Select(m => m.TeamId);
        return db
            .Teams.AsNoTracking()
            .Where(t => actor.IsAdmin || t.Name == Team.Everyone || mine.Contains(t.Id))
            .OrderBy(t => t.Name)
            .Select(t => t.Name)
            .Take(20)
            .ToListAsync(ct);
    }
}
