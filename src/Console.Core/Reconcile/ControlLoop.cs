using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// The leader's loop: a worker for each host, and the queue's pass whenever something changed or five seconds went by.
/// Ending it never ends a workload.
/// </summary>
public sealed partial class ControlLoop(
    Leadership leadership,
    QueuePass pass,
    IEngineFactory engines,
    JobNetworks networks,
    JobVolumes volumes,
    HomeVolumes homes,
    CheckpointRemovals removals,
    DatasetMaking datasets,
    SwarmFollower swarms,
    DriverTools tools,
    ProbeStarter probes,
    SeriesWriter series,
    IDbContextFactory<ConsoleDb> databases,
    ChangeFeed changes,
    InstallationId installation,
    TimeProvider time,
    ILogger<ControlLoop> logger
) : BackgroundService
{
    private static readonly TimeSpan s_passEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_firstLooks = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!installation.IsKnown)
        {
            throw new InvalidOperationException("The loop starts after the bootstrap.");
        }
        await leadership.RunAsync(LeadAsync, stoppingToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        try
        {
            await leadership.ResignAsync(cancellationToken);
        }
        catch (Exception e) when (DatabaseFaults.IsFault(e))
        {
            // The lease runs out by itself
            Log.Fault(logger, e.Message);
        }
    }

    private async Task LeadAsync(LeaderTerm term)
    {
        using var subscription = changes.Subscribe(c =>
            c.Kind is ChangeKind.Queue or ChangeKind.Host or ChangeKind.Workload or ChangeKind.Everything
        );
        await using var workers = new HostWorkers(engines, tools, databases, probes, term);
        var tried = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var sweeping = SweepAsync(term, tried.Task);
        // Another console may have written series since this one led last
        await series.ForgetAsync(term.Ended);
        try
        {
            var (mayHaveHosts, isFirst) = (true, true);
            while (!term.Ended.IsCancellationRequested)
            {
                try
                {
                    if (mayHaveHosts)
                    {
                        await workers.FollowAsync();
                        mayHaveHosts = false;
                    }
                    if (isFirst)
                    {
                        await workers.FirstLooksAsync(s_firstLooks, term.Ended);
                        isFirst = false;
                    }
                    var nextDeadline = await pass.RunAsync(
                        term,
                        workers.Looked(),
                        leased => workers.EnsureDriver(leased.HostId, leased.AttemptId)
                    );
                    tried.TrySetResult();
                    mayHaveHosts |= await NextAsync(subscription, workers, Patience(nextDeadline), term.Ended);
                    continue;
                }
                catch (Exception e) when (DatabaseFaults.IsFault(e))
                {
                    Log.Fault(logger, e.Message);
                }
                catch (Exception e) when (!term.Ended.IsCancellationRequested)
                {
                    // A leader that renews its lease and does nothing would keep all others from leading
                    Log.Broken(logger, e);
                }
                tried.TrySetResult();
                mayHaveHosts = true;
                await Task.Delay(s_retry, time, term.Ended);
            }
        }
        finally
        {
            await sweeping.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>What nobody waits for begins after the first pass, for which hosts and jobs may have waited while nobody led.</summary>
    private async Task SweepAsync(LeaderTerm term, Task firstPass)
    {
        await firstPass.WaitAsync(term.Ended);
        await Task.WhenAll(
            networks.RunAsync(term),
            volumes.RunAsync(term),
            homes.RunAsync(term),
            removals.RunAsync(term),
            datasets.RunAsync(term),
            swarms.RunAsync(term)
        );
    }

    /// <summary>Wakes drivers of workloads that changed; returns when the queue may have, and answers whether hosts may have.</summary>
    private async Task<bool> NextAsync(
        ChangeFeed.Subscription subscription,
        HostWorkers workers,
        TimeSpan patience,
        CancellationToken ct
    )
    {
        var began = time.GetTimestamp();
        while (true)
        {
            var left = patience - time.GetElapsedTime(began);
            if (left <= TimeSpan.Zero)
            {
                return true;
            }
            var batch = await subscription.NextAsync(left, time, ct);
            foreach (var change in batch)
            {
                foreach (var worker in workers.All)
                {
                    if (change.Kind == ChangeKind.Workload)
                    {
                        worker.WakeWorkload(change.Id);
                    }
                    else if (change.Kind == ChangeKind.Everything)
                    {
                        worker.WakeAll();
                    }
                }
            }
            if (batch.Count == 0 || batch.Any(c => c.Kind != ChangeKind.Workload))
            {
                return batch.Count == 0 || batch.Any(c => c.Kind is ChangeKind.Host or ChangeKind.Everything);
            }
        }
    }

    private TimeSpan Patience(DateTimeOffset? nextDeadline)
    {
        var left = nextDeadline - time.GetUtcNow();
        return left < s_passEvery
            ? TimeSpan.FromTicks(Math.Max(left.Value.Ticks, TimeSpan.TicksPerMillisecond))
            : s_passEvery;
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The queue's pass waits for the database: {Error}")]
        public static partial void Fault(ILogger logger, string error);

        [LoggerMessage(LogLevel.Error, "The queue's pass failed; it is tried again")]
        public static partial void Broken(ILogger logger, Exception e);
    }
}
