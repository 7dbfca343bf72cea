using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Volumes;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Data;

/// <summary>Reads of datasets. One that the actor may not see is as one that is not there.</summary>
public sealed class DatasetQueries(IDbContextFactory<ConsoleDb> databases)
{
    /// <summary>By name.</summary>
    public async Task<IReadOnlyList<DatasetView>> ListAsync(Actor actor, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await ViewsAsync(db, actor, db.Datasets.VisibleTo(db, actor), ct);
    }

    public async Task<DatasetDetail?> FindAsync(Actor actor, string name, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var found = await ViewsAsync(db, actor, db.Datasets.VisibleTo(db, actor).Where(d => d.Name == name), ct);
        if (found is not [var dataset])
        {
            return null;
        }
        var versions = await db
            .DatasetVersions.Where(v => db.Datasets.Any(d => d.Id == v.DatasetId && d.Name == name))
            .OrderByDescending(v => v.Number)
            .Select(v => new DatasetVersionView(
                v.Number,
                v.State,
                v.Message,
                v.Volume,
                v.Folder,
                v.Files,
                v.Bytes,
                v.Digest,
                v.Split,
                v.Parts,
                v.WorkloadId,
                v.MadeBy,
                v.CreatedAt,
                v.MadeAt
            ))
            .ToListAsync(ct);
        var closed = await ClosedAsync(db, actor, ct);
        var uses = await DatasetUses.ReadAsync(db, ct);
        return new DatasetDetail(
            dataset,
            [
                .. versions
                    .Select(v => v with { InUse = uses.Of(name, v.Number) })
                    .Select(v => closed.Contains(v.Volume!) ? v with { Volume = null, Folder = "" } : v),
            ]
        );
    }

    /// <summary>The files whose lines are kept; null where there is no such version, it is not ready, or its volume is not the actor's to mount.</summary>
    public async Task<IEnumerable<DatasetFile>?> ManifestAsync(
        Actor actor,
        string name,
        int number,
        CancellationToken ct
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var found = await db
            .Datasets.VisibleTo(db, actor)
            .Where(d => d.Name == name)
            .Join(db.DatasetVersions, d => d.Id, v => v.DatasetId, (_, v) => v)
            .Where(v => v.Number == number)
            .Select(v => new { v.Volume, v.Manifest })
            .SingleOrDefaultAsync(ct);
        return found?.Manifest is not { } packed || (await ClosedAsync(db, actor, ct)).Contains(found.Volume)
            ? null
            : DatasetManifest.Unpack(packed);
    }

    /// <summary>Volumes that the actor may not mount, and so learns nothing of.</summary>
    private static async Task<HashSet<string>> ClosedAsync(ConsoleDb db, Actor actor, CancellationToken ct)
    {
        var mine = db.TeamMembers.Where(m => m.UserId == actor.UserId).Select(m => (Guid?)m.TeamId);
        return actor.IsAdmin
            ? []
            : await db
                .Volumes.Where(v => v.TeamId != null && !mine.Contains(v.TeamId))
                .Select(v => v.Name)
                .ToHashSetAsync(ct);
    }

    private static async Task<IReadOnlyList<DatasetView>> ViewsAsync(
        ConsoleDb db,
        Actor actor,
        IQueryable<Dataset> datasets,
        CancellationToken ct
    )
    {
        var rows = await datasets
            .AsNoTracking()
            .OrderBy(d => d.Name)
            .Select(d => new
            {
                Dataset = d,
                Team = db.Teams.Where(t => t.Id == d.TeamId).Select(t => t.Name).FirstOrDefault(),
                Versions = db.DatasetVersions.Count(v => v.DatasetId == d.Id),
                Latest = db
                    .DatasetVersions.Where(v => v.DatasetId == d.Id && v.State == DatasetState.Ready)
                    .OrderByDescending(v => v.Number)
                    .Select(v => new
                    {
                        v.Number,
                        v.Files,
                        v.Bytes,
                    })
                    .FirstOrDefault(),
            })
            .ToListAsync(ct);
        var uses = rows.Count == 0 ? DatasetUses.None : await DatasetUses.ReadAsync(db, ct);
        return
        [
            .. rows.Select(r => new DatasetView(
                r.Dataset.Name,
                r.Dataset.Description,
                r.Dataset.OwnerName,
                r.Team,
                r.Versions,
                r.Latest?.Number,
                MayChange(actor, r.Dataset),
                r.Dataset.CreatedAt
            )
            {
                Files = r.Latest?.Files ?? 0,
                Bytes = r.Latest?.Bytes ?? 0,
                InUse = uses.Of(r.Dataset.Name),
            }),
        ];
    }

    internal static bool MayChange(Actor actor, Dataset dataset) => actor.IsAdmin || dataset.OwnerId == actor.UserId;
}
