using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Volumes;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Data;

/// <summary>Names datasets and forgets them. Anyone may name one; its owner and admins change it.</summary>
public sealed class DatasetVerbs(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<string>> CreateAsync(Actor actor, DatasetInput wanted, CancellationToken ct) =>
        VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                var input = new FleetInput();
                input.Name("name", wanted.Name);
                input.Description(wanted.Description);
                var team = wanted.Team is null ? null : await TeamReader.OfAsync(db, actor, wanted.Team, ct);
                if (wanted.Team is not null && team is null)
                {
                    input.Add("team", $"There is no team \"{wanted.Team}\" that you are in.");
                }
                if (input.Errors.Count > 0)
                {
                    return new Outcome<string>.Refused(input.Errors);
                }
                if (await db.Datasets.AnyAsync(d => d.Name == wanted.Name, ct))
                {
                    return new Outcome<string>.Conflict($"There is a dataset \"{wanted.Name}\" already.");
                }
                var now = time.GetUtcNow();
                db.Datasets.Add(
                    new Dataset
                    {
                        Id = Guid.CreateVersion7(now),
                        Name = wanted.Name,
                        Description = wanted.Description ?? "",
                        OwnerId = actor.UserId,
                        OwnerName = actor.UserName,
                        TeamId = team is null || team.Name == Team.Everyone ? null : team.Id,
                        CreatedAt = now,
                    }
                );
                db.AddAudit(now, actor.UserName, "dataset.create", $"dataset {wanted.Name}");
                db.Tell(ChangeKind.Queue);
                return new Outcome<string>.Done(wanted.Name);
            },
            ct
        );

    /// <summary>Forgets a dataset with its versions, where nothing waiting or running mounts one and none is being made. The files stay where they lie.</summary>
    public Task<Outcome<string>> DeleteAsync(Actor actor, string name, CancellationToken ct) =>
        VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                var (dataset, refused) = await LockAsync(db, actor, name, ct);
                if (dataset is null)
                {
                    return refused!;
                }
                if ((await DatasetUses.ReadAsync(db, ct)).Of(name) is > 0 and var uses)
                {
                    return Refusals.Mounted($"Dataset {name}", uses);
                }
                var making = await db
                    .DatasetVersions.AsNoTracking()
                    .FirstOrDefaultAsync(v => v.DatasetId == dataset.Id && v.State == DatasetState.Making, ct);
                if (making is not null)
                {
                    return BeingMade(name, making);
                }
                db.Datasets.Remove(dataset);
                db.AddAudit(time.GetUtcNow(), actor.UserName, "dataset.delete", $"dataset {name}");
                db.Tell(ChangeKind.Queue);
                return new Outcome<string>.Done(name);
            },
            ct
        );

    /// <summary>Forgets one version that nothing waiting or running mounts, once it is made. Its number does not come again; the files stay.</summary>
    public Task<Outcome<string>> DeleteVersionAsync(Actor actor, string name, int number, CancellationToken ct) =>
        VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                var (dataset, refused) = await LockAsync(db, actor, name, ct);
                if (dataset is null)
                {
                    return refused!;
                }
                var version = await db.DatasetVersions.SingleOrDefaultAsync(
                    v => v.DatasetId == dataset.Id && v.Number == number,
                    ct
                );
                if (version is null)
                {
                    return new Outcome<string>.NotFound();
                }
                if (version.State == DatasetState.Making)
                {
                    return BeingMade(name, version);
                }
                if ((await DatasetUses.ReadAsync(db, ct)).Of(name, number) is > 0 and var uses)
                {
                    return Refusals.Mounted($"Version {number} of {name}", uses);
                }
                db.DatasetVersions.Remove(version);
                dataset.LastDeleted = Math.Max(dataset.LastDeleted, number);
                db.AddAudit(
                    time.GetUtcNow(),
                    actor.UserName,
                    "dataset.version.delete",
                    $"version {number} of dataset {name}"
                );
                db.Tell(ChangeKind.Queue);
                return new Outcome<string>.Done(name);
            },
            ct
        );

    private static Outcome<string> BeingMade(string name, DatasetVersion version) =>
        new Outcome<string>.Conflict(
            $"Version {version.Number} of {name} is being made; stop job {version.WorkloadId} first."
        );

    /// <summary>The dataset, held until the transaction ends; or what is to be answered where the actor may not change it.</summary>
    internal static async Task<(Dataset? Dataset, Outcome<string>? Refused)> LockAsync(
        ConsoleDb db,
        Actor actor,
        string name,
        CancellationToken ct
    )
    {
        var dataset = await db
            .Datasets.FromSql($"select * from datasets where name = {name} for update")
            .SingleOrDefaultAsync(ct);
        if (dataset is null || !await db.Datasets.VisibleTo(db, actor).AnyAsync(d => d.Id == dataset.Id, ct))
        {
            return (null, new Outcome<string>.NotFound());
        }
        return DatasetQueries.MayChange(actor, dataset)
            ? (dataset, null)
            : (
                null,
                new Outcome<string>.Conflict(
                    $"Dataset {name} is {dataset.OwnerName}'s; its owner and admins change it. Make one of your own."
                )
            );
    }
}
