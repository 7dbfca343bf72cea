using System.Globalization;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using DeepLab.Core.Streams;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <param name="Path">below the job's checkpoint folder</param>
/// <param name="Step">null where its name tells none</param>
/// <param name="Attempt">number of the attempt during which it was written last</param>
/// <param name="Host">that it lies on; null = every host of its volume</param>
/// <param name="Deleting">a user wants it away, which the loop does within seconds</param>
public sealed record CheckpointView(
    long Id,
    string Path,
    CheckpointLayout Layout,
    long? Step,
    long Bytes,
    int Files,
    string Replica,
    int Attempt,
    DateTimeOffset WrittenAt,
    bool Complete,
    bool Pinned,
    bool Deleting,
    string? Host
);

/// <summary>Reads of a job's checkpoints.</summary>
public sealed class CheckpointQueries(IDbContextFactory<ConsoleDb> databases, InstallationId installation)
{
    /// <summary>Those that are there, the newest first; null where there is no such job.</summary>
    /// <param name="cursor">as the page before answered; null = the first</param>
    public async Task<Outcome<Page<CheckpointView>>> ListAsync(
        Actor actor,
        long jobId,
        string? cursor,
        int limit,
        CancellationToken ct
    )
    {
        var skip = 0;
        if (cursor is not null && !int.TryParse(cursor, NumberStyles.None, CultureInfo.InvariantCulture, out skip))
        {
            return new Outcome<Page<CheckpointView>>.Refused([
                new SpecError("cursor", "This is no cursor; pass what `next` of the page before says."),
            ]);
        }
        await using var db = await databases.CreateDbContextAsync(ct);
        if (!await db.Workloads.VisibleTo(actor).AnyAsync(w => w.Id == jobId, ct))
        {
            return new Outcome<Page<CheckpointView>>.NotFound();
        }
        var rows = await db
            .Checkpoints.AsNoTracking()
            .Where(c => c.WorkloadId == jobId && c.DeletedAt == null)
            .LeftJoin(db.Hosts, c => c.HostId, h => h.Id, (c, h) => new { Checkpoint = c, Host = h!.Name })
            .OrderByDescending(x => x.Checkpoint.Step ?? -1)
            .ThenByDescending(x => x.Checkpoint.WrittenAt)
            .ThenByDescending(x => x.Checkpoint.Id)
            .Skip(skip)
            .Take(limit + 1)
            .ToListAsync(ct);
        var next = rows.Count > limit ? (skip + limit).ToString(CultureInfo.InvariantCulture) : null;
        return new Outcome<Page<CheckpointView>>.Done(
            new Page<CheckpointView>([.. rows.Take(limit).Select(r => View(r.Checkpoint, r.Host))], next)
        );
    }

    private static CheckpointView View(Checkpoint c, string? host) =>
        new(
            c.Id,
            c.Path,
            c.Layout,
            c.Step,
            c.Bytes,
            c.Files,
            c.Replica,
            c.Attempt,
            c.WrittenAt,
            c.Complete,
            c.Pinned,
            c.DeleteRequestedAt is not null,
            host
        );

    /// <summary>Where its files are, for a download: on the host that it lies on, or any that has its volume.</summary>
    public async Task<Outcome<CheckpointPlace>> PlaceAsync(
        Actor actor,
        long jobId,
        long checkpointId,
        CancellationToken ct
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var w = await db.Workloads.AsNoTracking().VisibleTo(actor).SingleOrDefaultAsync(x => x.Id == jobId, ct);
        var c = await db
            .Checkpoints.AsNoTracking()
            .SingleOrDefaultAsync(x => x.Id == checkpointId && x.WorkloadId == jobId && x.DeletedAt == null, ct);
        if (w is null || c is null)
        {
            return new Outcome<CheckpointPlace>.NotFound();
        }
        return await CheckpointPlaces.FindAsync(db, installation.Value, w, [c], ct) is { } place
            ? new Outcome<CheckpointPlace>.Done(place)
            : new Outcome<CheckpointPlace>.Conflict(
                "No host that has it answers now, or its volume is not defined any more."
            );
    }
}

/// <summary>Finds a host by which a job's checkpoints can be reached.</summary>
public static class CheckpointPlaces
{
    /// <summary>Null where nobody can look now.</summary>
    /// <param name="checkpoints">of one place</param>
    public static async Task<CheckpointPlace?> FindAsync(
        ConsoleDb db,
        string installId,
        Workload w,
        IReadOnlyList<Checkpoint> checkpoints,
        CancellationToken ct
    )
    {
        var spec = StoredSpec.TryRead(w.SpecJson, out _)?.Checkpoint;
        if (spec is null)
        {
            return null;
        }
        var volume = spec.Volume is null ? null : (await VolumeReader.ReadAsync(db, ct)).GetValueOrDefault(spec.Volume);
        if (spec.Volume is not null && volume is null)
        {
            return null;
        }
        var at = checkpoints[0].HostId;
        var hosts = await db
            .Hosts.AsNoTracking()
            .Where(h => h.UnreachableSince == null && (at == null ? h.ClusterId == w.ClusterId : h.Id == at))
            .OrderBy(h => h.Name)
            .ToListAsync(ct);
        var host = hosts.Find(h => volume is null || volume.Hosts.Length == 0 || volume.Hosts.Contains(h.Name));
        return host is null
            ? null
            : new CheckpointPlace(
                host.Address,
                host.SealedCredentials,
                installId,
                w.Id,
                volume?.Name,
                volume?.Path,
                CheckpointFolders.Of(spec, w.Id),
                [.. checkpoints.Select(c => new CheckpointFiles(c.Path, c.Layout, c.Files))]
            );
    }
}
