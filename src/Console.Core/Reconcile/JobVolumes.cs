using System.Collections.Concurrent;
using System.Globalization;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Removes the volumes of jobs that are over, host by host: of checkpoints all but those with a pinned one in them and those of
/// jobs that say how many to keep, until these are deleted; of event files those that are empty, and others after a time. They need no row: their labels name the job, and a look finds them
/// again after any crash. One of a job that this database does not know is left alone.
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
    private static readonly TimeSpan s_longestDownload = TimeSpan.FromHours(6);

    /// <summary>Visits that have not started, by container, and when each was seen first.</summary>
    private readonly ConcurrentDictionary<string, DateTimeOffset> _visits = new(StringComparer.Ordinal);

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
            await RemoveVisitsAsync(engine, ct);
            var volumes = (await engine.VolumesAsync(installation.Value, ct)).ToLookup(JobOf, v => v.Name);
            if (volumes.Count == 0)
            {
                return;
            }
            var jobs = volumes.Select(v => v.Key).ToArray();
            await using var db = await databases.CreateDbContextAsync(ct);
            var writing = EventFileHosts.Writing(db);
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
                .Select(w => new
                {
                    w.Id,
                    w.SpecJson,
                    IsDeleted = w.DeletedAt != null,
                    Kept = db.Checkpoints.Count(c =>
                        c.WorkloadId == w.Id && c.HostId == host.Id && c.DeletedAt == null
                    ),
                    Pinned = db.Checkpoints.Any(c =>
                        c.WorkloadId == w.Id && c.HostId == host.Id && c.DeletedAt == null && c.Pinned
                    ),
                    w.EndedAt,
                    HasEvents = writing.Any(a => a.WorkloadId == w.Id && a.HostId == host.Id),
                })
                .ToListAsync(ct);
            foreach (var job in over)
            {
                var events = VolumeNames.EventFiles(installation.Value, job.Id);
                if (job.IsDeleted || !job.HasEvents || job.EndedAt + EventFileHosts.Kept < time.GetUtcNow())
                {
                    await RemoveEventsAsync(engine, events, volumes[job.Id], ct);
                }
                // What a user pinned, or asked to keep, goes when the job is deleted and not before
                var keeps = StoredSpec.TryRead(job.SpecJson, out _)?.Checkpoint?.Keep is not null;
                if (!job.IsDeleted && (job.Pinned || (job.Kept > 0 && keeps)))
                {
                    continue;
                }
                foreach (var name in volumes[job.Id].Where(v => v != events))
                {
                    await engine.RemoveVolumeAsync(name, ct);
                }
                // True whoever writes it
                var now = time.GetUtcNow();
                await db
                    .Checkpoints.Where(c => c.WorkloadId == job.Id && c.HostId == host.Id && c.DeletedAt == null)
                    .ExecuteUpdateAsync(s => s.SetProperty(c => c.DeletedAt, now), ct);
            }
        }
        catch (Exception e) when (e is EngineException or EngineUnreachableException)
        {
            // The next sweep looks again
            Log.Failed(logger, e.Message);
        }
    }

    /// <summary>A TensorBoard that looks at them keeps them until it ends.</summary>
    private async Task RemoveEventsAsync(
        IContainerEngine engine,
        string events,
        IEnumerable<string> volumes,
        CancellationToken ct
    )
    {
        try
        {
            if (volumes.Contains(events))
            {
                await engine.RemoveVolumeAsync(events, ct);
            }
        }
        catch (EngineException e) when (e.Kind == EngineErrorKind.Conflict)
        {
            Log.Failed(logger, e.Message);
        }
    }

    /// <summary>
    /// Containers of visits that a console did not live to remove: they hold the volume. One that runs ends by itself; one that
    /// never started hands out a download, which may take long.
    /// </summary>
    private async Task RemoveVisitsAsync(IContainerEngine engine, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        foreach (var container in await engine.ListAsync(installation.Value, ct))
        {
            if (
                container.Labels.GetValueOrDefault(Labels.Probe) == FolderVisits.Kind
                && (
                    container.State is ContainerState.Exited or ContainerState.Dead
                    || (
                        container.State == ContainerState.Created
                        && now - _visits.GetOrAdd(container.Id, now) > s_longestDownload
                    )
                )
            )
            {
                await engine.RemoveAsync(container.Id, force: true, ct);
                _visits.TryRemove(container.Id, out _);
            }
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
        [LoggerMessage(LogLevel.Warning, "A job's volume is not removed yet: {Error}")]
        public static partial void Failed(ILogger logger, string error);
    }
}
