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
/// One network across hosts for each round of a job that spans them: made by the Swarm's manager before the first replica,
/// removed after the last one's container was seen gone. Its row stands before it is made, so that none is left over.
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
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(2);

    /// <summary>How long a replica waits for its network: as long as for a host that does not answer.</summary>
    public TimeSpan Patience => options.HostGrace;

    /// <summary>Before a replica is created: its network is there.</summary>
    /// <exception cref="JobNetworkException">The manager refused, or does not answer; it may later.</exception>
    public async Task EnsureAsync(Workload w, CancellationToken ct)
    {
        if (w.NetworkName is not { } name)
        {
            return;
        }
        await using var db = await databases.CreateDbContextAsync(ct);
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == w.ClusterId, ct);
        var manager =
            ManagerOf(cluster)
            ?? throw new JobNetworkException($"cluster {cluster.Name} has no Swarm manager any more");
        var labels = new Dictionary<string, string>
        {
            [Labels.Install] = installation.Value,
            [Labels.Workload] = w.Id.ToString(System.Globalization.CultureInfo.InvariantCulture),
        };
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
    public async Task RunAsync(LeaderTerm term)
    {
        using var subscription = changes.Subscribe(c => c.Kind is ChangeKind.Workload or ChangeKind.Everything);
        while (!term.Ended.IsCancellationRequested)
        {
            try
            {
                await SweepAsync(term);
            }
            catch (Exception e) when (DatabaseFaults.IsFault(e))
            {
                Log.Failed(logger, e.Message);
            }
            await subscription.NextAsync(s_sweepEvery, time, term.Ended);
            // Ends come in bunches
            await Task.Delay(s_pause, time, term.Ended);
        }
    }

    private async Task SweepAsync(LeaderTerm term)
    {
        await using var db = await databases.CreateDbContextAsync(term.Ended);
        var over = await db
            .Networks.AsNoTracking()
            .Where(n =>
                !db.Attempts.Any(a => a.WorkloadId == n.WorkloadId && a.Number == n.Round && !a.ContainerRemoved)
            )
            .Join(db.Clusters, n => n.ClusterId, c => c.Id, (n, c) => new { n.Name, Cluster = c })
            .ToListAsync(term.Ended);
        foreach (var network in over)
        {
            try
            {
                if (ManagerOf(network.Cluster) is { } manager)
                {
                    await manager.RemoveNetworkAsync(network.Name, term.Ended);
                }
            }
            catch (Exception e) when (e is EngineException or EngineUnreachableException)
            {
                // Its last endpoint may still be leaving: the row stays, and the next sweep tries again
                Log.Failed(logger, e.Message);
                continue;
            }
            await writes.RunAsync(
                term,
                (write, ct) => write.Networks.Where(n => n.Name == network.Name).ExecuteDeleteAsync(ct)
            );
        }
    }

    private IContainerEngine? ManagerOf(Cluster cluster) =>
        cluster.ManagerAddress is { } address ? engines.Get(address, cluster.SealedCredentials) : null;

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "A job's network is not removed yet: {Error}")]
        public static partial void Failed(ILogger logger, string error);
    }
}

/// <summary>A network across hosts cannot be had now.</summary>
public sealed class JobNetworkException(string message, Exception? inner = null) : Exception(message, inner);
