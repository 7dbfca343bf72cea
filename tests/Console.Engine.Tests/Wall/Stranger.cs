using System.Diagnostics;
using System.Globalization;
using DeepLab.Engine.Tests.Faults;

namespace DeepLab.Engine.Tests.Wall;

/// <summary>
/// A machine on the hosts' network that is nobody's: it answers on every port that it is told, over TCP, and over UDP on
/// VXLAN's, and has the address of a cloud's metadata beside its own.
/// </summary>
internal sealed class Stranger : IAsyncDisposable
{
    /// <summary>Past the addresses that simulated hosts are given.</summary>
    public const string Address = "10.88.0.251";
    public const string Metadata = "169.254.169.254";
    public const int Vxlan = 4789;

    private const string Program = """
        use IO::Socket::INET; use IO::Select; $| = 1;
        my $all = IO::Select->new;
        $all->add(IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => $_, Listen => 64, ReuseAddr => 1) or die "$_: $!") for @ARGV;
        my $udp = IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => 4789, Proto => 'udp') or die "udp: $!";
        $all->add($udp); print "ready\n";
        while (my @ready = $all->can_read) { for my $s (@ready) {
            if ($s == $udp) { $s->recv(my $text, 64); $s->send($text) } else { my $c = $s->accept; $c and $c->close }
        } }
        """;

    private readonly string _namespace;
    private readonly Process _process;

    private Stranger(string name, Process process) => (_namespace, _process) = (name, process);

    public static async Task<Stranger> UpAsync(IEnumerable<int> ports, CancellationToken ct)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"dls{Environment.ProcessId}");
        await IpAsync(ct, "netns", "add", name);
        await IpAsync(ct, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name);
        await IpAsync(ct, "link", "set", name, "master", "lab0", "up");
        await IpAsync(ct, "-n", name, "addr", "add", $"{Address}/24", "dev", "eth0");
        await IpAsync(ct, "-n", name, "addr", "add", $"{Metadata}/32", "dev", "eth0");
        await IpAsync(ct, "-n", name, "link", "set", "eth0", "up");
        var start = new ProcessStartInfo(
            "ip",
            [
                "netns",
                "exec",
                name,
                "perl",
                "-e",
                Program,
                .. ports.Select(p => p.ToString(CultureInfo.InvariantCulture)),
            ]
        )
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
        };
        var process = Process.Start(start)!;
        Assert.Equal("ready", await process.StandardOutput.ReadLineAsync(ct));
        return new Stranger(name, process);
    }

    /// <summary>Where a host of the fleet would ask for its cloud's metadata: here, and nowhere outside this machine.</summary>
    public static Task GiveMetadataAsync(FleetHost host, CancellationToken ct) =>
        IpAsync(ct, "-n", NamespaceOf(host), "route", "replace", $"{Metadata}/32", "dev", "eth0");

    /// <summary>The network namespace that a simulated host is.</summary>
    public static string NamespaceOf(FleetHost host) =>
        Path.GetFileName(Assert.Single(Directory.GetFiles("/run/netns", $"deeplab-{host.Name}-*")));

    public async ValueTask DisposeAsync()
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
        await IpAsync(CancellationToken.None, "netns", "del", _namespace);
    }

    private static Task<string> IpAsync(CancellationToken ct, params string[] arguments) =>
        Shell.RunAsync("ip", arguments, ct);
}
