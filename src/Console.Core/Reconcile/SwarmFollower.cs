using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Keeps the hosts of a cluster that was entered by its Swarm's manager to the Swarm's nodes. One look at each manager every
/// few seconds, beside the loop: a manager that does not answer is told, and delays nobody.
/// </summary>
public sealed partial class SwarmFollower(
    LeaderWrites writes,
    IDbContextFactory<ConsoleDb> databases,
    IEngineFactory engines,
    ChangeFeed changes,
    TimeProvider time,
    ILogger<SwarmFollower> logger
)
{
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);
    private const string Left = "it left its Swarm";

    public async Task RunAsync(LeaderTerm term)
    {
        using var subscription = changes.Subscribe(c => c.Kind is ChangeKind.Host or ChangeKind.Everything);
        var looks = new Dictionary<Guid, Task>();
        try
        {
            while (!term.Ended.IsCancellationRequested)
            {
                foreach (var cluster in await SwarmsAsync(term.Ended))
                {
                    if (!looks.TryGetValue(cluster.Id, out var look) || look.IsCompleted)
                    {
                        looks[cluster.Id] = LookAsync(term, cluster);
                    }
                }
                await subscription.NextAsync(s_every, time, term.Ended);
                await Task.Delay(s_pause, time, term.Ended);
            }
        }
        finally
        {
            await Task.WhenAll(looks.Values).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<IReadOnlyList<Cluster>> SwarmsAsync(CancellationToken ct)
    {
        try
        {
            await using var db = await databases.CreateDbContextAsync(ct);
            return await db.Clusters.AsNoTracking().Where(c => c.ManagerAddress != null).ToListAsync(ct);
        }
        catch (Exception e) when (DatabaseFaults.IsFault(e))
        {
            Log.Failed(logger, "the Swarms", e.Message);
            return [];
        }
    }

    private async Task LookAsync(LeaderTerm term, Cluster cluster)
    {
        try
        {
            var trouble = "";
            try
            {
                var manager = engines.Get(cluster.ManagerAddress!, cluster.SealedCredentials);
                if (await manager.NodesAsync(term.Ended) is { } nodes)
                {
                    await FollowAsync(term, cluster, nodes);
                }
                else
                {
                    trouble = $"the engine at {cluster.ManagerAddress} is no manager of a Swarm";
                }
            }
            catch (Exception e) when (e is EngineException or EngineUnreachableException)
            {
                trouble = e.Message;
            }
            if (trouble != cluster.Trouble)
            {
                await TellAsync(term, cluster.Id, trouble);
            }
        }
        catch (Exception e) when (DatabaseFaults.IsFault(e))
        {
            Log.Failed(logger, cluster.Name, e.Message);
        }
    }

    private async Task FollowAsync(LeaderTerm term, Cluster cluster, IReadOnlyList<SwarmNode> nodes)
    {
        await using (var db = await databases.CreateDbContextAsync(term.Ended))
        {
            var seen = await db.Hosts.AsNoTracking().Where(h => h.ClusterId == cluster.Id).ToListAsync(term.Ended);
            if (SwarmNodes.Diff(cluster, nodes, seen).Count == 0)
            {
                return;
            }
        }
        await writes.RunAsync(
            term,
            async (db, ct) =>
            {
                // Again, on rows that nobody changes meanwhile
                var hosts = await db
                    .Hosts.FromSql($"select * from hosts where cluster_id = {cluster.Id} order by id for update")
                    .ToListAsync(ct);
                if (!await db.Clusters.AnyAsync(c => c.Id == cluster.Id, ct))
                {
                    return 0;
                }
                foreach (var move in SwarmNodes.Diff(cluster, nodes, hosts))
                {
                    await ApplyAsync(db, cluster, hosts, move, ct);
                }
                if (db.ChangeTracker.HasChanges())
                {
                    db.Tell(ChangeKind.Host);
                    db.Tell(ChangeKind.Queue);
                }
                return 0;
            },
            db => db.ChangeTracker.HasChanges()
        );
    }

    private async Task ApplyAsync(
        ConsoleDb db,
        Cluster cluster,
        IReadOnlyList<Host> hosts,
        NodeMove move,
        CancellationToken ct
    )
    {
        switch (move)
        {
            case NodeMove.Join join:
                db.Hosts.Add(await MakeAsync(db, cluster, join, ct));
                Log.Joined(logger, cluster.Name, join.Node.Hostname, join.Address);
                break;
            case NodeMove.Follow follow:
                var host = hosts.Single(h => h.Id == follow.HostId);
                host.NodeId = follow.Node.Id;
                host.Address = follow.Address;
                host.NetworkAddress = follow.Node.Address;
                host.SealedCredentials = cluster.SealedCredentials;
                host.Labels = follow.Labels;
                if (follow.Wish is { } wish)
                {
                    host.Wish = wish;
                    host.DrainDeadline = null;
                    host.SettleAs(wish == HostWish.Active ? "" : $"is \"{follow.Node.Availability}\" in its Swarm");
                }
                break;
            case NodeMove.Leave leave:
                await LeaveAsync(db, hosts.Single(h => h.Id == leave.HostId), ct);
                break;
        }
    }

    private async Task<Host> MakeAsync(ConsoleDb db, Cluster cluster, NodeMove.Join join, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var name = SwarmNodes.NameOf(join.Node);
        var taken =
            await db.Hosts.AnyAsync(h => h.Name == name, ct)
            || db.ChangeTracker.Entries<Host>().Any(e => e.Entity.Name == name);
        var host = new Host
        {
            Id = Guid.CreateVersion7(now),
            ClusterId = cluster.Id,
            Name = taken ? $"{name}-{join.Node.Id[..Math.Min(6, join.Node.Id.Length)]}" : name,
            Address = join.Address,
            NetworkAddress = join.Node.Address,
            SealedCredentials = cluster.SealedCredentials,
            Labels = join.Labels,
            NodeId = join.Node.Id,
            Wish = SwarmNodes.WishOf(join.Node.Availability),
            UnreachableSince = now,
            StateMessage = "not reached yet",
            CreatedAt = now,
        };
        host.Settle();
        return host;
    }

    private async Task LeaveAsync(ConsoleDb db, Host host, CancellationToken ct)
    {
        if (await HostRows.WhatHoldsAsync(db, host.Id, ct) is null)
        {
            Log.Gone(logger, host.Name);
            await HostRows.RemoveAsync(db, host, ct);
        }
        else if (host.NodeId is not null)
        {
            // What it runs is followed to its end; then it goes
            host.NodeId = null;
            if (host.Wish != HostWish.Fenced)
            {
                host.Wish = HostWish.Disabled;
                host.DrainDeadline = null;
                host.SettleAs(Left);
            }
        }
    }

    private Task TellAsync(LeaderTerm term, Guid clusterId, string trouble) =>
        writes.RunAsync(
            term,
            async (db, ct) =>
            {
                if (await db.Clusters.SingleOrDefaultAsync(c => c.Id == clusterId, ct) is { } cluster)
                {
                    cluster.Trouble = trouble;
                    db.Tell(ChangeKind.Host);
                }
                return 0;
            }
        );

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Following {Cluster} waits for the database: {Error}")]
        public static partial void Failed(ILogger logger, string cluster, string error);

        [LoggerMessage(LogLevel.Information, "Cluster {Cluster}: node {Node} joined, at {Address}")]
        public static partial void Joined(ILogger logger, string cluster, string node, string address);

        [LoggerMessage(LogLevel.Information, "Host {Host} left its Swarm and is taken out")]
        public static partial void Gone(ILogger logger, string host);
    }
}
