using DeepLab.Core.Workloads.Receipts;

namespace DeepLab.Core.Tests.Workloads.Receipts;

public sealed class ReceiptMakerTests
{
    private static readonly DateTimeOffset s_start = new(2026, 11, 27, 12, 0, 0, TimeSpan.Zero);
    private const long Gib = 1L << 30;

    private static DateTimeOffset At(double seconds) => s_start.AddSeconds(seconds);

    /// <summary>A sample every two seconds.</summary>
    private static UsePoint[] Steady(double from, double to, double value) =>
        [
            .. Enumerable
                .Range(0, (int)((to - from) / 2) + 1)
                .Select(i => new UsePoint(At(from + i * 2).ToUnixTimeMilliseconds(), value, value)),
        ];

    private static GpuRun Gpu(double from, double to, double utilisation, string uuid = "GPU-a") =>
        new(uuid, "A100", 80 * Gib)
        {
            Utilisation = Steady(from, to, utilisation),
            Memory = Steady(from, to, 40 * Gib),
            Temperature = Steady(from, to, 60),
        };

    private static AttemptRun Attempt(int round, double leased, double started, double ended, params GpuRun[] gpus) =>
        new(round, "worker-0", At(leased), At(started), At(ended), Completed: true, Cpus: 2, MemoryBytes: 4 * Gib)
        {
            Gpus = gpus,
        };

    private static RunFacts Run(double? ended, bool succeeded, params AttemptRun[] attempts) =>
        new(s_start, ended is { } e ? At(e) : null, succeeded, attempts, new Dictionary<int, DateTimeOffset>());

    [Fact]
    public void What_it_was_told_of_slow_networks_is_found()
    {
        var told = Enumerable.Range(1, 9).Select(i => $"the network between a and b{i} is slow").ToArray();
        var run = Run(560, succeeded: true, Attempt(1, 100, 160, 560)) with { SlowNetworks = [told[0], .. told] };

        var found = ReceiptMaker.Make(run, At(1000)).Findings.Where(f => f.Kind == RunFindingKind.NetworkSlow);

        Assert.Equal(told[..4], found.Select(f => f.Message));
    }

    [Fact]
    public void Every_second_of_a_run_is_told_once()
    {
        var attempt = Attempt(1, 100, 160, 560, Gpu(160, 560, 25), Gpu(160, 560, 75, "GPU-b")) with
        {
            Pulls = [(At(110), At(150))],
        };

        var receipt = ReceiptMaker.Make(Run(560, succeeded: true, attempt), At(1000));

        Assert.Equal(new Spent(100, 0), receipt.Waited);
        Assert.Equal(new Spent(40, 80), receipt.Pulled);
        Assert.Equal(new Spent(20, 40), receipt.Prepared);
        Assert.Equal(Measure.Gpu, receipt.By);
        Assert.Equal(200, receipt.Computed.Seconds, 6);
        Assert.Equal(400, receipt.Computed.GpuSeconds, 6);
        Assert.Equal(200, receipt.Idle.Seconds, 6);
        Assert.Equal(400, receipt.Idle.GpuSeconds, 6);
        Assert.Equal(Spent.Nothing, receipt.Unsaved);
        Assert.Equal(560, receipt.Waited.Seconds + receipt.Pulled.Seconds + receipt.Prepared.Seconds + receipt.Ran, 6);
        Assert.Equal(["worker-0 GPU 0", "worker-0 GPU 1"], receipt.Gpus.Select(g => g.Name));
        Assert.Equal([25, 75], receipt.Gpus.Select(g => Math.Round(g.Utilisation)));
    }

    [Fact]
    public void Replicas_beside_each_other_count_once_by_the_clock_and_each_by_gpu()
    {
        var a = Attempt(1, 0, 10, 110, Gpu(10, 110, 100));
        var b = Attempt(1, 0, 20, 120, Gpu(20, 120, 100, "GPU-b")) with { Replica = "worker-1" };

        var receipt = ReceiptMaker.Make(Run(120, succeeded: true, a, b), At(500));

        Assert.Equal(110, receipt.Ran, 6);
        Assert.Equal(200, receipt.Computed.GpuSeconds, 6);
        Assert.Equal(new Spent(10, 30), receipt.Prepared);
    }

    [Fact]
    public void A_round_that_failed_loses_what_no_checkpoint_holds()
    {
        var failed = Attempt(1, 0, 0, 1000, Gpu(0, 1000, 50)) with { Completed = false };
        var again = Attempt(2, 1060, 1060, 1500, Gpu(1060, 1500, 50));
        var facts = Run(1500, succeeded: true, failed, again) with
        {
            Saved = new Dictionary<int, DateTimeOffset> { [1] = At(700) },
        };

        var receipt = ReceiptMaker.Make(facts, At(2000));

        Assert.Equal(new Spent(300, 300), receipt.Unsaved);
        Assert.Equal(60, receipt.Waited.Seconds, 6);
        Assert.Equal(2, receipt.Rounds);
        Assert.Contains(
            receipt.Findings,
            f => f is { Kind: RunFindingKind.WorkUnsaved } && f.Message.Contains("5 m 00 s of work on 1 GPU")
        );
    }

    [Fact]
    public void Tasks_that_succeeded_lose_nothing_when_others_fail()
    {
        var good = Attempt(1, 0, 0, 300);
        var bad = Attempt(1, 0, 0, 500) with { Replica = "task-1", Completed = false };

        var receipt = ReceiptMaker.Make(Run(500, succeeded: false, good, bad), At(600));

        Assert.Equal(new Spent(500, 0), receipt.Unsaved);
    }

    [Fact]
    public void A_run_that_goes_on_counts_up_to_now_and_has_no_lost_work_yet()
    {
        var running = Attempt(1, 50, 60, 0, Gpu(60, 200, 10)) with { EndedAt = null, Completed = false };

        var receipt = ReceiptMaker.Make(Run(null, succeeded: false, running), At(200));

        Assert.False(receipt.Ended);
        Assert.Equal(At(200), receipt.At);
        Assert.Equal(50, receipt.Waited.Seconds, 6);
        Assert.Equal(140, receipt.Ran, 6);
        Assert.Equal(140, receipt.Unsaved.GpuSeconds, 6);
        Assert.DoesNotContain(receipt.Findings, f => f.Kind == RunFindingKind.WorkUnsaved);
    }

    [Fact]
    public void One_that_waits_again_goes_on_waiting_and_one_that_never_ran_only_waited()
    {
        var failed = Attempt(1, 10, 20, 100) with { Completed = false };
        var waits = ReceiptMaker.Make(Run(null, succeeded: false, failed), At(400));
        Assert.Equal(310, waits.Waited.Seconds, 6);

        var never = ReceiptMaker.Make(Run(90, succeeded: false), At(400));
        Assert.Equal(new Spent(90, 0), never.Waited);
        Assert.Equal(0, never.Ran);
        Assert.Equal(Measure.None, never.By);
        Assert.Empty(never.Findings);
    }

    [Fact]
    public void Without_a_gpu_its_cpus_tell_and_without_samples_nothing_does()
    {
        var attempt = Attempt(1, 0, 0, 100) with { Cpu = Steady(0, 100, 0.5), Memory = Steady(0, 100, Gib) };
        var receipt = ReceiptMaker.Make(Run(100, succeeded: true, attempt), At(100));
        Assert.Equal(Measure.Cpu, receipt.By);
        Assert.Equal(25, receipt.Computed.Seconds, 6);
        Assert.Equal(75, receipt.Idle.Seconds, 6);
        var use = Assert.Single(receipt.Replicas);
        Assert.Equal((0.5, 0.5, Gib), (Math.Round(use.MeanCpus, 6), use.PeakCpus, use.PeakMemoryBytes));

        var blind = ReceiptMaker.Make(Run(100, succeeded: true, Attempt(1, 0, 0, 100, Gpu(500, 600, 90))), At(900));
        Assert.Equal(Measure.None, blind.By);
        Assert.Equal(new Spent(100, 100), blind.Unmeasured);
        Assert.Empty(blind.Findings);
    }

    [Fact]
    public void An_engine_whose_clock_is_wrong_makes_no_time()
    {
        var early = Attempt(1, 100, -5000, 200, Gpu(100, 200, 50)) with { Pulls = [(At(90), At(5000))] };

        var receipt = ReceiptMaker.Make(Run(200, succeeded: true, early), At(200));

        Assert.Equal(100, receipt.Ran, 6);
        Assert.Equal(0, receipt.Pulled.Seconds);
        Assert.Equal(0, receipt.Prepared.Seconds, 6);
    }

    [Fact]
    public void A_gap_in_the_samples_is_not_measured()
    {
        var gpu = new GpuRun("GPU-a", "A100", 80 * Gib)
        {
            Utilisation = [.. Steady(0, 100, 100), .. Steady(900, 1000, 100)],
        };

        var receipt = ReceiptMaker.Make(Run(1000, succeeded: true, Attempt(1, 0, 0, 1000, gpu)), At(1000));

        Assert.Equal(230, receipt.Computed.GpuSeconds, 6);
        Assert.Equal(770, receipt.Unmeasured.GpuSeconds, 6);
    }
}
