using System.Net;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Reconcile;

namespace DeepLab.Core.Tests.Reconcile;

public sealed class WallRulesTests
{
    private const string Install = "0123456789abcdef";

    private static string Script(EgressOptions? options = null, params EgressTarget[] refused) =>
        WallRules.Script(Install, options ?? new EgressOptions(), refused);

    private static EgressTarget Target(string text) =>
        EgressTarget.TryParse(text, out var target) ? target : throw new ArgumentException(text, nameof(text));

    [Fact]
    public void What_is_refused_is_so_over_both_protocols_of_the_internet()
    {
        var script = Script(null, Target("10.0.0.1"), Target("[fd00::7]:5432"), Target("10.1.0.0/16"));
        foreach (
            var line in new[]
            {
                "ip daddr 169.254.0.0/16 goto refuse",
                "ip6 daddr fd00:ec2::254/128 goto refuse",
                "ip6 daddr fe80::/10 goto refuse",
                "ip daddr 10.0.0.1/32 goto refuse",
                "ip6 daddr fd00::7/128 tcp dport 5432 goto refuse",
                "ip daddr 10.1.0.0/16 goto refuse",
                "tcp dport { 2375, 2376, 2377 } goto refuse",
                "udp dport 4789 goto refuse",
                "ct status dnat goto refuse",
            }
        )
        {
            Assert.Contains($"\n{line}\n", script);
        }
    }

    [Fact]
    public void Every_job_has_a_bridge_of_its_own_that_the_rules_know()
    {
        var names = Enumerable
            .Range(1, 5000)
            .SelectMany(id => new[] { WallRules.BridgeOf(Install, id, 1), WallRules.BridgeOf(Install, id, 2) })
            .Append(WallRules.NetworkOf(Install))
            .ToList();
        Assert.Equal(names.Count, names.Distinct().Count());
        Assert.All(
            names.Append(WallRules.BridgeOf(Install, long.MaxValue / 16, int.MaxValue)),
            n =>
            {
                Assert.InRange(n.Length, 1, 15);
                Assert.StartsWith(WallRules.BridgesOf(Install).TrimEnd('*'), n, StringComparison.Ordinal);
            }
        );
    }

    [Fact]
    public void What_is_allowed_comes_before_all_that_is_refused()
    {
        var script = Script(new EgressOptions { Allow = [Target("10.0.0.5:3128")] }, Target("10.0.0.5"));
        var allowed = script.IndexOf(
            "ct original ip daddr 10.0.0.5/32 meta l4proto tcp ct original proto-dst 3128 accept",
            StringComparison.Ordinal
        );
        Assert.InRange(allowed, 1, script.IndexOf("chain inward", StringComparison.Ordinal));
        Assert.InRange(
            script.IndexOf("ip daddr 10.0.0.5/32 goto refuse", StringComparison.Ordinal),
            allowed,
            int.MaxValue
        );
    }

    [Fact]
    public void The_same_policy_is_the_same_script_in_whatever_order_it_comes()
    {
        var (a, b) = (Target("10.0.0.1"), Target("10.0.0.2:80"));
        Assert.Equal(Script(null, a, b), Script(null, b, a, b));
        Assert.NotEqual(Script(null, a), Script(null, b));
    }

    [Theory]
    [InlineData("10.0.0.5", "10.0.0.5/32", null)]
    [InlineData("10.0.0.5:3128", "10.0.0.5/32", 3128)]
    [InlineData("10.0.0.0/8", "10.0.0.0/8", null)]
    [InlineData("fd00::1", "fd00::1/128", null)]
    [InlineData("[fd00::1]:443", "fd00::1/128", 443)]
    [InlineData("[fd00::/8]:443", "fd00::/8", 443)]
    public void A_target_is_read(string text, string network, int? port) =>
        Assert.Equal(new EgressTarget(IPNetwork.Parse(network), port), Target(text));

    [Theory]
    [InlineData("mirror.example")]
    [InlineData("10.0.0.5:0")]
    [InlineData("10.0.0.5:70000")]
    [InlineData("10.0.0.5/33")]
    [InlineData("12")]
    [InlineData("10.0.0.5 accept")]
    [InlineData("")]
    public void Anything_else_is_none_and_never_reaches_the_script(string text) =>
        Assert.False(EgressTarget.TryParse(text, out _));

    [Fact]
    public void Wrong_settings_are_told_all_at_once()
    {
        var settings = new Dictionary<string, string>
        {
            ["DEEPLAB_DB"] = "Host=/run",
            ["DEEPLAB_DATA"] = "/data",
            ["DEEPLAB_EGRESS"] = "maybe",
            ["DEEPLAB_EGRESS_ALLOW"] = "10.0.0.1,proxy",
            ["DEEPLAB_EGRESS_DENY"] = "10.0.0.0/99",
        };
        var e = Assert.Throws<InvalidOperationException>(() =>
            ConsoleOptions.FromEnvironment(settings.GetValueOrDefault)
        );
        Assert.Equal(3, e.Message.Split(Environment.NewLine).Length);
        Assert.Contains("on, best-effort and off", e.Message);
        Assert.Contains("\"proxy\"", e.Message);
        Assert.Contains("\"10.0.0.0/99\"", e.Message);
    }

    [Theory]
    [InlineData(null, EgressMode.BestEffort)]
    [InlineData("off", EgressMode.Off)]
    [InlineData("on", EgressMode.On)]
    [InlineData("nonsense", EgressMode.BestEffort)]
    public void A_hosts_own_label_comes_first(string? label, EgressMode mode)
    {
        var labels = new Dictionary<string, string>();
        if (label is not null)
        {
            labels[EgressOptions.HostLabel] = label;
        }
        Assert.Equal(mode, new EgressOptions { Mode = EgressMode.BestEffort }.ModeOf(labels));
    }

    [Theory]
    [InlineData(EgressMode.On, false, false, false)]
    [InlineData(EgressMode.On, false, true, false)]
    [InlineData(EgressMode.On, true, false, true)]
    [InlineData(EgressMode.BestEffort, false, false, false)]
    [InlineData(EgressMode.BestEffort, false, true, true)]
    [InlineData(EgressMode.BestEffort, true, false, true)]
    [InlineData(EgressMode.Off, false, false, true)]
    public void Nothing_starts_before_the_rules_hold_or_were_tried_in_vain(
        EgressMode mode,
        bool holds,
        bool hasTrouble,
        bool isOpen
    )
    {
        Assert.Equal(isOpen, new WallView(mode, true, holds, hasTrouble ? "no nft" : null).IsOpen);
        // Without a network that keeps containers apart never
        Assert.False(new WallView(mode, false, holds, hasTrouble ? "no nft" : null).IsOpen);
    }

    [Theory]
    [InlineData(EgressMode.On, true, FindingSeverity.Ok)]
    [InlineData(EgressMode.On, false, FindingSeverity.Error)]
    [InlineData(EgressMode.BestEffort, false, FindingSeverity.Warning)]
    [InlineData(EgressMode.Off, false, FindingSeverity.Warning)]
    public void The_report_says_how_it_stands_and_what_to_do(EgressMode mode, bool holds, FindingSeverity severity)
    {
        var view = new WallView(mode, true, holds, holds || mode == EgressMode.Off ? null : "its image has no nft");
        var facts = PreflightTests.Good with { Wall = view };
        var finding = Preflight.Judge(facts, default).Findings.Single(f => f.Check == "egress");
        Assert.Equal(severity, finding.Severity);
        Assert.Equal(severity == FindingSeverity.Ok, finding.Action.Length == 0);
    }

    [Fact]
    public void Only_its_keeper_has_the_one_capability_that_rules_need()
    {
        var keeper = HostConfigs.Build(WallPlans.Make(Install, "deeplab/base:13", Script()), new EnginePolicy());
        Assert.Equal(["NET_ADMIN"], keeper.HostConfig!.CapAdd);
        Assert.Equal(["ALL"], keeper.HostConfig.CapDrop);
        Assert.Equal(["no-new-privileges"], keeper.HostConfig.SecurityOpt);
        Assert.Equal("host", keeper.HostConfig.NetworkMode);
        Assert.True(keeper.HostConfig.ReadonlyRootfs);
        Assert.False(keeper.HostConfig.Privileged);
        Assert.Empty(keeper.HostConfig.Mounts!);
    }
}
