using System.Collections.Immutable;
using System.Diagnostics;
using DeepLab.Core.Clusters;
using DeepLab.Core.Placement;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;

namespace DeepLab.Bench;

/// <summary>
/// The planner alone, in this process: one pass over a backlog that is larger than the fleet, with every rule in use. Then the
/// same fleet full, where all must be told why they wait; and how the time grows with the backlog.
/// </summary>
internal static class PlacementBench
{
    private const double TargetP50 = 5;
    private const double TargetP99 = 15;
    private const double TargetLarge = 50;

    private static readonly DateTimeOffset s_now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public static Task RunAsync(Run run, CancellationToken ct)
    {
        var rounds = run.Options.Number("rounds", 100, least: 50);
        var fleet = Fleet(1000);
        var queue = Queue(10_000, 1);
        var plan = Planner.Plan(fleet, queue, s_now);
        Check(fleet, queue, plan);
        var full = Apply(fleet, queue, plan);
        JobRequest[] later = [.. Queue(12_000, 100_001).Where(j => j.Gpus > 0).Take(10_000)];
        var blocked = Planner.Plan(full, later, s_now);
        BenchException.Require(blocked.Placements.IsEmpty, $"{blocked.Placements.Length} started on a full fleet");
        run.Say(
            $"10,000 jobs, 1,000 hosts: {plan.Placements.Length} start on 8,000 GPUs, none twice, {plan.Waiting.Length} wait; "
                + $"full: all wait, {blocked.Preemptions.Length} are stopped for them"
        );

        var (filling, allocated) = Time(fleet, queue, rounds, ct);
        var (waiting, _) = Time(full, later, rounds, ct);
        run.Report.Add("fill 8,000 GPUs from 10,000 jobs", "ms", filling);
        run.Report.Add("the same, everything blocked", "ms", waiting);
        run.Report.AddFigure("allocated in a filling pass", "MB", allocated / 1e6);
        var large = Time(Fleet(5000), Queue(100_000, 1), 10, ct).Times;
        run.Report.Add("100,000 jobs, 5,000 hosts", "ms", large);
        Grow(run, ct);

        Judge(run, "placement-p99", Spread.Of(filling).P99, TargetP99, "p99 of a filling pass");
        Judge(run, "placement-full", Spread.Of(waiting).Median, TargetP50, "median of a pass where everything waits");
        Judge(run, "placement-full-p99", Spread.Of(waiting).P99, TargetP99, "p99 of a pass where everything waits");
        Judge(run, "placement-large", Spread.Of(large).Median, TargetLarge, "median over 100,000 jobs and 5,000 hosts");
        Judge(run, "placement", Spread.Of(filling).Median, TargetP50, "median of a filling pass");
        return Task.CompletedTask;
    }

    private static void Judge(Run run, string name, double ms, double target, string what) =>
        run.Report.Judge(name, ms / target, 1, atMost: true, $"{what} over {target} ms");

    /// <summary>Ten times the jobs may take ten times as long, and a third more for the logarithm.</summary>
    private static void Grow(Run run, CancellationToken ct)
    {
        var fleet = Fleet(1000);
        var before = 0.0;
        foreach (var count in new[] { 100, 1000, 10_000, 100_000 })
        {
            var times = Time(fleet, Queue(count, 1), count == 100_000 ? 10 : 50, ct).Times;
            run.Report.Add($"{count:N0} jobs, 1,000 hosts", "ms", times);
            var median = Spread.Of(times).Median;
            if (count == 100_000)
            {
                run.Report.Judge("placement-growth", median / before, 13.3, atMost: true, "100,000 jobs over 10,000");
            }
            before = median;
        }
    }

    private static (double[] Times, double Allocated) Time(
        FleetSnapshot fleet,
        JobRequest[] queue,
        int rounds,
        CancellationToken ct
    )
    {
        var times = new double[rounds];
        var allocated = 0L;
        for (var i = 0; i < rounds; i++)
        {
            ct.ThrowIfCancellationRequested();
            var bytes = GC.GetAllocatedBytesForCurrentThread();
            var began = Stopwatch.GetTimestamp();
            Planner.Plan(fleet, queue, s_now);
            times[i] = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            allocated = GC.GetAllocatedBytesForCurrentThread() - bytes;
        }
        return (times, allocated);
    }

    private static void Check(FleetSnapshot fleet, JobRequest[] queue, QueuePlan plan)
    {
        var given = plan.Placements.SelectMany(p => p.Replicas).SelectMany(r => r.Gpus).ToArray();
        BenchException.Require(given.Length == 8000, $"{given.Length} of 8,000 GPUs were given");
        BenchException.Require(given.Distinct().Count() == 8000, "a GPU was given twice");
        BenchException.Require(
            plan.Placements.Length + plan.Waiting.Length == queue.Length,
            "not every job was answered once"
        );
        var jobs = queue.ToDictionary(j => j.Id);
        foreach (var placement in plan.Placements)
        {
            if (Fit.WhyNot(fleet, jobs[placement.JobId], placement) is { } why)
            {
                throw new BenchException($"job {placement.JobId} does not fit: {why}");
            }
        }
    }

    private static FleetSnapshot Apply(FleetSnapshot fleet, JobRequest[] queue, QueuePlan plan)
    {
        var jobs = queue.ToDictionary(j => j.Id);
        foreach (var placement in plan.Placements)
        {
            fleet = Fit.Take(fleet, jobs[placement.JobId], placement);
        }
        return fleet with
        {
            Running =
            [
                .. fleet.Running.Select(r =>
                    r with
                    {
                        StartedAt = s_now,
                        EndsBy = jobs[r.Id].MaxDuration is { } d ? s_now + d : null,
                        ExpectedEnd = r.Id % 3 == 0 ? s_now.AddMinutes(r.Id % 100) : null,
                        Unsaved = TimeSpan.FromMinutes(r.Id % 60),
                    }
                ),
            ],
        };
    }

    private static readonly Guid s_cluster = new(1, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]);

    private static Guid Id(int kind, int n) => new(n, (short)kind, 0, [1, 0, 0, 0, 0, 0, 0, 0]);

    private static FleetSnapshot Fleet(int hosts) =>
        new([.. Enumerable.Range(0, hosts).Select(Host)])
        {
            Clusters = [new ClusterSlot(s_cluster, "lab", true)],
            Teams =
            [
                .. Enumerable
                    .Range(0, 8)
                    .Select(t => new TeamSlot(
                        $"team{t}",
                        1 + (t % 3),
                        t < 4 ? new Quota(Gpus: hosts, Running: hosts * 8) : Quota.None,
                        t * 1000
                    )),
            ],
            Users = [.. Enumerable.Range(0, 20).Select(u => new UserSlot(Id(2, u), $"user{u}", new Quota(hosts / 4)))],
        };

    private static HostSlot Host(int n) =>
        new(
            Id(1, n),
            $"gpu{n:D5}",
            s_cluster,
            HostState.Ready,
            128,
            0,
            1L << 40,
            0,
            [
                .. Enumerable
                    .Range(0, 8)
                    .Select(g => new GpuSlot(
                        $"GPU-{n:D5}-{g}",
                        n % 4 == 0 ? "NVIDIA H100 80GB HBM3" : "NVIDIA A100-SXM4-40GB",
                        (n % 4 == 0 ? 80L : 40L) << 30,
                        true,
                        null
                    )),
            ],
            []
        )
        {
            Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["zone"] = n % 10 == 0 ? "b" : "a" },
            Images = new HashSet<string>(StringComparer.Ordinal) { $"image{n % 5}", "base" },
        };

    /// <summary>Three of five ask for one GPU, one in ten for none; one in fifty for two hosts. The sizes are of a fixed sequence.</summary>
    private static JobRequest[] Queue(int count, long firstId)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, count).Select(i => Job(firstId + i, random))];
    }

    private static JobRequest Job(long id, Random random)
    {
        var size = random.Next(100);
        var (replicas, gpus) = size switch
        {
            < 10 => (1, 0),
            < 70 => (1, 1),
            < 82 => (1, 2),
            < 88 => (2, 1),
            < 94 => (1, 4),
            < 98 => (1, 8),
            _ => (2, 8),
        };
        var role = new RoleSpec
        {
            Name = "worker",
            Replicas = replicas,
            Resources = new ResourcesSpec
            {
                Gpus = gpus,
                Cpus = Math.Max(1, gpus * 2),
                Memory = Math.Max(1, gpus) * (8L << 30),
                GpuModel = gpus > 0 && random.Next(10) == 0 ? "h100" : null,
                GpuMemory = gpus > 0 && random.Next(10) == 0 ? 40L << 30 : null,
            },
        };
        var server = role with
        {
            Name = "ps",
            Replicas = 1,
            Resources = new ResourcesSpec { Cpus = 1 },
        };
        return new JobRequest(id, s_cluster, 10 * random.Next(4), random.Next(20) == 0 ? [server, role] : [role])
        {
            Placement = random.Next(20) switch
            {
                0 => new PlacementSpec { HostLabels = Zone("a") },
                1 => new PlacementSpec { ExcludeHosts = ["gpu00001"] },
                2 => new PlacementSpec { Mode = PlacementMode.Spread },
                _ => new PlacementSpec(),
            },
            Team = $"team{random.Next(8)}",
            OwnerId = Id(2, random.Next(100)),
            QueuedAt = s_now.AddSeconds(-random.Next(3600)),
            Preemptible = random.Next(4) == 0,
            MaxDuration = random.Next(2) == 0 ? TimeSpan.FromHours(1 + random.Next(8)) : null,
            Image = random.Next(3) == 0 ? $"image{random.Next(5)}" : "base",
            Held = random.Next(200) == 0,
            Rank = random.Next(500) == 0 ? random.NextDouble() : null,
        };
    }

    private static ImmutableSortedDictionary<string, string> Zone(string zone) =>
        ImmutableSortedDictionary<string, string>.Empty.Add("zone", zone);
}
