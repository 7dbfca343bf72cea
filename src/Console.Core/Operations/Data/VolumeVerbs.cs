using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Volumes;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Data;

/// <summary>What an admin says of a new volume.</summary>
/// <param name="Path">absolute path on its hosts; null = the engine's own volume, on one host</param>
/// <param name="Hosts">names; none = every host, for a path</param>
/// <param name="Team">who may mount it; null = everyone</param>
public sealed record VolumeInput(
    string Name,
    string? Path = null,
    IReadOnlyList<string>? Hosts = null,
    bool ReadOnly = false,
    string? Team = null,
    string? Description = null
);

/// <param name="Path">told to admins only; null for others, and for the engine's own volumes</param>
/// <param name="Hosts">that have it; empty = every host</param>
/// <param name="InUse">workloads that mount it and have not ended</param>
public sealed record VolumeView(
    string Name,
    VolumeKind Kind,
    bool EngineOwned,
    string? Path,
    IReadOnlyList<string> Hosts,
    bool ReadOnly,
    string? Team,
    string Description,
    int InUse,
    DateTimeOffset CreatedAt
);

/// <summary>Makes, lists and removes volumes. Making and removing is for admins; the doors check that.</summary>
public sealed class VolumeVerbs(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public const int MostHosts = 1000;

    public Task<Outcome<string>> CreateAsync(Actor actor, VolumeInput wanted, CancellationToken ct) =>
        VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                var input = Check(wanted);
                await CheckHostsAsync(db, wanted, input, ct);
                var team = wanted.Team is null
                    ? null
                    : await db.Teams.AsNoTracking().SingleOrDefaultAsync(t => t.Name == wanted.Team, ct);
                if (wanted.Team is not null && team is null)
                {
                    input.Add("team", $"There is no team \"{wanted.Team}\".");
                }
                if (input.Errors.Count > 0)
                {
                    return new Outcome<string>.Refused(input.Errors);
                }
                if (await db.Volumes.AnyAsync(v => v.Name == wanted.Name, ct))
                {
                    return new Outcome<string>.Conflict($"There is a volume \"{wanted.Name}\" already.");
                }
                var now = time.GetUtcNow();
                db.Volumes.Add(
                    new Volume
                    {
                        Id = Guid.CreateVersion7(now),
                        Name = wanted.Name,
                        Path = wanted.Path,
                        Hosts = [.. (wanted.Hosts ?? []).Distinct().Order(StringComparer.Ordinal)],
                        ReadOnly = wanted.ReadOnly,
                        TeamId = team?.Id,
                        Description = wanted.Description ?? "",
                        CreatedAt = now,
                    }
                );
                db.AddAudit(now, actor.UserName, "volume.create", $"volume {wanted.Name}");
                db.Tell(ChangeKind.Queue);
                return new Outcome<string>.Done(wanted.Name);
            },
            ct
        );

    /// <summary>Forgets a volume that nothing waiting or running mounts and no dataset lies on. Its data stays where it lies.</summary>
    public Task<Outcome<string>> DeleteAsync(Actor actor, string name, CancellationToken ct) =>
        VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                var volume = await db
                    .Volumes.FromSql($"select * from volumes where name = {name} for update")
                    .SingleOrDefaultAsync(ct);
                if (volume is null)
                {
                    return new Outcome<string>.NotFound();
                }
                if ((await UsesAsync(db, ct)).GetValueOrDefault(name) is > 0 and var uses)
                {
                    return Refusals.Mounted($"Volume {name}", uses);
                }
                var held = await db
                    .DatasetVersions.Where(v => v.Volume == name && v.State != DatasetState.Failed)
                    .Join(db.Datasets, v => v.DatasetId, d => d.Id, (v, d) => new { d.Name, v.Number })
                    .OrderBy(x => x.Name)
                    .ThenBy(x => x.Number)
                    .FirstOrDefaultAsync(ct);
                if (held is not null)
                {
                    return new Outcome<string>.Conflict(
                        $"On volume {name} lies version {held.Number} of the dataset {held.Name}; delete that version first."
                    );
                }
                db.Volumes.Remove(volume);
                db.AddAudit(time.GetUtcNow(), actor.UserName, "volume.delete", $"volume {name}");
                db.Tell(ChangeKind.Queue);
                return new Outcome<string>.Done(name);
            },
            ct
        );

    /// <summary>Those the actor may mount, by name.</summary>
    public async Task<IReadOnlyList<VolumeView>> ListAsync(Actor actor, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var mine = await db.TeamMembers.Where(m => m.UserId == actor.UserId).Select(m => m.TeamId).ToHashSetAsync(ct);
        var volumes = await db
            .Volumes.AsNoTracking()
            .LeftJoin(db.Teams, v => v.TeamId, t => t.Id, (v, t) => new { Volume = v, Team = t!.Name })
            .OrderBy(x => x.Volume.Name)
            .ToListAsync(ct);
        var uses = await UsesAsync(db, ct);
        return
        [
            .. volumes
                .Where(x => VolumeReader.MayMount(x.Volume, actor, mine))
                .Select(x => new VolumeView(
                    x.Volume.Name,
                    x.Volume.Kind,
                    x.Volume.Path is null,
                    actor.IsAdmin ? x.Volume.Path : null,
                    x.Volume.Hosts,
                    x.Volume.ReadOnly,
                    x.Team,
                    x.Volume.Description,
                    uses.GetValueOrDefault(x.Volume.Name),
                    x.Volume.CreatedAt
                )),
        ];
    }

    private sealed record Use(string Name, int Count);

    /// <summary>By volume: workloads that have not ended and mount it.</summary>
    private static async Task<Dictionary<string, int>> UsesAsync(ConsoleDb db, CancellationToken ct) =>
        (
            await db
                .Database.SqlQuery<Use>(
                    $"""
                    select m.name, count(distinct w.id)::int as count
                    from workloads w cross join lateral (
                      select v->>'name' as name from jsonb_array_elements(w.spec_json->'volumes') v
                      union all select w.spec_json->'checkpoint'->>'volume'
                      union all select d->>'volume' from jsonb_array_elements(w.spec_json->'datasets') d) m
                    where w.state not in ('Succeeded','Failed','Stopped') and m.name is not null group by 1
                    """
                )
                .ToListAsync(ct)
        ).ToDictionary(u => u.Name, u => u.Count, StringComparer.Ordinal);

    private static async Task CheckHostsAsync(ConsoleDb db, VolumeInput wanted, FleetInput input, CancellationToken ct)
    {
        if (wanted.Hosts is not { Count: > 0 and <= MostHosts } hosts)
        {
            return;
        }
        var names = hosts.Distinct().ToArray();
        var known = await db.Hosts.Where(h => names.Contains(h.Name)).Select(h => h.Name).ToListAsync(ct);
        foreach (var (i, host) in hosts.Index().Where(h => !known.Contains(h.Item)))
        {
            input.Add($"hosts[{i}]", $"There is no host \"{host}\".");
        }
    }

    private static FleetInput Check(VolumeInput wanted)
    {
        var input = new FleetInput();
        input.Name("name", wanted.Name);
        if (wanted.Path is { } path && VolumePaths.WhyNotOnHost(path) is { } why)
        {
            input.Add("path", why);
        }
        if (wanted.Path is null && wanted.Hosts is not { Count: 1 })
        {
            input.Add(
                "hosts",
                "A volume of the engine's own lies on one host: name exactly one, or give the path of a file system that several hosts have."
            );
        }
        if (wanted.Hosts?.Count > MostHosts)
        {
            input.Add("hosts", $"At most {MostHosts:N0} names are allowed; none means every host.");
        }
        input.Description(wanted.Description);
        return input;
    }
}
