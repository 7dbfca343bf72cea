using System.Globalization;
using System.Net;
using DeepLab.Api.Tests;
using DeepLab.Api.Tests.Gateway;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;

namespace DeepLab.Engine.Tests.Gateway;

/// <summary>A hostile program in a real container, on a host with an address of its own, published there as environments are.</summary>
public sealed class RealContainerTests(ApiHost host) : IClassFixture<ApiHost>
{
    /// <summary>Answers each request with its name and all that it was told, and tries to plant what it must not.</summary>
    private const string Program = """
        use IO::Socket::INET;
        $| = 1;
        my $s = IO::Socket::INET->new(LocalPort => 8000, Listen => 16, ReuseAddr => 1) or die $!;
        print "listening\n";
        while (my $c = $s->accept) {
            my $told = "";
            while (my $line = <$c>) { last if $line =~ /^\r?\n$/; $told .= $line }
            print "asked\n";
            my $b = "I am $ARGV[0]\n$told";
            print $c "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " . length($b)
                . "\r\nSet-Cookie: deeplab=stolen; Path=/\r\nClear-Site-Data: \"*\"\r\nService-Worker-Allowed: /\r\n"
                . "Connection: close\r\n\r\n$b";
            close $c;
        }
        """;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_container_on_another_host_learns_nothing_and_its_successor_at_the_same_port_is_not_reached()
    {
        var first = await RunAsync("one", port: 0);
        string? second = null;
        try
        {
            var address = new IPEndPoint(HostAddress(), await PortAsync(first));
            await UntilListeningAsync(first);
            var (workload, visitor) = await Visitor.EnterAsync(host, address);
            using var _ = visitor;
            using var answer = await visitor.SendAsync(
                HttpMethod.Get,
                workload.Path + "api?x=1",
                ("Cookie", $"deeplab=CONSOLE; deeplab-form=CONSOLE; {visitor.Cookie}"),
                ("Authorization", "Bearer CONSOLE"),
                ("X-Forwarded-User", "CONSOLE")
            );
            var told = await answer.Content.ReadAsStringAsync(Ct);
            Assert.StartsWith($"I am one\nGET {workload.Path}api?x=1 HTTP/1.1", told, StringComparison.Ordinal);
            Assert.Contains($"Host: {host.Gateway.Authority}", told, StringComparison.Ordinal);
            Assert.Contains($"Authorization: token {RunningWorkload.Token}", told, StringComparison.Ordinal);
            Assert.DoesNotContain("CONSOLE", told, StringComparison.Ordinal);
            Assert.DoesNotContain("deeplab", told, StringComparison.Ordinal);
            foreach (var name in (string[])["Set-Cookie", "Clear-Site-Data", "Service-Worker-Allowed"])
            {
                Assert.False(answer.Headers.Contains(name), name);
            }

            // Dead, and nobody has seen it yet: its port is held, so nobody is there
            await DockerAsync("rm", "-f", first);
            using var dead = await visitor.SendAsync(HttpMethod.Get, workload.Path);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, dead.StatusCode);
            await workload.EndAttemptAsync();
            await workload.ChangeAsync(w => w.State = WorkloadState.Stopped);
            second = await RunAsync("two", address.Port);
            await UntilListeningAsync(second);
            var (tenant, neighbour) = await Visitor.EnterAsync(host, address);
            using var __ = neighbour;
            using var gone = await visitor.SendAsync(HttpMethod.Get, workload.Path);
            Assert.Equal(HttpStatusCode.Gone, gone.StatusCode);
            using var shut = await visitor.SendAsync(HttpMethod.Get, tenant.Path);
            Assert.Equal(HttpStatusCode.Unauthorized, shut.StatusCode);
            Assert.DoesNotContain("asked", await DockerAsync("logs", second), StringComparison.Ordinal);
            Assert.StartsWith(
                "I am two",
                await neighbour.Http.GetStringAsync(tenant.Path, Ct),
                StringComparison.Ordinal
            );
        }
        finally
        {
            foreach (var container in new[] { first, second }.OfType<string>())
            {
                await Shell.RunAsync(
                    "docker",
                    ["-H", ConsoleHarness.Engine, "rm", "-f", container],
                    CancellationToken.None
                );
            }
        }
    }

    private static Task<string> DockerAsync(params string[] arguments) =>
        Shell.DockerAsync(ConsoleHarness.Engine, Ct, arguments);

    private static async Task<string> RunAsync(string name, int port) =>
        (
            await DockerAsync([
                "run",
                "-d",
                "--cap-drop=ALL",
                "--security-opt=no-new-privileges",
                "--user=1000:1000",
                "-p",
                string.Create(CultureInfo.InvariantCulture, $"{HostAddress()}:{port}:8000"),
                "deeplab/base:13",
                "perl",
                "-e",
                Program,
                name,
            ])
        ).Trim();

    private static async Task<int> PortAsync(string container) =>
        IPEndPoint.Parse((await DockerAsync("port", container, "8000/tcp")).Split('\n')[0].Trim()).Port;

    private static async Task UntilListeningAsync(string container)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        while (!(await DockerAsync("logs", container)).Contains("listening", StringComparison.Ordinal))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), patience.Token);
        }
    }

    /// <summary>Of the test's host, which the kit writes beside the engine's socket.</summary>
    private static IPAddress HostAddress()
    {
        var folder = Path.GetDirectoryName(new Uri(ConsoleHarness.Engine).LocalPath)!;
        var line = File.ReadLines(Path.Combine(folder, "host.conf"))
            .Single(l => l.Contains(" ADDRESS=", StringComparison.Ordinal));
        return IPAddress.Parse(line.Split('"')[1]);
    }
}
