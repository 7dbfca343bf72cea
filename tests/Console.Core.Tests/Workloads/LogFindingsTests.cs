using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class LogFindingsTests
{
    [Theory]
    [InlineData(
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.15 GiB",
        FindingKind.GpuMemoryFull
    )]
    [InlineData(
        "ResourceExhaustedError: OOM when allocating tensor with shape[256,64,112,112]",
        FindingKind.GpuMemoryFull
    )]
    [InlineData(
        "[rank0]:[E ProcessGroupNCCL.cpp:607] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7)",
        FindingKind.CollectiveTimeout
    )]
    [InlineData(
        "RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.0.1.3]:41233",
        FindingKind.CollectiveTimeout
    )]
    [InlineData("ModuleNotFoundError: No module named 'timm'", FindingKind.MissingModule)]
    [InlineData("OSError: [Errno 28] No space left on device: 'ckpt.pt'", FindingKind.DiskFull)]
    [InlineData(
        "RuntimeError: DataLoader worker (pid 61) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory.",
        FindingKind.SharedMemoryFull
    )]
    [InlineData("Failed to initialize NVML: Unknown Error", FindingKind.GpuAccessLost)]
    [InlineData(
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
        FindingKind.DriverTooOld
    )]
    [InlineData("OSError: [Errno 24] Too many open files", FindingKind.OutOfFileDescriptors)]
    public void A_known_failure_is_told_with_what_to_do(string line, FindingKind kind)
    {
        var finding = Assert.Single(LogFindings.In([(6, "epoch 1"), (7, line), (8, line)]));
        Assert.Equal(kind, finding.Kind);
        Assert.Equal(7, finding.Line);
        Assert.EndsWith(".", finding.Advice);
    }

    [Fact]
    public void A_missing_module_is_named() =>
        Assert.Contains("deep.lab", LogFindings.In([(0, "ImportError: No module named deep.lab")])[0].Message);

    [Theory]
    [InlineData("step 100 loss 0.4 memory 12 GiB")]
    [InlineData("saved to /checkpoints; space left on device: 12 GiB")]
    [InlineData("NCCL version 2.21.5+cuda12.4")]
    public void Ordinary_lines_tell_nothing(string line) => Assert.Empty(LogFindings.In([(0, line)]));

    [Fact]
    public void A_line_without_an_end_costs_no_time()
    {
        var line = new string('g', 10_000_000) + " CUDA out of memory";
        var began = System.Diagnostics.Stopwatch.GetTimestamp();
        Assert.Empty(LogFindings.In([(0, line)]));
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(1));
    }
}
