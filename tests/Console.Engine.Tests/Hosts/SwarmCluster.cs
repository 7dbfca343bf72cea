using DeepLab.Core;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace DeepLab.Engine.Tests.Hosts;

/// <summary>The fleet's Swarm, entered into a console as a cluster.</summary>
internal static class SwarmCluster
{
    public const string Name = "swarm";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    public static async Task AddAsync(ConsoleHarness console, LabFleet fleet, CancellationToken ct)
    {
        var c = fleet.Credentials;
        var cluster = new NewCluster(
            Name,
            fleet.Hosts[0].Address,
            null,
            new CredentialInput(c.Ca, c.Certificate, c.Key),
            Trusted: true
        );
        Assert.IsType<Outcome<string>.Done>(
            await console.Services.GetRequiredService<AddCluster>().RunAsync(ConsoleHarness.Admin, cluster, ct)
        );
    }

    /// <summary>A console with the cluster in it, whose nodes take work.</summary>
    public static async Task<ConsoleHarness> StartAsync(
        LabFleet fleet,
        CancellationToken ct,
        Func<ConsoleOptions, ConsoleOptions>? change = null
    )
    {
        var console = await ConsoleHarness.StartAsync(ct, change);
        await AddAsync(console, fleet, ct);
        await OpenAsync(console, s_patience, ct);
        return console;
    }

    /// <summary>Waits until the jobs are cleaned away; then what must hold at rest holds on every host of the fleet, and no network is left.</summary>
    public static async Task AtRestAsync(
        ConsoleHarness console,
        LabFleet fleet,
        IReadOnlyCollection<long> jobs,
        CancellationToken ct
    )
    {
        await console.UntilAsync(db => db.Attempts.AllAsync(a => a.ContainerRemoved, ct), s_patience, ct);
        await console.UntilAsync(async db => !await db.Networks.AnyAsync(ct), s_patience, ct);
        var engines = console.Services.GetRequiredService<IEngineFactory>();
        var install = console.Services.GetRequiredService<InstallationId>().Value;
        await using var sql = NpgsqlDataSource.Create(console.Options.Database);
        foreach (var host in fleet.Hosts)
        {
            await Invariants.AtRestAsync(sql, engines.Get(host.Socket), jobs, ct);
            Assert.Empty(await engines.Get(host.Socket).NetworksAsync(install, ct));
        }
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
