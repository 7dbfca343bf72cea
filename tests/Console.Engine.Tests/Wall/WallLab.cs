using System.Globalization;
using System.Net;
using System.Net.Sockets;
using DeepLab.Core;
using DeepLab.Core.Clusters;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace DeepLab.Engine.Tests.Wall;

/// <summary>
/// A console with two of the fleet's hosts, and around them everything that a job must not reach: each of it answers.
/// </summary>
public sealed class WallLab(LabFleet fleet) : IAsyncLifetime
{
    public const string One = "one";
    public const string Two = "two";

    /// <summary>The console's machine, as hosts see it.</summary>
    private const string ConsoleAddress = "10.88.0.1";
    private const int Database = 5432;
    private const int Free = 8080;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly TcpListener _page = new(IPAddress.Parse(ConsoleAddress), 0);
    private readonly TcpListener _gateway = new(IPAddress.Parse(ConsoleAddress), 0);
    private readonly TcpListener _mirror = new(IPAddress.Parse(ConsoleAddress), 0);
    private readonly List<(FleetHost Host, string Container)> _tenants = [];
    private Stranger? _stranger;
    private ConsoleHarness? _console;

    public ConsoleHarness Console => _console ?? throw new InvalidOperationException("It is not up.");
    public FleetHost First => fleet.Hosts[0];
    public FleetHost Second => fleet.Hosts[1];
    public string InstallId => Console.Services.GetRequiredService<InstallationId>().Value;

    /// <summary>What a job must not reach: name, address, port, and whether over UDP.</summary>
    public IReadOnlyList<(string Name, string Address, int Port, bool IsUdp)> Forbidden { get; private set; } = [];

    /// <summary>What it may.</summary>
    public IReadOnlyList<(string Name, string Address, int Port, bool IsUdp)> Allowed { get; private set; } = [];

    /// <summary>Another tenant's container on the first host, by its own address, where it serves.</summary>
    public (string Name, string Address, int Port, bool IsUdp) Tenant { get; private set; }

    public async ValueTask InitializeAsync()
    {
        var ct = CancellationToken.None;
        await fleet.ReadyAsync(ct);
        foreach (var listener in new[] { _page, _gateway, _mirror })
        {
            listener.Start();
        }
        _stranger = await Stranger.UpAsync([80, 53, Free, Database, 2375, 2376, 2377], ct);
        await Stranger.GiveMetadataAsync(First, ct);
        _console = await ConsoleHarness.StartAsync(ct, Change);
        await AddAsync(One, First, ct);
        await AddAsync(Two, Second, ct);
        await OpenAsync(One, ct);
        await OpenAsync(Two, ct);
        // Each host that came in gives those that were there another keeper, within seconds
        await UntilRulesAsync(First, ct);
        await UntilRulesAsync(Second, ct);
        await TenantsAsync(ct);
        var (first, second) = (new Uri(First.Address).Host, new Uri(Second.Address).Host);
        Forbidden =
        [
            ("metadata", Stranger.Metadata, 80, false),
            ("console", ConsoleAddress, PortOf(_page), false),
            ("gateway", ConsoleAddress, PortOf(_gateway), false),
            ("database", Stranger.Address, Database, false),
            ("docker-2375", Stranger.Address, 2375, false),
            ("docker-2376", Stranger.Address, 2376, false),
            ("docker-2377", Stranger.Address, 2377, false),
            ("own-engine", first, 2376, false),
            ("other-engine", second, 2376, false),
            ("vxlan", Stranger.Address, Stranger.Vxlan, true),
            ("tenant-published-here", first, TenantPort, false),
            ("tenant-published-there", second, TenantPort, false),
        ];
        Allowed =
        [
            ("elsewhere", Stranger.Address, Free, false),
            ("names", Stranger.Address, 53, false),
            ("mirror", ConsoleAddress, PortOf(_mirror), false),
        ];
    }

    /// <summary>Runs a job on the first host that tries each of them, and answers what came of each.</summary>
    public async Task<Dictionary<string, string>> TryAsync(
        IEnumerable<(string Name, string Address, int Port, bool IsUdp)> targets,
        CancellationToken ct
    )
    {
        var calls = targets.Select(t =>
            string.Create(CultureInfo.InvariantCulture, $"go {t.Name} {(t.IsUdp ? "udp" : "tcp")} {t.Address} {t.Port}")
        );
        var script = $"{Hostile}\n{string.Join('\n', calls)}";
        var id = await Console.SubmitAsync(Specs.Shell(script, cpus: 1) with { Placement = At(One) }, ct);
        var job = await Console.WaitForEndAsync(id, s_patience, ct);
        Assert.Equal(WorkloadState.Succeeded, job.Row.State);
        var text = await Console
            .Services.GetRequiredService<DeepLab.Core.Streams.LogReader>()
            .ReadAsync(job.Replicas[0].Attempts[0].Id, 0, 100, ct);
        return text.Select(l => l.Text.Split(' ')).ToDictionary(w => w[0], w => w[1]);
    }

    public static PlacementSpec At(string host) => new() { OnlyHosts = [host] };

    /// <summary>As an admin would.</summary>
    public async Task LabelAsync(string host, string? mode, CancellationToken ct)
    {
        var labels = mode is null
            ? new Dictionary<string, string>()
            : new Dictionary<string, string> { [EgressOptions.HostLabel] = mode };
        Assert.IsType<Outcome<string>.Done>(
            await Console
                .Services.GetRequiredService<EditHost>()
                .RunAsync(
                    ConsoleHarness.Admin,
                    host,
                    new HostEdit(labels, null, new CredentialInput(null, null, null)),
                    ct
                )
        );
    }

    /// <summary>Runs something in a host's keeper of its rules, as an admin of that machine could.</summary>
    public Task<string> InKeeperAsync(FleetHost host, CancellationToken ct, params string[] command) =>
        host.DockerAsync(ct, ["exec", WallPlans.NameOf(InstallId), .. command]);

    /// <summary>Waits until the rules of a host are whole, and know both hosts.</summary>
    public async Task UntilRulesAsync(FleetHost host, CancellationToken ct)
    {
        string[] named =
        [
            "tcp dport { 2375, 2376, 2377 } goto refuse",
            new Uri(First.Address).Host,
            new Uri(Second.Address).Host,
        ];
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(s_patience);
        while (true)
        {
            try
            {
                var table = WallRules.TableOf(InstallId);
                var rules = await InKeeperAsync(host, patience.Token, "/usr/sbin/nft", "list", "table", "inet", table);
                if (named.All(n => rules.Contains(n, StringComparison.Ordinal)))
                {
                    return;
                }
            }
            catch (InvalidOperationException) when (!patience.IsCancellationRequested)
            {
                // One keeper takes the place of another
            }
            await Task.Delay(100, patience.Token);
        }
    }

    /// <summary>Waits until the report of a host says this of its rules.</summary>
    public Task UntilFoundAsync(string host, FindingSeverity severity, CancellationToken ct) =>
        UntilFoundAsync(Console, host, severity, ct);

    public static Task UntilFoundAsync(
        ConsoleHarness console,
        string host,
        FindingSeverity severity,
        CancellationToken ct
    ) =>
        console.UntilAsync(
            async db =>
                (await db.Hosts.AsNoTracking().SingleAsync(h => h.Name == host, ct)).Preflight is { } report
                && report.Findings.Any(f => f.Check == "egress" && f.Severity == severity),
            s_patience,
            ct
        );

    public Task OpenAsync(string host, CancellationToken ct) =>
        Console.UntilAsync(
            async db => (await db.Hosts.AsNoTracking().SingleAsync(h => h.Name == host, ct)).Closed is null,
            s_patience,
            ct
        );

    public async ValueTask DisposeAsync()
    {
        foreach (var (host, container) in _tenants)
        {
            await host.DockerAsync(CancellationToken.None, "rm", "-f", container);
        }
        if (_console is not null)
        {
            await _console.DisposeAsync();
        }
        if (_stranger is not null)
        {
            await _stranger.DisposeAsync();
        }
        foreach (var listener in new[] { _page, _gateway, _mirror })
        {
            listener.Dispose();
        }
    }

    private const int TenantPort = 20500;

    // A line a target; what does not answer within two seconds is silent. Of a datagram bash reads one byte
    private const string Hostile = """
        go() {
            timeout 2 bash -c 'exec 3<>/dev/$0/$1/$2 && { [ $0 = tcp ] || { echo hello >&3 && read -r -N 1 -t 1 -u 3 byte; }; }' $2 $3 $4 2>/dev/null
            case $? in 0) echo "$1 reached" ;; 124) echo "$1 silent" ;; *) echo "$1 refused" ;; esac
        }
        """;

    /// <summary>Its database is here in truth, and, where that should not answer, at the stranger's.</summary>
    private ConsoleOptions Change(ConsoleOptions options)
    {
        var connection = new NpgsqlConnectionStringBuilder(options.Database);
        connection.Host += string.Create(CultureInfo.InvariantCulture, $",{Stranger.Address}:{Database}");
        return options with
        {
            Database = connection.ConnectionString,
            Egress = new EgressOptions { Allow = [EgressTarget.Of(IPAddress.Parse(ConsoleAddress), PortOf(_mirror))] },
        };
    }

    private async Task AddAsync(string name, FleetHost host, CancellationToken ct)
    {
        var c = fleet.Credentials;
        var given = new NewHost(
            name,
            ConsoleOptions.ClusterName,
            host.Address,
            new CredentialInput(c.Ca, c.Certificate, c.Key),
            new Dictionary<string, string>(),
            ""
        );
        Assert.IsType<Outcome<string>.Done>(
            await Console.Services.GetRequiredService<AddHost>().RunAsync(ConsoleHarness.Admin, given, ct)
        );
    }

    /// <summary>On each host a container as an environment's is, on the lab's network, with a port published on the host's address.</summary>
    private async Task TenantsAsync(CancellationToken ct)
    {
        const string Serve =
            "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 8888, Listen => 9); while (my $c = $s->accept) { $c->close }";
        foreach (var host in new[] { First, Second })
        {
            var published = string.Create(
                CultureInfo.InvariantCulture,
                $"{new Uri(host.Address).Host}:{TenantPort}:8888"
            );
            var id = await host.DockerAsync(
                ct,
                [
                    "run",
                    "-d",
                    // One of the tests stops the engine for a while
                    "--restart",
                    "unless-stopped",
                    "--network",
                    WallRules.NetworkOf(InstallId),
                    "-p",
                    published,
                    "deeplab/base:13",
                    "perl",
                    "-e",
                    Serve,
                ]
            );
            _tenants.Add((host, id.Trim()));
        }
        var address = await First.DockerAsync(
            ct,
            "inspect",
            "-f",
            "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
            _tenants[0].Container
        );
        Tenant = ("tenant", address.Trim(), 8888, false);
    }

    private static int PortOf(TcpListener listener) => ((IPEndPoint)listener.LocalEndpoint).Port;
}
