using DeepLab.Core.Workloads.Receipts;

namespace DeepLab.Core.Tests.Workloads.Receipts;

public sealed class ReceiptFindingsTests
{
    private const long Gib = 1L << 30;
    private static readonly GpuUse s_gpu = new("worker-0 GPU 0", "GPU-a", "A100", 600, 90, 100, 40 * Gib, 80 * Gib, 60);
    private static readonly ReplicaUse s_replica = new("worker-0", 600, 1, 2, 2, 0, 2 * Gib, 4 * Gib);
    private static readonly Receipt s_well = new()
    {
        Ended = true,
        By = Measure.Gpu,
        Computed = new Spent(540, 540),
        Idle = new Spent(60, 60),
        Gpus = [s_gpu],
        Replicas = [s_replica],
    };

    private static RunFinding One(Receipt receipt, RunFindingKind kind)
    {
        var finding = Assert.Single(ReceiptFindings.Of(receipt));
        Assert.Equal(kind, finding.Kind);
        Assert.NotEmpty(finding.Advice);
        return finding;
    }

    [Fact]
    public void A_run_that_uses_what_it_holds_has_none() => Assert.Empty(ReceiptFindings.Of(s_well));

    [Fact]
    public void What_was_seen_too_shortly_proves_nothing() =>
        Assert.Empty(
            ReceiptFindings.Of(
                s_well with
                {
                    Idle = new Spent(50, 50),
                    Computed = Spent.Nothing,
                    Gpus = [s_gpu with { Seconds = 50, PeakUtilisation = 0, PeakMemoryBytes = 0 }],
                }
            )
        );

    [Fact]
    public void An_idle_gpu_names_the_input_pipeline_and_the_cpus_where_they_are_full()
    {
        var idle = s_well with { Computed = new Spent(174, 174), Idle = new Spent(426, 426) };
        Assert.Equal(
            "GPU idle 71 % of the time: the input pipeline is slow",
            One(idle, RunFindingKind.GpuIdle).Message
        );

        var starved = idle with { Replicas = [s_replica with { CpusFull = 0.9, MeanCpus = 1.96 }] };
        var findings = ReceiptFindings.Of(starved);
        Assert.Contains("full 90 % of the time: ask for more", findings[0].Advice);
        Assert.Equal(
            "the CPUs of worker-0 were full 90 % of the time: 1.96 of 2 cores in the mean",
            Assert.Single(findings, f => f.Kind == RunFindingKind.CpuFull).Message
        );
    }

    [Fact]
    public void Gpus_without_work_are_told_by_name()
    {
        var unused = s_gpu with { Name = "worker-0 GPU 1", Utilisation = 0, PeakUtilisation = 0 };
        var some = s_well with { Gpus = [s_gpu, unused] };
        Assert.Equal("1 of 2 GPUs had no work: worker-0 GPU 1", One(some, RunFindingKind.SomeGpusUnused).Message);
        var none = s_well with { Gpus = [unused] };
        Assert.Equal("its GPU had no work in 10 m 00 s", One(none, RunFindingKind.GpuUnused).Message);
    }

    [Theory]
    [InlineData(3.1, RunFindingKind.GpuMemoryLow, "peak 3.1 of 80 GiB of GPU memory: a smaller GPU would do")]
    [InlineData(0.5, RunFindingKind.GpuMemoryLow, "peak 512 MiB of 80 GiB of GPU memory: a smaller GPU would do")]
    [InlineData(
        79,
        RunFindingKind.GpuMemoryNearlyFull,
        "peak 79 of 80 GiB of GPU memory on worker-0 GPU 0: nearly full"
    )]
    public void Memory_of_gpus_is_weighed_by_the_fullest(double gib, RunFindingKind kind, string message) =>
        Assert.Equal(
            message,
            One(s_well with { Gpus = [s_gpu with { PeakMemoryBytes = (long)(gib * Gib) }] }, kind).Message
        );

    [Fact]
    public void Machines_that_are_too_large_or_too_small_are_told()
    {
        Receipt With(ReplicaUse replica) => s_well with { Replicas = [replica] };
        Assert.Equal(
            "at most 1.5 of 16 cores were used by worker-0",
            One(With(s_replica with { Cpus = 16, PeakCpus = 1.5 }), RunFindingKind.CpuLow).Message
        );
        Assert.Equal(
            "peak 3.9 of 4 GiB of memory in worker-0: nearly full",
            One(With(s_replica with { PeakMemoryBytes = (long)(3.9 * Gib) }), RunFindingKind.MemoryNearlyFull).Message
        );
        Assert.Equal(
            "peak 2 of 64 GiB of memory",
            One(With(s_replica with { MemoryBytes = 64 * Gib }), RunFindingKind.MemoryLow).Message
        );
        One(s_well with { Gpus = [s_gpu with { PeakTemperature = 91 }] }, RunFindingKind.GpuHot);
    }

    [Fact]
    public void Time_that_was_lost_or_pulled_is_told_with_its_share()
    {
        var lost = s_well with { Unsaved = new Spent(300, 1200) };
        Assert.Equal(
            "5 m 00 s of work on 4 GPUs went before a checkpoint held it",
            One(lost, RunFindingKind.WorkUnsaved).Message
        );
        Assert.Empty(ReceiptFindings.Of(lost with { Ended = false }));
        Assert.Equal(
            "pulling its image took 10 m 00 s, 50 % of the time on its hosts",
            One(s_well with { Pulled = new Spent(600, 600) }, RunFindingKind.PullSlow).Message
        );
    }
}
