using DeepLab.Core.Clusters;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Fleet;

/// <param name="ManagerAddress">engine of a Swarm manager; null = hosts are added one by one</param>
/// <param name="NodePort">port of every node's engine; null = 2376</param>
/// <param name="Credentials">for the manager and its nodes</param>
/// <param name="Trusted">its jobs may have their hosts' networks</param>
public sealed record NewCluster(
    string Name,
    string? ManagerAddress,
    int? NodePort,
    CredentialInput Credentials,
    bool Trusted = false
);

public sealed class AddCluster(IDbContextFactory<ConsoleDb> databases, SecretBox box, TimeProvider time)
{
    public async Task<Outcome<string>> RunAsync(Actor actor, NewCluster given, CancellationToken ct)
    {
        if (!actor.IsAdmin)
        {
            return new Outcome<string>.NotFound();
        }
        var input = new FleetInput();
        input.Name("name", given.Name);
        var credentials = input.Credentials("credentials.", given.Credentials);
        if (given.ManagerAddress is { } manager)
        {
            input.Address("managerAddress", manager);
            input.Port("nodePort", given.NodePort ?? 1);
            if (EngineAddress.IsTcp(manager) && given.Credentials.IsEmpty)
            {
                input.Add("credentials", "A tcp:// manager needs ca, certificate and key: plain TCP is refused.");
            }
        }
        else if (given.NodePort is not null || !given.Credentials.IsEmpty)
        {
            input.Add("managerAddress", "A port and credentials are for a Swarm's nodes; its manager is needed.");
        }
        if (input.Errors.Count > 0)
        {
            return new Outcome<string>.Refused(input.Errors);
        }
        return await VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                await db.Database.ExecuteSqlAsync($"lock table clusters in share row exclusive mode", ct);
                if (await db.Clusters.AnyAsync(c => c.Name == given.Name, ct))
                {
                    return new Outcome<string>.Conflict($"There is a cluster {given.Name} already.");
                }
                var now = time.GetUtcNow();
                var cluster = new Cluster
                {
                    Id = Guid.CreateVersion7(now),
                    Name = given.Name,
                    ManagerAddress = given.ManagerAddress,
                    SealedCredentials = credentials?.Seal(box),
                    Trusted = given.Trusted,
                    CreatedAt = now,
                };
                cluster.NodePort = given.NodePort ?? cluster.NodePort;
                db.Clusters.Add(cluster);
                db.AddAudit(now, actor.UserName, "cluster.add", $"cluster {given.Name}");
                db.Tell(ChangeKind.Host);
                return new Outcome<string>.Done(given.Name);
            },
            ct
        );
    }
}

/// <summary>
/// Says whether a cluster's jobs may have their hosts' networks. The trust ends only once no job is left that builds on it: what
/// was accepted is not refused later.
/// </summary>
public sealed class TrustCluster(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    private const int MostNamed = 5;

    /// <param name="trusted">null = as it is</param>
    public async Task<Outcome<string>> RunAsync(Actor actor, string name, bool? trusted, CancellationToken ct)
    {
        if (!actor.IsAdmin || !FleetInput.IsName(name))
        {
            return new Outcome<string>.NotFound();
        }
        return await VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                var cluster = await db
                    .Clusters.FromSql($"select * from clusters where name = {name} for update")
                    .SingleOrDefaultAsync(ct);
                if (cluster is null)
                {
                    return new Outcome<string>.NotFound();
                }
                if (trusted == false && await HeldByAsync(db, cluster.Id, ct) is { Count: > 0 } held)
                {
                    var more = held.Count > MostNamed ? " and others" : "";
                    return new Outcome<string>.Conflict(
                        $"Cluster {name} has jobs that have, or wait for, their hosts' networks: {string.Join(", ", held.Take(MostNamed))}{more}. Stop them first, or let them end."
                    );
                }
                if (trusted is { } wish && wish != cluster.Trusted)
                {
                    cluster.Trusted = wish;
                    var deed = wish ? "cluster.trust" : "cluster.distrust";
                    db.AddAudit(time.GetUtcNow(), actor.UserName, deed, $"cluster {name}");
                    db.Tell(ChangeKind.Host);
                    db.Tell(ChangeKind.Queue);
                }
                return new Outcome<string>.Done(name);
            },
            ct
        );
    }

    /// <summary>Ids of jobs, one more than are named.</summary>
    private static Task<List<long>> HeldByAsync(ConsoleDb db, Guid clusterId, CancellationToken ct) =>
        db
            .Workloads.Where(w => w.ClusterId == clusterId && w.HostNetwork)
            .Where(w => w.State != WorkloadState.Succeeded && w.State != WorkloadState.Failed)
            .Where(w => w.State != WorkloadState.Stopped)
            .OrderBy(w => w.Id)
            .Select(w => w.Id)
            .Take(MostNamed + 1)
            .ToListAsync(ct);
}

/// <summary>Takes an empty cluster out. Nodes of its Swarm on which nothing runs or holds go with it.</summary>
public sealed class RemoveCluster(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public async Task<Outcome<string>> RunAsync(Actor actor, string name, CancellationToken ct)
    {
        if (!actor.IsAdmin || !FleetInput.IsName(name))
        {
            return new Outcome<string>.NotFound();
        }
        return await VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                await LeaderRow.HoldAsync(db, ct);
                var cluster = await db
                    .Clusters.FromSql($"select * from clusters where name = {name} for update")
                    .SingleOrDefaultAsync(ct);
                if (cluster is null)
                {
                    return new Outcome<string>.NotFound();
                }
                if (await WhyNotAsync(db, cluster, ct) is { } why)
                {
                    return new Outcome<string>.Conflict(why);
                }
                foreach (var host in await db.Hosts.Where(h => h.ClusterId == cluster.Id).ToListAsync(ct))
                {
                    await HostRows.RemoveAsync(db, host, ct);
                }
                db.Clusters.Remove(cluster);
                db.AddAudit(time.GetUtcNow(), actor.UserName, "cluster.remove", $"cluster {name}");
                db.Tell(ChangeKind.Host);
                return new Outcome<string>.Done(name);
            },
            ct
        );
    }

    private static async Task<string?> WhyNotAsync(ConsoleDb db, Cluster cluster, CancellationToken ct)
    {
        foreach (
            var host in await db
                .Hosts.AsNoTracking()
                .Where(h => h.ClusterId == cluster.Id)
                .OrderBy(h => h.Name)
                .ToListAsync(ct)
        )
        {
            if (host.NodeId is null)
            {
                return $"Cluster {cluster.Name} is not empty: {host.Name} is in it. Remove its hosts first.";
            }
            if (await HostRows.WhatHoldsAsync(db, host.Id, ct) is { } what)
            {
                return $"Cluster {cluster.Name} is not empty: on {host.Name}, {what}.";
            }
        }
        // Their pages name the cluster
        var jobs = await db.Workloads.CountAsync(w => w.ClusterId == cluster.Id && w.DeletedAt == null, ct);
        return jobs > 0 ? $"Cluster {cluster.Name} has {jobs} jobs in its history; delete them first." : null;
    }
}
