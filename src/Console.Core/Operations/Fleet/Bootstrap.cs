using System.Security.Cryptography;
using DeepLab.Core.Clusters;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Fleet;

/// <summary>Which installation this process serves; set once the database was reached.</summary>
public sealed class InstallationId
{
    private string? _value;

    /// <exception cref="InvalidOperationException">The database was not reached yet.</exception>
    public string Value
    {
        get =>
            _value
            ?? throw new InvalidOperationException("The installation is not known before the database was reached.");
        set => _value = value;
    }

    public bool IsKnown => _value is not null;
}

/// <summary>Brings the database to this version and makes the first cluster, host and images. Safe to run at once by many.</summary>
public sealed class Bootstrap(
    IDbContextFactory<ConsoleDb> databases,
    ConsoleOptions options,
    InstallationId installation,
    SecretBox box,
    DatabaseClock clock,
    TimeProvider time
)
{
    public async Task RunAsync(CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        await db.Database.MigrateAsync(ct);
        var asked = time.GetTimestamp();
        clock.Hear(
            await db.Database.SqlQuery<DateTimeOffset>($"select clock_timestamp() as \"Value\"").SingleAsync(ct),
            asked
        );
        var now = time.GetUtcNow();
        await db.Database.ExecuteSqlAsync(
            $"""
            insert into installations (id, install_id, created_at)
            values (1, {Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6))}, {now}) on conflict do nothing
            """,
            ct
        );
        await db.Database.ExecuteSqlAsync(
            $"""
            insert into leadership (id, holder, epoch, expires_at) values (1, '', 0, {now}) on conflict do nothing
            """,
            ct
        );
        await db.Database.ExecuteSqlAsync(
            $"""
            insert into clusters (id, name, created_at) values ({Guid.CreateVersion7()}, {ConsoleOptions.ClusterName}, {now})
            on conflict (name) do nothing
            """,
            ct
        );
        await db.Database.ExecuteSqlAsync(
            $"""
            insert into teams (id, name, weight, quota, recent_gpu_seconds, recent_use_at, created_at)
            values ({Guid.CreateVersion7()}, {Tenancy.Team.Everyone}, 1, {"{}"}::jsonb, 0, {now}, {now})
            on conflict (name) do nothing
            """,
            ct
        );
        // Jobs of the time before there were teams
        await db.Database.ExecuteSqlAsync(
            $"""
            update workloads set team_id = t.id, team_name = t.name from teams t
            where t.name = {Tenancy.Team.Everyone} and workloads.team_name = ''
            """,
            ct
        );
        await HostAsync(db, now, ct);
        await ImagesAsync(db, now, ct);
        installation.Value = await db.Installations.Select(i => i.InstallId).SingleAsync(ct);
    }

    private async Task HostAsync(ConsoleDb db, DateTimeOffset now, CancellationToken ct)
    {
        var cluster = await db.Clusters.SingleAsync(c => c.Name == ConsoleOptions.ClusterName, ct);
        var host = await db.Hosts.SingleOrDefaultAsync(h => h.Name == options.HostName, ct);
        if (host is null)
        {
            host = new Host
            {
                Id = Guid.CreateVersion7(),
                ClusterId = cluster.Id,
                Name = options.HostName,
                Address = options.DockerHost,
                State = HostState.Unreachable,
                UnreachableSince = now,
                StateMessage = "not reached yet",
                CreatedAt = now,
            };
            db.Hosts.Add(host);
        }
        if (options.HostAddress is { } told)
        {
            host.NetworkAddress = told;
        }
        else if (host.Address != options.DockerHost)
        {
            // Another machine: what was said of the last one's address is not true of it
            host.NetworkAddress = "";
        }
        host.Address = options.DockerHost;
        await SealAsync(host, ct);
        host.Labels = new Dictionary<string, string>(options.HostLabels);
        await db.SaveChangesAsync(ct);
    }

    /// <summary>Sealed anew only where they changed: each sealing is another text, and another client of the engine.</summary>
    /// <exception cref="InvalidOperationException">The folder does not hold what a client of a `tcp://` engine needs.</exception>
    private async Task SealAsync(Host host, CancellationToken ct)
    {
        if (!EngineAddress.IsTcp(host.Address))
        {
            host.SealedCredentials = null;
            return;
        }
        if (options.DockerCertPath is not { } folder)
        {
            throw new InvalidOperationException(
                $"DOCKER_HOST is {host.Address}; DOCKER_CERT_PATH must name the folder of its ca.pem, cert.pem and key.pem: plain TCP is refused."
            );
        }
        async Task<string> ReadAsync(string name) => await File.ReadAllTextAsync(Path.Combine(folder, name), ct);
        var given = new EngineCredentials(
            await ReadAsync("ca.pem"),
            await ReadAsync("cert.pem"),
            await ReadAsync("key.pem")
        );
        if (given.Check().Select(e => $"{e.Part}: {e.Message}").ToArray() is { Length: > 0 } errors)
        {
            throw new InvalidOperationException($"{folder}: {string.Join(' ', errors)}");
        }
        if (!Holds(host.SealedCredentials, given))
        {
            host.SealedCredentials = given.Seal(box);
        }
    }

    private bool Holds(string? sealedCredentials, EngineCredentials given)
    {
        try
        {
            return sealedCredentials is not null && EngineCredentials.Open(box, sealedCredentials) == given;
        }
        catch (SecretBoxException)
        {
            return false;
        }
    }

    private static async Task ImagesAsync(ConsoleDb db, DateTimeOffset now, CancellationToken ct)
    {
        if (await db.Images.AnyAsync(ct))
        {
            return;
        }
        db.Images.AddRange(
            new CatalogueImage
            {
                Id = Guid.CreateVersion7(),
                Name = "pytorch-cpu",
                Reference = "deeplab/pytorch-cpu:2.6",
                Framework = "PyTorch",
                FrameworkVersion = "2.6",
                Features = ["python", "deeplab", "jupyter", "ssh"],
                Description = "PyTorch 2.6 for CPUs on Debian 13, with the digits data and the deeplab package",
                CreatedAt = now,
            },
            new CatalogueImage
            {
                Id = Guid.CreateVersion7(),
                Name = "base",
                Reference = "deeplab/base:13",
                Framework = "Debian",
                FrameworkVersion = "13",
                Features = ["sh"],
                Description = "Debian 13 with a shell and nothing else",
                CreatedAt = now,
            }
        );
        await db.SaveChangesAsync(ct);
    }
}
