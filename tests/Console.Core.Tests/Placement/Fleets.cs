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

    public static JobRequest Elastic(this JobRequest job, int least) =>
        job with
        {
            Roles = [job.Roles[0] with { MinReplicas = least }],
        };

    public static RoleSpec Role(string name, int replicas, int gpus, string? model = null, double cpus = 1) =>
        new()
        {
            Name = name,
            Replicas = replicas,
            Resources = new ResourcesSpec
            {
                Gpus = gpus,
                GpuModel = model,
                Cpus = cpus,
            },
        };

    public static QueuePlan Plan(FleetSnapshot fleet, params IEnumerable<JobRequest> jobs) =>
        Planner.Plan(fleet, jobs, Now);

    public static QueuePlan Plan(IEnumerable<HostSlot> hosts, params IEnumerable<JobRequest> jobs) =>
        Planner.Plan(new FleetSnapshot([.. hosts]), jobs, Now);

    public static FleetSnapshot Spanning(params IEnumerable<HostSlot> hosts) =>
        new([.. hosts]) { Clusters = [new ClusterSlot(Cluster, "swarm", true)] };

    public static TeamSlot Team(string name, int? gpus = null, double weight = 1) =>
        new(name, weight, new Tenancy.Quota(gpus), 0);

    /// <summary>The fleet once these run; the jobs are answered as they were asked for, as if started now.</summary>
    public static FleetSnapshot Run(this FleetSnapshot fleet, params IEnumerable<JobRequest> jobs)
    {
        JobRequest[] queue = [.. jobs];
        return fleet.Apply(Planner.Plan(fleet, queue, Now), queue, Now);
    }

    /// <summary>The fleet after the loop did what the plan says.</summary>
    public static FleetSnapshot Apply(
        this FleetSnapshot fleet,
        QueuePlan plan,
        IEnumerable<JobRequest> queue,
        DateTimeOffset now
    )
    {
        var jobs = queue.ToDictionary(j => j.Id);
        foreach (var placement in plan.Placements)
        {
            var job = jobs[placement.JobId].As(placement);
            Assert.Null(Fit.WhyNot(fleet, job, placement));
            fleet = Fit.Take(fleet, job, placement);
            fleet = fleet.Change(job.Id, r => r with { StartedAt = now, EndsBy = now + job.MaxDuration });
        }
        foreach (var preemption in plan.Preemptions)
        {
            fleet = fleet.Change(preemption.JobId, r => r with { IsEnding = true });
        }
        return fleet;
    }

    public static FleetSnapshot Change(this FleetSnapshot fleet, long job, Func<RunningJob, RunningJob> change) =>
        fleet with
        {
            Running = [.. fleet.Running.Select(r => r.Id == job ? change(r) : r)],
        };

    /// <summary>The fleet once a job was seen dead.</summary>
    public static FleetSnapshot End(this FleetSnapshot fleet, long job)
    {
        Assert.Single(fleet.Running, r => r.Id == job);
        return Fit.Without(fleet, job);
    }
}
