using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>Keeps the ledger of one host's GPUs, at each full list, and takes away containers that an admin asked to evict.</summary>
internal sealed class HostLedger(
    IContainerEngine engine,
    Guid hostId,
    HostWrites writes,
    IDbContextFactory<ConsoleDb> databases,
    LeaderTerm term
)
{
    private static readonly TimeSpan s_stopGrace = TimeSpan.FromSeconds(10);

    /// <summary>A container's device requests never change.</summary>
    private readonly Dictionary<string, IReadOnlyList<string>> _devices = new(StringComparer.Ordinal);
    private IReadOnlyDictionary<string, GpuVerdict>? _before;

    public async Task LookAsync(IReadOnlyList<ContainerSummary> containers, ProbeView probes, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var gpus = await db.Gpus.AsNoTracking().Where(g => g.HostId == hostId).ToListAsync(ct);
        if (gpus.Count == 0)
        {
            return;
        }
        var running = await RunningAsync(containers, ct);
        var there = containers.Select(c => c.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var gone in _devices.Keys.Where(id => !there.Contains(id)).ToArray())
        {
            _devices.Remove(gone);
        }
        // Read after the containers were: one that was leased since is not yet among them, and so is no leak
        var leases = await LeasesAsync(db, gpus, ct);
        var view = new LedgerView(gpus, leases, running, probes.Gpus, probes.Processes);
        var verdicts = Ledger.Judge(view);
        await writes.HealthAsync(term, hostId, gpus, Ledger.Steady(_before, verdicts, gpus));
        _before = verdicts;
        await EvictAsync(view, ct);
    }

    /// <summary>
    /// Before the host is given work: a container that runs for an attempt which this database never knew is no disagreement of
    /// a moment. The database may be an older copy.
    /// </summary>
    public async Task FirstLookAsync(IReadOnlyList<ContainerSummary> containers, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var ids = containers.Select(c => Labels.AttemptOf(c.Labels)).OfType<long>().ToArray();
        var known = await db.Attempts.Where(a => ids.Contains(a.Id)).Select(a => a.Id).ToHashSetAsync(ct);
        var strangers = await RunningAsync(
            [.. containers.Where(c => Labels.AttemptOf(c.Labels) is { } id && !known.Contains(id))],
            ct
        );
        var theirs = strangers.SelectMany(c => c.Gpus).ToHashSet(StringComparer.Ordinal);
        if (theirs.Count == 0)
        {
            return;
        }
        var gpus = await db
            .Gpus.AsNoTracking()
            .Where(g => g.HostId == hostId && theirs.Contains(g.Uuid))
            .ToListAsync(ct);
        var view = new LedgerView(gpus, await LeasesAsync(db, gpus, ct), strangers, null, []);
        await writes.HealthAsync(term, hostId, gpus, Ledger.Judge(view));
    }

    private static Task<Dictionary<string, long>> LeasesAsync(
        ConsoleDb db,
        IReadOnlyList<Gpu> gpus,
        CancellationToken ct
    )
    {
        var uuids = gpus.Select(g => g.Uuid).ToArray();
        return db
            .Leases.AsNoTracking()
            .Where(l => l.ReleasedAt == null && uuids.Contains(l.GpuUuid))
            .ToDictionaryAsync(l => l.GpuUuid, l => l.AttemptId, ct);
    }

    private async Task<IReadOnlyList<LedgerContainer>> RunningAsync(
        IReadOnlyList<ContainerSummary> containers,
        CancellationToken ct
    )
    {
        var running = new List<LedgerContainer>();
        foreach (
            var c in containers.Where(c =>
                c.State is ContainerState.Running or ContainerState.Paused && !c.Labels.ContainsKey(Labels.Probe)
            )
        )
        {
            if (!_devices.TryGetValue(c.Id, out var gpus))
            {
                if (await engine.InspectAsync(c.Id, ct) is not { } report)
                {
                    continue;
                }
                _devices[c.Id] = gpus = report.GpuUuids;
            }
            running.Add(new LedgerContainer(c.Id, c.Name, Labels.AttemptOf(c.Labels), gpus));
        }
        return running;
    }

    private async Task EvictAsync(LedgerView view, CancellationToken ct)
    {
        var leaking = view
            .Gpus.Where(g => g.Health == GpuHealth.Evicting)
            .SelectMany(g => Ledger.Leaking(view, g.Uuid))
            .DistinctBy(c => c.Id);
        foreach (var container in leaking)
        {
            await engine.StopAsync(container.Id, s_stopGrace, ct);
            await engine.RemoveAsync(container.Id, force: true, ct);
        }
    }
}
