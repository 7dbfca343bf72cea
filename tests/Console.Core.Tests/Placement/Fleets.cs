using DeepLab.Core.Clusters;
using DeepLab.Core.Placement;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Placement;

internal static class Fleets
{
    public static Guid Cluster { get; } = Guid.Parse("00000000-0000-0000-0000-0000000000c1");
    public const long Gib = 1L << 30;
    public static DateTimeOffset Now { get; } = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public static HostSlot Host(
        string name,
        int gpus,
        double cpus = 16,
        long memory = 64 * Gib,
        string model = "NVIDIA A100-SXM4-80GB",
        long gpuMemory = 80 * Gib,
        HostState state = HostState.Ready
    ) =>
        new(
            new Guid(
                System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(name)).AsSpan(0, 16)
            ),
            name,
            Cluster,
            state,
            cpus,
            0,
            memory,
            0,
            [.. Enumerable.Range(0, gpus).Select(i => new GpuSlot($"GPU-{name}-{i}", model, gpuMemory, true, null))],
            []
        );

    public static JobRequest Job(
        long id,
        int gpus,
        int replicas = 1,
        int priority = 50,
        double cpus = 1,
        long memory = Gib,
        string? model = null,
        long? gpuMemory = null
    ) =>
        new(
            id,
            Cluster,
            priority,
            [
                new RoleSpec
                {
                    Name = "worker",
                    Replicas = replicas,
                    Resources = new ResourcesSpec
                    {
                        Gpus = gpus,
                        Cpus = cpus,
                        Memory = memory,
                        GpuModel = model,
                        GpuMemory = gpuMemory,
                    },
                },
            ]
        );

    public static QueuePlan Plan(IEnumerable<HostSlot> hosts, params IEnumerable<JobRequest> jobs) =>
        Planner.Plan(new FleetSnapshot([.. hosts]), jobs, Now);
}
