using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using DeepLab.Core.Reconcile;

namespace DeepLab.Core.Tests.Reconcile;

public sealed class PreflightTests
{
    private static readonly DateTimeOffset s_now = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly EngineInfo s_engine = new(
        "id",
        "gpu1",
        "29.4.0",
        "1.47",
        "Debian",
        "6.1",
        8,
        64L << 30,
        true,
        true,
        s_now
    )
    {
        RuncVersion = "1.3.3",
    };
    private static readonly ProbeView s_probes = new(
        [new GpuInventoryRow(0, "GPU-1", "A100", 80L << 30, "550.1", "0:1")],
        null,
        new HostLine(8, 1, 2, 64L << 30, 32L << 30, 100L << 30, 50L << 30),
        null
    );
    internal static readonly HostFacts Good = new(s_engine, s_probes, TimeSpan.Zero, false, []);

    [Fact]
    public void A_sound_host_has_no_warning()
    {
        var report = Preflight.Judge(Good, s_now);
        Assert.All(report.Findings, f => Assert.Equal(FindingSeverity.Ok, f.Severity));
        Assert.Equal((s_now, null), (report.At, report.Failure));
    }

    [Theory]
    [InlineData("19.03.15", FindingSeverity.Error)]
    [InlineData("20.10.24+dfsg1", FindingSeverity.Warning)]
    [InlineData("29.3.0", FindingSeverity.Warning)]
    [InlineData("29.3.1", FindingSeverity.Ok)]
    [InlineData("library-import", FindingSeverity.Warning)]
    public void Engines_have_a_floor_and_a_version_to_upgrade_to(string version, FindingSeverity severity) =>
        Is("engine-version", severity, Good with { Engine = s_engine with { EngineVersion = version } });

    [Theory]
    [InlineData("1.1.5+ds1-1+deb12u1", FindingSeverity.Warning)]
    [InlineData("1.2.7", FindingSeverity.Warning)]
    [InlineData("1.2.8", FindingSeverity.Ok)]
    [InlineData("1.3.2", FindingSeverity.Warning)]
    [InlineData("1.4.0", FindingSeverity.Ok)]
    [InlineData("", FindingSeverity.Ok)]
    public void Runc_that_lets_containers_out_is_told(string version, FindingSeverity severity) =>
        Is("runc-version", severity, Good with { Engine = s_engine with { RuncVersion = version } });

    [Theory]
    [InlineData(-4.9, FindingSeverity.Ok)]
    [InlineData(5.1, FindingSeverity.Warning)]
    [InlineData(-61, FindingSeverity.Error)]
    public void A_clock_that_is_off_is_told_and_far_off_is_an_error(double seconds, FindingSeverity severity) =>
        Is("clock", severity, Good with { ClockSkew = TimeSpan.FromSeconds(seconds) });

    [Fact]
    public void Between_two_looks_a_clock_cannot_be_called_wrong()
    {
        var later = s_now.AddSeconds(8);
        Assert.Equal(TimeSpan.Zero, HostCheckup.SkewOf(s_now.AddSeconds(3), s_now, later));
        Assert.Equal(TimeSpan.FromSeconds(-2), HostCheckup.SkewOf(s_now.AddSeconds(-2), s_now, later));
        Assert.Equal(TimeSpan.FromSeconds(2), HostCheckup.SkewOf(s_now.AddSeconds(10), s_now, later));
    }

    [Theory]
    [InlineData(84, FindingSeverity.Ok)]
    [InlineData(86, FindingSeverity.Warning)]
    [InlineData(96, FindingSeverity.Error)]
    public void A_disk_that_fills_is_told(int usedPercent, FindingSeverity severity) =>
        Is(
            "disk",
            severity,
            Good with
            {
                Probes = s_probes with { Host = s_probes.Host! with { DiskUsed = usedPercent * (1L << 30) } },
            }
        );

    [Fact]
    public void A_container_must_start()
    {
        Is("container-starts", FindingSeverity.Error, Good with { Probes = s_probes with { HostTrouble = "no" } });
        Is("container-starts", FindingSeverity.Error, Good with { Probes = s_probes with { Host = null } });
    }

    [Fact]
    public void No_gpus_are_fine_and_a_broken_driver_is_told()
    {
        var none = s_probes with { Gpus = [], GpuTrouble = "could not select device driver \"nvidia\"" };
        var bare = s_engine with { HasNvidiaRuntime = false };
        Is("gpus", FindingSeverity.Ok, Good with { Engine = bare, Probes = none });
        Is("gpus", FindingSeverity.Warning, Good with { Probes = none });
        Is(
            "gpus",
            FindingSeverity.Warning,
            Good with
            {
                Engine = bare,
                Probes = none with { GpuTrouble = "nvidia-container-cli: driver not loaded" },
            }
        );
    }

    [Fact]
    public void Live_restore_is_asked_for_outside_a_Swarm_and_membership_inside()
    {
        var off = Good with { Engine = s_engine with { LiveRestore = false } };
        var node = off with { Engine = off.Engine with { SwarmNodeId = "n" } };
        Is("live-restore", FindingSeverity.Warning, off);
        Is("live-restore", FindingSeverity.Ok, node);
        Is("swarm", FindingSeverity.Ok, node with { NeedsSwarm = true });
        Is("swarm", FindingSeverity.Error, off with { NeedsSwarm = true });
    }

    [Fact]
    public void A_registry_that_is_away_is_a_warning() =>
        Is("registry", FindingSeverity.Warning, Good with { Registries = [new("r.example", "no route")] });

    /// <summary>The finding is there; and an error, and only that, keeps work away.</summary>
    private static void Is(string check, FindingSeverity severity, HostFacts facts)
    {
        var report = Preflight.Judge(facts, s_now);
        var finding = Assert.Single(report.Findings, f => f.Check == check);
        Assert.Equal(severity, finding.Severity);
        Assert.Equal(severity == FindingSeverity.Error, report.Failure is not null);
        Assert.True(severity == FindingSeverity.Ok || finding.Action.Length > 0, "what to do is not said");
    }
}
