using DeepLab.Core.Clusters;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Fleet;

/// <summary>An admin's change of one host: under the lock of its row, which the loop writes too, with its audit row.</summary>
internal static class HostChange
{
    /// <param name="change">null = done; else what stands against it, and nothing is written</param>
    /// <param name="alone">no write of the loop, such as a lease on this host, goes on meanwhile</param>
    /// <returns>the host's name</returns>
    public static async Task<Outcome<string>> RunAsync(
        IDbContextFactory<ConsoleDb> databases,
        TimeProvider time,
        Actor actor,
        string name,
        string action,
        Func<ConsoleDb, Host, DateTimeOffset, CancellationToken, Task<Outcome<string>?>> change,
        CancellationToken ct,
        bool alone = false
    )
    {
        if (!actor.IsAdmin || !FleetInput.IsName(name))
        {
            return new Outcome<string>.NotFound();
        }
        return await VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                if (alone)
                {
                    await LeaderRow.HoldAsync(db, ct);
                }
                var id = await db.Hosts.Where(h => h.Name == name).Select(h => h.Id).ToListAsync(ct);
                if (id is not [var known] || await db.LockHostAsync(known, ct) is not { } host)
                {
                    return new Outcome<string>.NotFound();
                }
                var now = time.GetUtcNow();
                if (await change(db, host, now, ct) is { } refused)
                {
                    return refused;
                }
                db.AddAudit(now, actor.UserName, action, $"host {name}");
                db.Tell(ChangeKind.Host);
                db.Tell(ChangeKind.Queue);
                return new Outcome<string>.Done(name);
            },
            ct
        );
    }
}
