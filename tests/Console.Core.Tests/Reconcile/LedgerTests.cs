using DeepLab.Core.Clusters;
using DeepLab.Core.Metrics;
using DeepLab.Core.Reconcile;

namespace DeepLab.Core.Tests.Reconcile;

public sealed class LedgerTests
{
    private const string Uuid = "GPU-1";
    private static readonly string s_ours = new('a', 64);
    private static readonly string s_other = new('b', 64);
    private static readonly LedgerView s_free = new([Recorded()], Leases(), [], [Row()], []);
    private static readonly LedgerView s_held = s_free with { Leases = Leases(7), Containers = [Container(7)] };

    [Fact]
    public void Lease_request_and_process_that_agree_are_healthy()
    {
        Is(GpuHealth.Healthy, "", s_free);
        Is(GpuHealth.Healthy, "", s_held);
        Is(GpuHealth.Healthy, "", s_held with { Processes = [Process(s_ours)] });
        // Leased, and its container is not made yet
        Is(GpuHealth.Healthy, "", s_free with { Leases = Leases(7) });
    }

    [Fact]
    public void A_container_without_the_lease_leaks_it()
    {
        Is(GpuHealth.Leaked, "dl-7", s_free with { Containers = [Container(7)] });
        Is(GpuHealth.Leaked, "dl-8", s_held with { Containers = [Container(7), Container(8)] });
        Is(GpuHealth.Leaked, "dl-", s_free with { Containers = [Container(null)] });
        var evicting = s_free with { Gpus = [Recorded(GpuHealth.Evicting, "words")] };
        Is(GpuHealth.Evicting, "words", evicting with { Containers = [Container(7)] });
        Is(GpuHealth.Healthy, "", evicting);
        var adopted = s_free with { Gpus = [Recorded(GpuHealth.Adopted, "words")] };
        Is(GpuHealth.Adopted, "words", adopted with { Containers = [Container(7)] });
        Is(GpuHealth.Adopted, "words", adopted with { Processes = [Process(null)] });
        Is(GpuHealth.Healthy, "", adopted);
        Assert.Equal("dl-8", Assert.Single(Ledger.Leaking(s_held with { Containers = [Container(8)] }, Uuid)).Name);
    }

    [Fact]
    public void A_process_that_nobody_leased_for_squats_on_it()
    {
        Is(
            GpuHealth.Squatted,
            "process 42 (python), container bbbbbbbbbbbb, computes",
            s_free with
            {
                Processes = [Process(s_other)],
            }
        );
        Is(GpuHealth.Squatted, "bbbb", s_held with { Processes = [Process(s_ours), Process(s_other)] });
        // Where its container cannot be seen, the holder has the benefit of the doubt
        Is(GpuHealth.Squatted, "3.0 GiB", s_free with { Processes = [Process(null)] });
        Is(GpuHealth.Healthy, "", s_held with { Processes = [Process(null)] });
    }

    [Fact]
    public void The_probe_says_what_is_sick_and_its_silence_changes_nothing()
    {
        Is(GpuHealth.Sick, "ECC", s_free with { Inventory = [Row("ECC")] });
        Is(GpuHealth.Sick, "no longer lists", s_free with { Inventory = [] });
        var sick = s_free with { Gpus = [Recorded(GpuHealth.Sick, "was told")] };
        Is(GpuHealth.Sick, "was told", sick with { Inventory = null });
        Is(GpuHealth.Healthy, "", sick);
    }

    [Fact]
    public void What_an_admin_fenced_stays_so() =>
        Is(GpuHealth.Fenced, "by me", s_free with { Gpus = [Recorded(GpuHealth.Fenced, "by me")], Inventory = [] });

    [Fact]
    public void A_leak_counts_when_it_is_seen_twice_and_its_end_at_once()
    {
        var leak = Ledger.Judge(s_free with { Containers = [Container(7)] });
        Assert.Equal(GpuHealth.Healthy, Ledger.Steady(null, leak, [Recorded()])[Uuid].Health);
        Assert.Equal(GpuHealth.Healthy, Ledger.Steady(Ledger.Judge(s_free), leak, [Recorded()])[Uuid].Health);
        Assert.Equal(GpuHealth.Leaked, Ledger.Steady(leak, leak, [Recorded()])[Uuid].Health);
        // Another console saw it before
        Assert.Equal(GpuHealth.Leaked, Ledger.Steady(null, leak, [Recorded(GpuHealth.Leaked)])[Uuid].Health);
        var end = Ledger.Judge(s_free);
        Assert.Equal(GpuHealth.Healthy, Ledger.Steady(leak, end, [Recorded(GpuHealth.Leaked)])[Uuid].Health);
    }

    [Theory]
    [InlineData("app|GPU-1|42|1024|12:devices:/docker/ID|python, x|y", 42, true, 1024, "python, x|y")]
    [InlineData("app|GPU-1|42|[N/A]|0::/../docker-ID.scope|python", 42, true, 0, "python")]
    [InlineData("app|GPU-1|42|7|0::/user.slice|python", 42, false, 7, "python")]
    public void A_probes_line_tells_a_process(string line, int pid, bool inContainer, int mebibytes, string name)
    {
        var process = GpuApps.Parse(line.Replace("ID", s_ours, StringComparison.Ordinal))!;
        Assert.Equal(
            (Uuid, pid, (long)mebibytes << 20, name),
            (process.GpuUuid, process.Pid, process.MemoryBytes, process.Name)
        );
        Assert.Equal(inContainer ? s_ours : null, process.ContainerId);
    }

    [Theory]
    [InlineData("app|No devices were found||||")]
    [InlineData("app|GPU-1|1")]
    public void Another_line_tells_none(string line) => Assert.Null(GpuApps.Parse(line));

    private static void Is(GpuHealth health, string words, LedgerView view)
    {
        var verdict = Ledger.Judge(view)[Uuid];
        Assert.Equal(health, verdict.Health);
        Assert.Contains(words, verdict.Evidence, StringComparison.Ordinal);
        Assert.Equal(health == GpuHealth.Healthy, verdict.Evidence.Length == 0);
    }

    private static Gpu Recorded(GpuHealth health = GpuHealth.Healthy, string message = "") =>
        new()
        {
            Uuid = Uuid,
            Model = "A100",
            Health = health,
            HealthMessage = message,
        };

    private static GpuInventoryRow Row(string? trouble = null) => new(0, Uuid, "A100", 1, "1", "0", trouble);

    private static Dictionary<string, long> Leases(params long[] attempts) => attempts.ToDictionary(_ => Uuid);

    private static LedgerContainer Container(long? attempt) => new(s_ours, $"dl-{attempt}", attempt, [Uuid]);

    private static GpuProcess Process(string? container) => new(Uuid, 42, container, 3L << 30, "python");
}
