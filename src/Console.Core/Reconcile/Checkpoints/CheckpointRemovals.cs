using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Takes away the checkpoints that users deleted, by a visit to where they lie. The row says that it is wanted away until it was
/// seen done.
/// </summary>
public sealed partial class CheckpointRemovals(
    LeaderWrites writes,
    IDbContextFactory<ConsoleDb> databases,
    IEngineFactory engines,
    ChangeFeed changes,
    InstallationId installation,
    ConsoleOptions options,
    TimeProvider time,
    ILogger<CheckpointRemovals> logger
)
{
    public Task RunAsync(LeaderTerm term) =>
        new Sweeps(changes, time).RunAsync(term, [ChangeKind.Queue], SweepAsync, why => Log.Later(logger, why));

    private async Task SweepAsync(LeaderTerm term)
    {
        await using var db = await databases.CreateDbContextAsync(term.Ended);
        var unwanted = await db
            .Checkpoints.AsNoTracking()
            .Where(c => c.DeleteRequestedAt != null && c.DeletedAt == null)
            .OrderBy(c => c.Id)
            .ToListAsync(term.Ended);
        foreach (var group in unwanted.GroupBy(c => (c.WorkloadId, c.HostId)))
        {
            var w = await db.Workloads.AsNoTracking().SingleAsync(x => x.Id == group.Key.WorkloadId, term.Ended);
            var checkpoints = group.ToList();
            try
            {
                if (
                    await CheckpointPlaces.FindAsync(db, installation.Value, w, checkpoints, term.Ended)
                    is not { } place
                )
                {
                    // Its host is away: looked for again
                    continue;
                }
                var engine = engines.Get(place.EngineAddress, place.SealedCredentials);
                await FolderVisits.RunAsync(
                    engine,
                    place.Plan(options.ProbeImage, "removal", readOnly: false),
                    start: true,
                    async container =>
                    {
                        await CheckpointLook.RemoveAsync(
                            engine,
                            container,
                            place.Folder,
                            checkpoints.Select(c => (c.Path, c.Layout)),
                            term.Ended
                        );
                        return true;
                    },
                    term.Ended
                );
            }
            catch (Exception e) when (e is EngineException or EngineUnreachableException)
            {
                Log.Later(logger, e.Message);
                continue;
            }
            await NoteAsync(term, w.Id, [.. checkpoints.Select(c => c.Id)]);
        }
    }

    private Task NoteAsync(LeaderTerm term, long workloadId, long[] ids) =>
        writes.RunAsync(
            term,
            async (db, ct) =>
            {
                var now = time.GetUtcNow();
                await db
                    .Checkpoints.Where(c => ids.Contains(c.Id))
                    .ExecuteUpdateAsync(s => s.SetProperty(c => c.DeletedAt, now), ct);
                db.Tell(ChangeKind.Workload, workloadId);
                return 0;
            }
        );

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Checkpoints that were deleted are not removed yet: {Error}")]
        public static partial void Later(ILogger logger, string error);
    }
}
