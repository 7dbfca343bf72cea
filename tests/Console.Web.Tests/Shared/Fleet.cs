using DeepLab.Core.Clusters;
using DeepLab.Core.Operations;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Tests.Shared;

/// <summary>Hosts and GPUs for tests, well unless they are said to be otherwise.</summary>
internal static class Fleet
{
    public static DateTimeOffset Then { get; } = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public static GpuView Gpu(
        int index = 0,
        GpuHealth health = GpuHealth.Healthy,
        string message = "",
        bool held = false,
        GpuHolder? by = null
    ) => new($"GPU-{index}", "h1", index, "A100", 40L << 30, "570.1", health, message, held, by, null);

    public static HostView Host(params GpuView[] gpus) =>
        new(
            Guid.NewGuid(),
            "h1",
            "local",
            "unix:///var/run/docker.sock",
            HostState.Ready,
            "",
            false,
            new Dictionary<string, string>(),
            "28.0",
            "1.48",
            "Debian 13",
            "6.12",
            16,
            0,
            64L << 30,
            0,
            Then,
            null,
            gpus,
            0
        )
        {
            Preflight = new PreflightReport(Then, []),
        };

    /// <summary>One that runs on `h1`.</summary>
    public static JobRow Job(int gpus, DateTimeOffset? unsavedSince, long id = 1) =>
        new(
            id,
            $"job-{id}",
            "ada",
            WorkloadState.Running,
            Reason.None,
            "",
            gpus,
            gpus,
            "h1",
            50,
            Then,
            Then,
            Then,
            null
        )
        {
            UnsavedSince = unsavedSince,
        };
}
