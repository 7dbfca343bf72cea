using System.Globalization;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Removes the checkpoint volumes of jobs that are over, host by host. They need no row: their labels name the job, and a
/// look finds them again after any crash. One of a job that this database does not know is left alone.
/// </summary>
public sealed partial class JobVolumes(
    IDbContextFactory<ConsoleDb> databases,
    IEngineFactory engines,
    InstallationId installation,
    TimeProvider time,
    ILogger<JobVolumes> logger
)
{
    private static readonly TimeSpan s_sweepEvery = TimeSpan.FromMinutes(1);

    public async Task RunAsync(LeaderTerm term)
    {
        while (!term.Ended.IsCancellationRequested)
        {
            await Task.Delay(s_sweepEvery, time, term.Ended);
            try
            {
                await SweepAsync(term.Ended);
            }
            catch (Exception e) when (DatabaseFaults.IsFault(e))
            {
                Log.Failed(logger, e.Message);
            }
        }
    }

    /// <summary>All hosts at once: one that stalls holds up no other.</summary>
    public async Task SweepAsync(CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var hosts = await db.Hosts.AsNoTracking().Where(h => h.UnreachableSince == null).ToListAsync(ct);
        await Task.WhenAll(hosts.Select(h => SweepAsync(h, ct)));
    }

    private async Task SweepAsync(Host host, CancellationToken ct)
    {
        var engine = engines.Get(host.Address, host.SealedCredentials);
        try
        {
            var volumes = (await engine.VolumesAsync(installation.Value, ct)).ToLookup(JobOf, v => v.Name);
            if (volumes.Count == 0)
            {
                return;
            }
            var jobs = volumes.Select(v => v.Key).ToArray();
            await using var db = await databases.CreateDbContextAsync(ct);
            var over = await db
                .Workloads.Where(w =>
                    jobs.Contains(w.Id)
                    && (
                        w.State == WorkloadState.Succeeded
                        || w.State == WorkloadState.Failed
                        || w.State == WorkloadState.Stopped
                    )
                    && !db.Attempts.Any(a => a.WorkloadId == w.Id && a.HostId == host.Id && !a.ContainerRemoved)
                )
                .Select(w => w.Id)
                .ToListAsync(ct);
            foreach (var name in over.SelectMany(id => volumes[id]))
            {
                await engine.RemoveVolumeAsync(name, ct);
            }
        }
        catch (Exception e) when (e is EngineException or EngineUnreachableException)
        {
            // The next sweep looks again
            Log.Failed(logger, e.Message);
        }
    }

    private static long JobOf(VolumeSummary volume) =>
        long.TryParse(
            volume.Labels.GetValueOrDefault(Labels.Workload),
            NumberStyles.None,
            CultureInfo.InvariantCulture,
            out var id
        )
            ? id
            : 0;

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "A job's checkpoint volume is not removed yet: {Error}")]
        public static partial void Failed(ILogger logger, string error);
    }
}
