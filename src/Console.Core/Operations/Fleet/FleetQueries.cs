using DeepLab.Core.Clusters;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Fleet;

/// <summary>Reads of clusters, hosts and GPUs. Everyone signed in sees the fleet; holders' names only their own.</summary>
public sealed class FleetQueries(
    IDbContextFactory<ConsoleDb> databases,
    JobQueries jobs,
    LatestReadings readings,
    ConsoleOptions options,
    TimeProvider time
)
{
    private const int RowsShown = 50;

    public async Task<IReadOnlyList<ClusterView>> ClustersAsync(CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var fleet = await FleetReader.ReadAsync(db, time.GetUtcNow(), ct);
        var clusters = await db.Clusters.AsNoTracking().OrderBy(c => c.Name).ToListAsync(ct);
        return
        [
            .. clusters.Select(c =>
            {
                var hosts = fleet.Hosts.Where(h => h.ClusterId == c.Id).ToArray();
                var ready = hosts.Where(h => h.Closed is null).ToArray();
                return new ClusterView(
                    c.Id,
                    c.Name,
                    hosts.Length,
                    ready.Length,
                    hosts.Sum(h => h.Gpus.Length),
                    ready.Sum(h => h.Gpus.Count(g => g.IsFree))
                )
                {
                    ManagerAddress = c.ManagerAddress,
                    NodePort = c.ManagerAddress is null ? null : c.NodePort,
                    Trusted = c.Trusted,
                    Trouble = c.Trouble,
                };
            }),
        ];
    }

    public async Task<IReadOnlyList<HostView>> HostsAsync(Actor actor, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await HostReader.ReadAsync(db, actor, readings, null, options.HostGrace, time.GetUtcNow(), ct);
    }

    public async Task<HostView?> FindHostAsync(Actor actor, string name, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return (
            await HostReader.ReadAsync(db, actor, readings, name, options.HostGrace, time.GetUtcNow(), ct)
        ).SingleOrDefault();
    }

    public async Task<OverviewView> OverviewAsync(Actor actor, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var hosts = await HostReader.ReadAsync(db, actor, readings, null, options.HostGrace, time.GetUtcNow(), ct);
        var visible = db.Workloads.AsNoTracking().VisibleTo(actor).Where(w => w.Kind == WorkloadKind.Job);
        var active = await visible
            .Where(w =>
                w.State != WorkloadState.Queued
                && w.State != WorkloadState.Succeeded
                && w.State != WorkloadState.Failed
                && w.State != WorkloadState.Stopped
            )
            .OrderByDescending(w => w.Id)
            .Take(RowsShown)
            .Select(JobRows.FromWorkload)
            .ToListAsync(ct);
        var day = time.GetUtcNow() - TimeSpan.FromDays(1);
        var ends = await visible
            .Where(w => w.EndedAt >= day)
            .GroupBy(w => w.State)
            .Select(g => new { State = g.Key, Count = g.Count() })
            .ToDictionaryAsync(g => g.State, g => g.Count, ct);
        var recent = await visible
            .Where(w => w.EndedAt != null)
            .OrderByDescending(w => w.EndedAt)
            .Take(10)
            .Select(JobRows.FromWorkload)
            .ToListAsync(ct);
        return new OverviewView(
            hosts,
            await visible.CountAsync(w => w.State == WorkloadState.Queued, ct),
            await visible.CountAsync(
                w =>
                    w.State == WorkloadState.Starting
                    || w.State == WorkloadState.Running
                    || w.State == WorkloadState.Restarting
                    || w.State == WorkloadState.Stopping,
                ct
            ),
            ends.GetValueOrDefault(WorkloadState.Succeeded),
            ends.GetValueOrDefault(WorkloadState.Failed),
            active,
            await jobs.QueueAsync(actor, 0, RowsShown, ct),
            recent
        );
    }
}

internal static class HostReader
{
    public static async Task<IReadOnlyList<HostView>> ReadAsync(
        ConsoleDb db,
        Actor actor,
        LatestReadings readings,
        string? name,
        TimeSpan grace,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        var slots = (await FleetReader.ReadAsync(db, now, ct)).Hosts.ToDictionary(h => h.Id);
        var clusters = await db.Clusters.AsNoTracking().ToDictionaryAsync(c => c.Id, c => c.Name, ct);
        var gpus = (await db.Gpus.AsNoTracking().OrderBy(g => g.Index).ToListAsync(ct)).ToLookup(g => g.HostId);
        var holders = await db
            .Leases.AsNoTracking()
            .Where(l => l.ReleasedAt == null)
            .Join(
                db.Attempts,
                l => l.AttemptId,
                a => a.Id,
                (l, a) =>
                    new
                    {
                        l.GpuUuid,
                        a.ReplicaName,
                        a.WorkloadId,
                    }
            )
            .Join(
                db.Workloads,
                l => l.WorkloadId,
                w => w.Id,
                (l, w) =>
                    new
                    {
                        l.GpuUuid,
                        w.OwnerId,
                        Holder = new GpuHolder(w.Id, w.Name, w.OwnerName, l.ReplicaName),
                    }
            )
            .ToDictionaryAsync(l => l.GpuUuid, ct);
        var running = await db
            .Attempts.Where(a => a.State == AttemptState.Running)
            .GroupBy(a => a.HostId)
            .Select(g => new { g.Key, Count = g.Count() })
            .ToDictionaryAsync(g => g.Key, g => g.Count, ct);
        var slow = await SlowPairsAsync(db, ct);
        var hosts = await db
            .Hosts.AsNoTracking()
            .Where(h => name == null || h.Name == name)
            .OrderBy(h => h.Name)
            .ToListAsync(ct);
        return
        [
            .. hosts.Select(h =>
            {
                // Entered between the two reads
                var slot = slots.GetValueOrDefault(h.Id);
                return new HostView(
                    h.Id,
                    h.Name,
                    clusters.GetValueOrDefault(h.ClusterId, ""),
                    h.Address,
                    h.State,
                    h.StateMessage,
                    h.IsSimulated,
                    h.Labels,
                    h.EngineVersion,
                    h.ApiVersion,
                    h.OperatingSystem,
                    h.KernelVersion,
                    h.Cpus,
                    slot?.CpusHeld ?? 0,
                    h.MemoryBytes,
                    slot?.MemoryHeldBytes ?? 0,
                    h.LastSeenAt,
                    readings.Host(h.Id),
                    [
                        .. gpus[h.Id]
                            .Select(g =>
                            {
                                var held = holders.GetValueOrDefault(g.Uuid);
                                return new GpuView(
                                    g.Uuid,
                                    h.Name,
                                    g.Index,
                                    g.Model,
                                    g.MemoryBytes,
                                    g.DriverVersion,
                                    g.Health,
                                    g.HealthMessage,
                                    held is not null,
                                    held is not null && (actor.IsAdmin || held.OwnerId == actor.UserId)
                                        ? held.Holder
                                        : null,
                                    readings.Gpu(g.Uuid)
                                );
                            }),
                    ],
                    running.GetValueOrDefault(h.Id)
                )
                {
                    Wish = h.Wish,
                    DrainDeadline = h.DrainDeadline,
                    UnreachableSince = h.UnreachableSince,
                    GivenUpFrom = h.LostAt is null ? h.UnreachableSince + grace : null,
                    LostAt = h.LostAt,
                    NetworkAddress = h.NetworkAddress,
                    NodeId = h.NodeId,
                    Preflight = h.Preflight,
                    Images = h.Images.Count(MadeImages.IsId),
                    Closed = h.Closed,
                    SlowPairs = [.. slow[h.Id].Take(MostSlow)],
                };
            }),
        ];
    }

    /// <summary>Told of one host.</summary>
    private const int MostSlow = 8;

    /// <summary>Looked at, the slowest; the list of pairs has them all.</summary>
    private const int MostSlowRead = 500;

    private static async Task<ILookup<Guid, string>> SlowPairsAsync(ConsoleDb db, CancellationToken ct)
    {
        var slowest = db
            .HostPairs.AsNoTracking()
            .Where(p => p.Slow != "")
            .OrderBy(p => p.MegabytesPerSecond)
            .Take(MostSlowRead);
        var slow = await PairQueries.Named(db, slowest).ToListAsync(ct);
        return slow.OrderBy(p => p.Pair.MegabytesPerSecond)
            .SelectMany(p =>
                new[]
                {
                    (Of: p.Pair.FirstId, To: p.Second, p.Pair.Slow),
                    (Of: p.Pair.SecondId, To: p.First, p.Pair.Slow),
                }
            )
            .ToLookup(p => p.Of, p => $"the network to {p.To} is slow: it {p.Slow}");
    }
}
