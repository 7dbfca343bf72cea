using DeepLab.Core.Clusters;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Hosts;

/// <summary>The fleet's Swarm, entered into a console as a cluster.</summary>
internal static class SwarmCluster
{
    public const string Name = "swarm";

    public static async Task AddAsync(ConsoleHarness console, LabFleet fleet, CancellationToken ct)
    {
        var c = fleet.Credentials;
        var cluster = new NewCluster(
            Name,
            fleet.Hosts[0].Address,
            null,
            new CredentialInput(c.Ca, c.Certificate, c.Key)
        );
        Assert.IsType<Outcome<string>.Done>(
            await console.Services.GetRequiredService<AddCluster>().RunAsync(ConsoleHarness.Admin, cluster, ct)
        );
    }

    /// <summary>All three nodes take work, and their six GPUs are known.</summary>
    public static Task OpenAsync(ConsoleHarness console, TimeSpan patience, CancellationToken ct) =>
        console.UntilAsync(
            async db =>
                (await OpenHostsAsync(db, ct)).Count == 3
                && await db.Gpus.CountAsync(g => g.DriverVersion != "", ct) >= 6,
            patience,
            ct
        );

    private static async Task<IReadOnlyList<Host>> OpenHostsAsync(ConsoleDb db, CancellationToken ct)
    {
        var hosts = await db.Hosts.AsNoTracking().Where(h => h.NodeId != null).ToListAsync(ct);
        return [.. hosts.Where(h => h.Closed is null)];
    }
}
