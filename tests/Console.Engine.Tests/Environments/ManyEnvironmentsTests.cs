using System.Globalization;
using System.Net.Sockets;
using DeepLab.Core;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Environments;

/// <summary>
/// Many environments at once over three hosts. DEEPLAB_TEST_ENVIRONMENTS of them with the real JupyterLab, as `./lab soak` asks;
/// without it a few with a stand-in, a small HTTP server by Jupyter's name, since the real image is a gigabyte a host.
/// </summary>
public sealed class ManyEnvironmentsTests(LabFleet fleet)
{
    private const string StandIn = "deeplab/base:jupyter-stand-in";
    private const string Real = "deeplab/pytorch-cpu:2.6";
    private const int Few = 6;
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static int? Asked =>
        int.TryParse(
            Environment.GetEnvironmentVariable("DEEPLAB_TEST_ENVIRONMENTS"),
            CultureInfo.InvariantCulture,
            out var n
        )
            ? n
            : null;

    [Fact]
    public async Task All_become_ready_with_ports_of_their_own_and_nothing_is_left_of_them_once_they_are_deleted()
    {
        var (count, image) = (Asked ?? Few, Asked is null ? StandIn : Real);
        await fleet.ReadyAsync(Ct);
        await Task.WhenAll(fleet.Hosts.Select(h => ProvideAsync(h, image)));
        try
        {
            await using var console = await ConsoleHarness.StartAsync(
                Ct,
                o => o with { Ports = new PortRange(22000, 22099) }
            );
            await AddAsync(console);
            var began = TimeProvider.System.GetTimestamp();
            var ids = new List<long>();
            foreach (var n in Enumerable.Range(1, count))
            {
                var on = fleet.Hosts[n % fleet.Hosts.Count].Name;
                ids.Add(
                    await CreateAsync(console, string.Create(CultureInfo.InvariantCulture, $"many-{n}"), image, on)
                );
            }
            await console.UntilAsync(
                async db =>
                    await db.Attempts.CountAsync(a => ids.Contains(a.WorkloadId) && a.ReadyAt != null, Ct) == count,
                s_patience,
                Ct
            );
            Tell($"{count} environments were ready", began);

            IReadOnlyList<Endpoint> doors;
            await using (var db = await console.DbAsync(Ct))
            {
                doors = await db.Endpoints.AsNoTracking().Where(e => e.ReleasedAt == null).ToListAsync(Ct);
            }
            Assert.Equal(count, doors.Count);
            Assert.Equal(count, doors.DistinctBy(d => (d.Address, d.Port)).Count());
            Assert.Equal(3, doors.Select(d => d.Address).Distinct().Count());
            foreach (var door in doors)
            {
                Assert.True(await AnswersAsync(door));
            }

            began = TimeProvider.System.GetTimestamp();
            foreach (var id in ids)
            {
                await console.StopAsync(id, Ct);
            }
            await console.UntilAsync(
                db => db.Workloads.AllAsync(w => w.State == WorkloadState.Stopped, Ct),
                s_patience,
                Ct
            );
            var delete = console.Services.GetRequiredService<DeleteEnvironment>();
            foreach (var id in ids)
            {
                Assert.IsType<Outcome<long>.Done>(await delete.RunAsync(ConsoleHarness.Admin, id, true, Ct));
            }
            await console.UntilAsync(
                async db =>
                    await db.Attempts.AllAsync(a => a.ContainerRemoved, Ct)
                    && await db.Workloads.AllAsync(w => w.HomeHostId == null, Ct),
                s_patience,
                Ct
            );
            Tell("they were gone", began);
            await NothingIsLeftAsync(console, doors);
        }
        finally
        {
            if (image == StandIn)
            {
                foreach (var host in fleet.Hosts)
                {
                    await host.DockerAsync(CancellationToken.None, "rmi", "-f", StandIn);
                }
            }
        }
    }

    private async Task NothingIsLeftAsync(ConsoleHarness console, IReadOnlyList<Endpoint> doors)
    {
        var install = console.Services.GetRequiredService<InstallationId>().Value;
        var engines = console.Services.GetRequiredService<IEngineFactory>();
        foreach (var host in fleet.Hosts)
        {
            var engine = engines.Get(host.Socket);
            Assert.DoesNotContain(await engine.ListAsync(install, Ct), c => c.Labels.ContainsKey(Labels.Attempt));
            Assert.Empty(await engine.VolumesAsync(install, Ct));
            Assert.Empty(await engine.NetworksAsync(install, Ct));
        }
        foreach (var door in doors)
        {
            Assert.False(await AnswersAsync(door));
        }
        await using var db = await console.DbAsync(Ct);
        Assert.False(await db.Endpoints.AnyAsync(e => e.ReleasedAt == null, Ct));
        Assert.False(await db.Leases.AnyAsync(l => l.ReleasedAt == null, Ct));
        Assert.False(await db.Secrets.AnyAsync(Ct));
    }

    private static async Task<bool> AnswersAsync(Endpoint door)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(door.Address, door.Port, Ct);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static async Task<long> CreateAsync(ConsoleHarness console, string name, string image, string host)
    {
        var spec = EnvironmentConsole.Spec(name, new EnvironmentSpec(), image: image) with
        {
            Placement = new PlacementSpec { OnlyHosts = [host] },
            Roles =
            [
                new RoleSpec
                {
                    Name = EnvironmentSpec.Role,
                    Resources = new ResourcesSpec { Cpus = 0.25, Memory = 400 << 20 },
                },
            ],
        };
        var outcome = await console
            .Services.GetRequiredService<SubmitJob>()
            .RunAsync(ConsoleHarness.Admin, spec, null, Ct);
        return Assert.IsType<Outcome<Submitted>.Done>(outcome).Value.Id;
    }

    private async Task AddAsync(ConsoleHarness console)
    {
        var c = fleet.Credentials;
        foreach (var host in fleet.Hosts)
        {
            var given = new NewHost(
                host.Name,
                ConsoleOptions.ClusterName,
                host.Address,
                new CredentialInput(c.Ca, c.Certificate, c.Key),
                new Dictionary<string, string>(),
                ""
            );
            Assert.IsType<Outcome<string>.Done>(
                await console.Services.GetRequiredService<AddHost>().RunAsync(ConsoleHarness.Admin, given, Ct)
            );
        }
        await console.UntilAsync(
            async db => (await db.Hosts.AsNoTracking().ToListAsync(Ct)).All(h => h.Closed is null),
            TimeSpan.FromSeconds(60),
            Ct
        );
    }

    /// <summary>Puts the image onto a host.</summary>
    private static async Task ProvideAsync(FleetHost host, string image)
    {
        if (image == Real)
        {
            await host.LoadAsync("pytorch-cpu");
            return;
        }
        const string Jupyter = """
            #!/usr/bin/perl
            # Stands in for JupyterLab: answers 200 to whatever it is asked
            use IO::Socket::INET;
            my $s = IO::Socket::INET->new(LocalPort => 8888, Listen => 64, ReuseAddr => 1) or die $!;
            while (my $c = $s->accept) {
                while (defined(my $line = <$c>)) { last if $line =~ /^\r?\n$/ }
                print $c "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                close $c;
            }

            """;
        var write = $"cat > /usr/local/bin/jupyter-lab <<'END'\n{Jupyter}END\nchmod 755 /usr/local/bin/jupyter-lab";
        var made = (
            await host.DockerAsync(Ct, "run", "-d", "--user", "0:0", "deeplab/base:13", "sh", "-c", write)
        ).Trim();
        Assert.Equal("0", (await host.DockerAsync(Ct, "wait", made)).Trim());
        await host.DockerAsync(Ct, "commit", "-c", "USER 1000:1000", "-c", "CMD [\"bash\"]", made, image);
        await host.DockerAsync(Ct, "rm", made);
    }

    private static void Tell(string what, long since) =>
        TestContext.Current.TestOutputHelper?.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{what} after {TimeProvider.System.GetElapsedTime(since).TotalSeconds:0.0} s"
            )
        );
}
