using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Removes the homes of environments that were deleted with them. The row says so before and until the volume is gone; any
/// other home is left alone, whatever became of its environment.
/// </summary>
public sealed partial class HomeVolumes(
    LeaderWrites writes,
    IDbContextFactory<ConsoleDb> databases,
    IEngineFactory engines,
    ChangeFeed changes,
    InstallationId installation,
    TimeProvider time,
    ILogger<HomeVolumes> logger
)
{
    public Task RunAsync(LeaderTerm term) =>
        new Sweeps(changes, time).RunAsync(term, [ChangeKind.Queue], SweepAsync, why => Log.Failed(logger, why));

    private async Task SweepAsync(LeaderTerm term)
    {
        await using var db = await databases.CreateDbContextAsync(term.Ended);
        var discarded = await db
            .Workloads.AsNoTracking()
            .Where(w =>
                w.HomeDiscarded
                && w.HomeHostId != null
                && !db.Attempts.Any(a => a.WorkloadId == w.Id && !a.ContainerRemoved)
            )
            // Of a host that was taken out nothing can be removed any more
            .LeftJoin(
                db.Hosts,
                w => w.HomeHostId,
                h => h.Id,
                (w, h) =>
                    new
                    {
                        w.Id,
                        w.SpecJson,
                        Host = h,
                    }
            )
            .ToListAsync(term.Ended);
        foreach (var home in discarded)
        {
            try
            {
                if (home.Host is { } host)
                {
                    await engines
                        .Get(host.Address, host.SealedCredentials)
                        .RemoveVolumeAsync(
                            LaunchPlan.HomeOf(
                                installation.Value,
                                StoredSpec.Read(home.SpecJson).Environment?.Home ?? home.Id
                            ),
                            term.Ended
                        );
                }
            }
            catch (Exception e) when (e is EngineException or EngineUnreachableException)
            {
                // The next sweep looks again
                Log.Failed(logger, e.Message);
                continue;
            }
            await writes.RunAsync(
                term,
                (write, ct) =>
                    write
                        .Workloads.Where(w => w.Id == home.Id)
                        .ExecuteUpdateAsync(s => s.SetProperty(w => w.HomeHostId, (Guid?)null), ct)
            );
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The home of a deleted environment is not removed yet: {Error}")]
        public static partial void Failed(ILogger logger, string error);
    }
}
