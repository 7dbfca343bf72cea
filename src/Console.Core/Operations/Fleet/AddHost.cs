using DeepLab.Core.Clusters;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Fleet;

/// <param name="Address">`unix:///path`, or `tcp://address:port` with credentials</param>
/// <param name="NetworkAddress">by which other hosts reach it; empty = not told</param>
public sealed record NewHost(
    string Name,
    string Cluster,
    string Address,
    CredentialInput Credentials,
    IReadOnlyDictionary<string, string> Labels,
    string NetworkAddress
);

/// <summary>Enters a host. It takes work once its preflight passed.</summary>
public sealed class AddHost(IDbContextFactory<ConsoleDb> databases, SecretBox box, TimeProvider time)
{
    public async Task<Outcome<string>> RunAsync(Actor actor, NewHost given, CancellationToken ct)
    {
        if (!actor.IsAdmin)
        {
            return new Outcome<string>.NotFound();
        }
        var input = new FleetInput();
        input.Name("name", given.Name);
        input.Address("address", given.Address);
        input.NetworkAddress("networkAddress", given.NetworkAddress);
        input.Labels("labels", given.Labels);
        var credentials = input.Credentials("", given.Credentials);
        if (EngineAddress.IsTcp(given.Address) && given.Credentials.IsEmpty)
        {
            input.Add("ca", "A tcp:// address needs ca, certificate and key: plain TCP is refused.");
        }
        else if (!EngineAddress.IsTcp(given.Address) && !given.Credentials.IsEmpty)
        {
            input.Add("ca", "Credentials are for tcp:// addresses.");
        }
        await using var look = await databases.CreateDbContextAsync(ct);
        var cluster = FleetInput.IsName(given.Cluster)
            ? await look.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Name == given.Cluster, ct)
            : null;
        if (cluster is null)
        {
            input.Add("cluster", "There is no such cluster; GET /clusters lists them, POST /clusters makes one.");
        }
        else if (cluster.ManagerAddress is not null)
        {
            input.Add("cluster", "Its hosts are the nodes of its Swarm: join the machine there, and it appears.");
        }
        if (input.Errors.Count > 0)
        {
            return new Outcome<string>.Refused(input.Errors);
        }
        return await VerbTransaction.RunAsync<string>(
            databases,
            db => InsertAsync(db, actor, given, cluster!.Id, credentials, ct),
            ct
        );
    }

    private async Task<Outcome<string>> InsertAsync(
        ConsoleDb db,
        Actor actor,
        NewHost given,
        Guid clusterId,
        EngineCredentials? credentials,
        CancellationToken ct
    )
    {
        // Two that enter the same engine or name at once: the second waits here, and is told
        await db.Database.ExecuteSqlAsync($"lock table hosts in share row exclusive mode", ct);
        var taken = await db
            .Hosts.AsNoTracking()
            .FirstOrDefaultAsync(h => h.Name == given.Name || h.Address == given.Address, ct);
        if (taken is not null)
        {
            return new Outcome<string>.Conflict(
                taken.Name == given.Name
                    ? $"There is a host {given.Name} already."
                    : $"The engine at {given.Address} is host {taken.Name} already."
            );
        }
        var now = time.GetUtcNow();
        var host = new Host
        {
            Id = Guid.CreateVersion7(now),
            ClusterId = clusterId,
            Name = given.Name,
            Address = given.Address,
            SealedCredentials = credentials?.Seal(box),
            Labels = new Dictionary<string, string>(given.Labels),
            NetworkAddress = given.NetworkAddress,
            UnreachableSince = now,
            StateMessage = "not reached yet",
            CreatedAt = now,
        };
        host.Settle();
        db.Hosts.Add(host);
        db.AddAudit(now, actor.UserName, "host.add", $"host {given.Name}");
        db.Tell(ChangeKind.Host);
        return new Outcome<string>.Done(given.Name);
    }
}

/// <summary>What is null stays as it is.</summary>
public sealed record HostEdit(
    IReadOnlyDictionary<string, string>? Labels,
    string? NetworkAddress,
    CredentialInput Credentials
);

public sealed class EditHost(IDbContextFactory<ConsoleDb> databases, SecretBox box, TimeProvider time)
{
    public async Task<Outcome<string>> RunAsync(Actor actor, string name, HostEdit edit, CancellationToken ct)
    {
        var input = new FleetInput();
        input.Labels("labels", edit.Labels ?? new Dictionary<string, string>());
        input.NetworkAddress("networkAddress", edit.NetworkAddress ?? "");
        var credentials = input.Credentials("", edit.Credentials);
        return await HostChange.RunAsync(
            databases,
            time,
            actor,
            name,
            "host.edit",
            (_, host, _, _) =>
            {
                if (!EngineAddress.IsTcp(host.Address) && !edit.Credentials.IsEmpty)
                {
                    input.Add("ca", "Credentials are for tcp:// addresses.");
                }
                if (host.NodeId is not null && (edit.Labels is not null || !edit.Credentials.IsEmpty))
                {
                    input.Add(
                        edit.Labels is not null ? "labels" : "ca",
                        "Labels and credentials of a Swarm's node are the Swarm's and its cluster's."
                    );
                }
                if (input.Errors.Count > 0)
                {
                    return Task.FromResult<Outcome<string>?>(new Outcome<string>.Refused(input.Errors));
                }
                host.Labels = edit.Labels is { } labels ? new Dictionary<string, string>(labels) : host.Labels;
                host.NetworkAddress = edit.NetworkAddress ?? host.NetworkAddress;
                host.SealedCredentials = credentials?.Seal(box) ?? host.SealedCredentials;
                return Task.FromResult<Outcome<string>?>(null);
            },
            ct
        );
    }
}
