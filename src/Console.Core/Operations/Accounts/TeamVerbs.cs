using System.Text.RegularExpressions;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Accounts;

/// <param name="Held">GPUs held now</param>
/// <param name="RecentGpuHours">what it lately used, decayed by its half-life</param>
public sealed record TeamView(
    string Name,
    double Weight,
    Quota Quota,
    int Held,
    int Queued,
    double RecentGpuHours,
    IReadOnlyList<string> Members
);

/// <summary>What a team is to be; null = as it is.</summary>
public sealed record TeamChange(double? Weight, Quota? Quota, IReadOnlyList<string>? Members);

/// <summary>Makes, changes and removes teams. For admins; the doors check that.</summary>
public sealed partial class TeamVerbs(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public const int MostMembers = 1000;

    public async Task<Outcome<string>> CreateAsync(Actor actor, string name, TeamChange wanted, CancellationToken ct)
    {
        var errors = Check(wanted);
        if (!NamePattern().IsMatch(name))
        {
            errors.Insert(
                0,
                new SpecError(
                    "name",
                    "1 to 63 small letters, digits, '-', '_' and '.' are allowed, beginning with a letter or digit."
                )
            );
        }
        return await VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                var members = await MembersAsync(db, wanted.Members, errors, ct);
                if (errors.Count > 0)
                {
                    return new Outcome<string>.Refused(errors);
                }
                if (await db.Teams.AnyAsync(t => t.Name == name, ct))
                {
                    return new Outcome<string>.Conflict($"There is a team \"{name}\" already.");
                }
                var now = time.GetUtcNow();
                var team = new Team
                {
                    Id = Guid.CreateVersion7(now),
                    Name = name,
                    RecentUseAt = now,
                    CreatedAt = now,
                };
                db.Teams.Add(team);
                Apply(db, team, wanted, members);
                Tell(db, actor, "team.create", name, now);
                return new Outcome<string>.Done(name);
            },
            ct
        );
    }

    public async Task<Outcome<string>> ChangeAsync(Actor actor, string name, TeamChange wanted, CancellationToken ct)
    {
        var errors = Check(wanted);
        return await VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                if (await LockAsync(db, name, ct) is not { } team)
                {
                    return new Outcome<string>.NotFound();
                }
                if (name == Team.Everyone && wanted.Members is not null)
                {
                    errors.Add(
                        new SpecError(
                            "members",
                            "Everyone who is in no team is in this one; it has no list of its own."
                        )
                    );
                }
                var members = await MembersAsync(db, wanted.Members, errors, ct);
                if (errors.Count > 0)
                {
                    return new Outcome<string>.Refused(errors);
                }
                if (wanted.Members is not null)
                {
                    await db.TeamMembers.Where(m => m.TeamId == team.Id).ExecuteDeleteAsync(ct);
                }
                Apply(db, team, wanted, members);
                Tell(db, actor, "team.change", name, time.GetUtcNow());
                return new Outcome<string>.Done(name);
            },
            ct
        );
    }

    /// <summary>Only a team without jobs that wait or run; the history keeps its name.</summary>
    public Task<Outcome<string>> DeleteAsync(Actor actor, string name, CancellationToken ct) =>
        VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                if (await LockAsync(db, name, ct) is not { } team)
                {
                    return new Outcome<string>.NotFound();
                }
                if (name == Team.Everyone)
                {
                    return new Outcome<string>.Conflict("The team of everyone stays; it holds who is in no other.");
                }
                var live = await db.Workloads.CountAsync(
                    w =>
                        w.TeamId == team.Id
                        && w.State != WorkloadState.Succeeded
                        && w.State != WorkloadState.Failed
                        && w.State != WorkloadState.Stopped,
                    ct
                );
                if (live > 0)
                {
                    return new Outcome<string>.Conflict(
                        $"Team {name} has {live} {(live == 1 ? "job that waits or runs" : "jobs that wait or run")}; stop them first."
                    );
                }
                await db.TeamMembers.Where(m => m.TeamId == team.Id).ExecuteDeleteAsync(ct);
                db.Teams.Remove(team);
                Tell(db, actor, "team.delete", name, time.GetUtcNow());
                return new Outcome<string>.Done(name);
            },
            ct
        );

    /// <summary>All teams for an admin; for a member those the member may submit for.</summary>
    public async Task<IReadOnlyList<TeamView>> ListAsync(Actor actor, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var mine = db.TeamMembers.Where(m => m.UserId == actor.UserId).Select(m => m.TeamId);
        var teams = await db
            .Teams.AsNoTracking()
            .Where(t => actor.IsAdmin || t.Name == Team.Everyone || mine.Contains(t.Id))
            .OrderBy(t => t.Name)
            .ToListAsync(ct);
        var members = (
            await db
                .TeamMembers.Join(db.Users, m => m.UserId, u => u.Id, (m, u) => new { m.TeamId, u.UserName })
                .OrderBy(m => m.UserName)
                .ToListAsync(ct)
        ).ToLookup(m => m.TeamId, m => m.UserName);
        var live = await db
            .Workloads.Where(w =>
                w.State != WorkloadState.Succeeded
                && w.State != WorkloadState.Failed
                && w.State != WorkloadState.Stopped
            )
            .GroupBy(w => w.TeamId)
            .Select(g => new
            {
                g.Key,
                Held = g.Sum(w => w.GpusHeld),
                Queued = g.Count(w => w.State == WorkloadState.Queued),
            })
            .ToDictionaryAsync(g => g.Key, ct);
        var now = time.GetUtcNow();
        return
        [
            .. teams.Select(t => new TeamView(
                t.Name,
                t.Weight,
                t.Quota,
                live.GetValueOrDefault(t.Id)?.Held ?? 0,
                live.GetValueOrDefault(t.Id)?.Queued ?? 0,
                Math.Round(t.RecentAt(now) / 3600, 3),
                [.. members[t.Id]]
            )),
        ];
    }

    private static Task<Team?> LockAsync(ConsoleDb db, string name, CancellationToken ct) =>
        db.Teams.FromSql($"select * from teams where name = {name} for update").SingleOrDefaultAsync(ct);

    private static void Apply(ConsoleDb db, Team team, TeamChange wanted, IReadOnlyList<Guid> members)
    {
        team.Weight = wanted.Weight ?? team.Weight;
        team.Quota = wanted.Quota ?? team.Quota;
        db.TeamMembers.AddRange(members.Select(m => new TeamMember { TeamId = team.Id, UserId = m }));
    }

    private static async Task<IReadOnlyList<Guid>> MembersAsync(
        ConsoleDb db,
        IReadOnlyList<string>? names,
        List<SpecError> errors,
        CancellationToken ct
    )
    {
        if (names is null || names.Count > MostMembers)
        {
            return [];
        }
        var wanted = names.Distinct(StringComparer.Ordinal).ToArray();
        var found = await db
            .Users.Where(u => wanted.Contains(u.UserName))
            .Select(u => new { u.Id, u.UserName })
            .ToListAsync(ct);
        var unknown = names.Select((n, i) => (n, i)).Where(x => found.All(f => f.UserName != x.n));
        errors.AddRange(unknown.Select(x => new SpecError($"members[{x.i}]", $"There is no user \"{x.n}\".")));
        return [.. found.Select(f => f.Id)];
    }

    private static List<SpecError> Check(TeamChange wanted)
    {
        var errors = new List<SpecError>();
        if (wanted.Weight is { } weight && !(weight >= 0.01 && weight <= 1000))
        {
            errors.Add(new SpecError("weight", "A number from 0.01 to 1,000 is allowed."));
        }
        if (wanted.Members?.Count > MostMembers)
        {
            errors.Add(new SpecError("members", $"At most {MostMembers:N0} names are allowed."));
        }
        errors.AddRange(QuotaChecks.Run(wanted.Quota));
        return errors;
    }

    private static void Tell(ConsoleDb db, Actor actor, string action, string name, DateTimeOffset now)
    {
        db.AddAudit(now, actor.UserName, action, $"team {name}");
        db.Tell(ChangeKind.Queue);
        db.Tell(ChangeKind.Account);
    }

    [GeneratedRegex(@"^[a-z0-9][a-z0-9._-]{0,62}\z", RegexOptions.NonBacktracking)]
    private static partial Regex NamePattern();
}

internal static class QuotaChecks
{
    public static IEnumerable<SpecError> Run(Quota? quota)
    {
        if (quota?.Gpus is < 0 or > 1_000_000)
        {
            yield return new SpecError("quota.gpus", "0 to 1,000,000 is allowed; leave it out for no limit.");
        }
        if (quota?.Cpus is { } cpus && !(cpus >= 0 && cpus <= 10_000_000))
        {
            yield return new SpecError("quota.cpus", "0 to 10,000,000 is allowed; leave it out for no limit.");
        }
        if (quota?.Memory is < 0)
        {
            yield return new SpecError("quota.memory", "0 bytes or more is allowed; leave it out for no limit.");
        }
        if (quota?.Running is < 0)
        {
            yield return new SpecError("quota.running", "0 or more is allowed; leave it out for no limit.");
        }
    }
}
