using System.Diagnostics;
using DeepLab.Core.Engines;
using DeepLab.Core.Reconcile.Pairs;

namespace DeepLab.Core.Tests.Reconcile.Pairs;

/// <summary>The program that measures, run as it is by this machine's Perl, and the container that it is in.</summary>
public sealed class PairProgramTests : IDisposable
{
    private const string Token = "0123456789abcdef0123456789abcdef";
    private readonly Process _server = Start(PairProgram.Server, Token);

    public void Dispose()
    {
        _server.Kill(entireProcessTree: true);
        // Its port is free for the next
        _server.WaitForExit();
        _server.Dispose();
    }

    [Fact]
    public async Task It_finds_plausible_figures_and_lets_no_stranger_in()
    {
        var (figures, why) = PairReading.Parse(await AskAsync(Token));
        Assert.Equal("", why);
        // Loopback, on however busy a machine
        Assert.InRange(figures!.Value.MegabytesPerSecond, 1, 1_000_000);
        Assert.InRange(figures.Value.Milliseconds, 0.001, 1000);

        var stranger = PairReading.Parse(await AskAsync(new string('f', Token.Length)));
        Assert.Equal((null, "localhost closed the connection"), stranger);
    }

    [Fact]
    public async Task A_name_that_is_nobodys_is_told() =>
        Assert.Equal(
            (null, "the name nobody.invalid did not resolve"),
            PairReading.Parse(await AskAsync(Token, "nobody.invalid"))
        );

    [Fact]
    public void Its_container_has_no_part_of_its_host()
    {
        var plan = PairPlans.Make("0123456789ab", "deeplab/base:13", 7, 2, "net", "alias", Token);
        Assert.Equal("dl-pair-01234567-7-2", plan.Name);
        var made = HostConfigs.Build(plan, new EnginePolicy());
        var config = made.HostConfig!;
        Assert.Equal("net", config.NetworkMode);
        Assert.Empty(config.CapAdd!);
        Assert.Equal(["ALL"], config.CapDrop);
        Assert.Empty(config.Mounts!);
        Assert.Empty(config.PortBindings!);
        Assert.False(config.Privileged);
        Assert.Equal("1000:1000", made.User);
        Assert.False(made.Labels!.ContainsKey(Labels.Attempt) || made.Labels.ContainsKey(Labels.Workload));
    }

    private static async Task<string> AskAsync(string token, string host = "localhost")
    {
        using var client = Start(PairProgram.Client(host), token);
        return await client.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
    }

    private static Process Start(IReadOnlyList<string> command, string token) =>
        Process.Start(
            new ProcessStartInfo(command[0], command.Skip(1))
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
                Environment = { [PairProgram.Token] = token },
            }
        )!;
}
