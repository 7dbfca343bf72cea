using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// One network for each round of a job with several replicas: across hosts, made by the Swarm's manager, where it spans them,
/// else a bridge of its one host. It is made before the first replica and removed after the last one's container was seen
/// gone. Its row stands before it is made, so that none is left over.
/// </summary>
public sealed partial class JobNetworks(
    LeaderWrites writes,
    IDbContextFactory<ConsoleDb> databases,
    IEngineFactory engines,
    ChangeFeed changes,
    InstallationId installation,
    ConsoleOptions options,
    TimeProvider time,
    ILogger<JobNetworks> logger
)
{
    private static readonly TimeSpan s_sweepEvery = TimeSpan.FromSeconds(30);

    /// <summary>How long a replica waits for its network: as long as for a host that does not answer.</summary>
    public TimeSpan Patience => options.HostGrace;

    /// <summary>Before a replica is created: its network is there.</summary>
    /// <param name="own">of the replica's host</param>
    /// <exception cref="JobNetworkException">The one that makes it refused, or does not answer; it may later.</exception>
    public async Task EnsureAsync(Workload w, JobSpec spec, IContainerEngine own, CancellationToken ct)
    {
        if (w.NetworkName is not { } name)
        {
            return;
        }
        var labels = new Dictionary<string, string>
        {
            [Labels.Install] = installation.Value,
            [Labels.Workload] = w.Id.ToString(System.Globalization.CultureInfo.InvariantCulture),
        };
        if (w.HostNames.Length > 1)
        {
            await EnsureAcrossAsync(w, name, labels, ct);
            return;
        }
        var replicas = spec.Roles.Sum(r => r.Replicas);
        var plan = new BridgePlan(name, WallRules.BridgeOf(installation.Value, w.Id, w.Round), labels)
        {
            IsApart = false,
            Subnet = SubnetChoice.For(replicas, options.JobSubnets),
        };
        try
        {
            await own.EnsureBridgeAsync(plan, ct);
        }
        catch (EngineException e)
        {
            throw new JobNetworkException($"{w.HostName} did not make its network: {e.Message}", e);
        }
    }

    private async Task EnsureAcrossAsync(
        Workload w,
        string name,
        Dictionary<string, string> labels,
        CancellationToken ct
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == w.ClusterId, ct);
        var manager =
            ManagerOf(cluster)
            ?? throw new JobNetworkException($"cluster {cluster.Name} has no Swarm manager any more");
        try
        {
            await manager.EnsureNetworkAsync(name, labels, ct);
        }
        catch (EngineException e)
        {
            throw new JobNetworkException($"the Swarm's manager did not make its network: {e.Message}", e);
        }
        catch (EngineUnreachableException e)
        {
            // The replica's own host has nothing to do with that
            throw new JobNetworkException($"its network waits for the Swarm's manager: {e.Message}", e);
        }
    }

    /// <summary>Removes networks that nobody needs any more, until the term ends.</summary>
    public Task RunAsync(LeaderTerm term) =>
        new Sweeps(changes, time).RunAsync(
            term,
            [ChangeKind.Workload],
            SweepAsync,
            why => Log.Failed(logger, why),
            s_sweepEvery
        );

    private async Task SweepAsync(LeaderTerm term)
    {
        await using var db = await databases.CreateDbContextAsync(term.Ended);
        var over = await db
            .Networks.AsNoTracking()
            .Where(n =>
                !db.Attempts.Any(a => a.WorkloadId == n.WorkloadId && a.Round == n.Round && !a.ContainerRemoved)
            )
            .Select(n => new
            {
                n.Name,
                Cluster = db.Clusters.FirstOrDefault(c => c.Id == n.ClusterId),
                IsOfHost = n.HostId != null,
                Host = db.Hosts.FirstOrDefault(h => h.Id == n.HostId),
            })
            .ToListAsync(term.Ended);
        // One engine that is slow delays only its own
        var byPlace = over.GroupBy(n => n.IsOfHost ? n.Host?.Id : n.Cluster?.Id);
        await Task.WhenAll(
            byPlace.Select(async place =>
            {
                foreach (var n in place)
                {
                    var engine = !n.IsOfHost ? ManagerOf(n.Cluster) : EngineOf(n.Host);
                    if (n.Host?.State != HostState.Unreachable && !await IsAskedAsync(n.Name, engine, term))
                    {
                        break;
                    }
                }
            })
        );
    }

    /// <summary>False where its engine does not answer. Where it was not removed its row stays, and the next sweep tries again.</summary>
    private async Task<bool> IsAskedAsync(string name, IContainerEngine? engine, LeaderTerm term)
    {
        try
        {
            // A host or a Swarm that is not ours any more keeps what it has
            if (engine is not null)
            {
                await engine.RemoveNetworkAsync(name, term.Ended);
            }
        }
        catch (Exception e) when (e is EngineException or EngineUnreachableException)
        {
            // Its last endpoint may still be leaving
            Log.Failed(logger, e.Message);
            return e is EngineException;
        }
        await writes.RunAsync(term, (write, ct) => write.Networks.Where(n => n.Name == name).ExecuteDeleteAsync(ct));
        return true;
    }

    private IContainerEngine? EngineOf(Host? host) =>
        host is null ? null : engines.Get(host.Address, host.SealedCredentials);

    private IContainerEngine? ManagerOf(Cluster? cluster) =>
        cluster?.ManagerAddress is { } address ? engines.Get(address, cluster!.SealedCredentials) : null;

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "A job's network is not removed yet: {Error}")]
        public static partial void Failed(ILogger logger, string error);
    }
}

/// <summary>A network across hosts cannot be had now.</summary>
public sealed class JobNetworkException(string message, Exception? inner = null) : Exception(message, inner);
