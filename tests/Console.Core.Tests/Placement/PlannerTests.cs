using DeepLab.Core.Clusters;
using DeepLab.Core.Placement;
using DeepLab.Core.Workloads;
using static DeepLab.Core.Tests.Placement.Fleets;

namespace DeepLab.Core.Tests.Placement;

public sealed class PlannerTests
{
    [Fact]
    public void Tasks_of_an_array_that_are_left_are_seated_under_their_own_numbers()
    {
        var fleet = Spanning(Host("a", 2), Host("b", 1));
        var plan = Plan(fleet, Job(1, 1, replicas: 3) with { Tasks = [2, 5, 7] });
        var seats = Assert.Single(plan.Placements).Replicas;
        Assert.Equal([2, 5, 7], seats.Select(r => r.Index));
        Assert.Equal(3, seats.SelectMany(r => r.Gpus).Distinct().Count());
    }

    [Fact]
    public void Three_jobs_of_two_on_four_gpus_two_start_and_the_third_says_why()
    {
        var plan = Plan([Host("local", 4)], Job(1, 2), Job(2, 2), Job(3, 2));
        Assert.Equal([1, 2], plan.Placements.Select(p => p.JobId));
        Assert.Equal(4, plan.Placements.SelectMany(p => p.Replicas).SelectMany(r => r.Gpus).Distinct().Count());
        var (job, _, waits, _) = Assert.Single(plan.Waiting);
        Assert.Equal(3, job);
        var why = Assert.Single(waits);
        Assert.Equal(WaitKind.NotEnoughGpus, why.Kind);
        Assert.Equal("needs 2 GPUs on one host; local has 0 of 4 free, 4 held by 2 jobs", why.Message);
        Assert.Equal([1L, 2L], why.HeldBy);
    }

    [Fact]
    public void Higher_priority_goes_first_then_submission()
    {
        var plan = Plan([Host("local", 1)], Job(1, 1), Job(2, 1, priority: 90), Job(3, 1, priority: 90));
        Assert.Equal(2, Assert.Single(plan.Placements).JobId);
        Assert.Equal([3, 1], plan.Waiting.Select(w => w.JobId));
    }

    [Fact]
    public void The_fullest_host_that_fits_is_taken()
    {
        var plan = Plan([Host("big", 8), Host("small", 2), Host("none", 0)], Job(1, 2), Job(2, 0));
        Assert.Equal(["small", "none"], plan.Placements.Select(p => Assert.Single(p.HostNames)));
    }

    [Fact]
    public void All_replicas_go_to_one_host_or_none_start()
    {
        var plan = Plan([Host("a", 3), Host("b", 3)], Job(1, 2, replicas: 2));
        Assert.Empty(plan.Placements);
        var why = Assert.Single(Assert.Single(plan.Waiting).Waits);
        Assert.Equal(WaitKind.CannotSpanHosts, why.Kind);
        Assert.Equal("its 2 replicas need several hosts, and its cluster cannot span hosts", why.Message);
        var placed = Assert.Single(Plan([Host("a", 4)], Job(1, 2, replicas: 2)).Placements);
        Assert.Equal([2, 2], placed.Replicas.Select(r => r.Gpus.Length));
    }

    [Fact]
    public void Models_and_least_memory_are_met_and_named()
    {
        HostSlot[] hosts = [Host("t4", 4, model: "Tesla T4", gpuMemory: 16 * Gib), Host("a100", 1)];
        Assert.Equal("a100", Assert.Single(Plan(hosts, Job(1, 1, model: "a100")).Placements).HostNames.Single());
        Assert.Equal("a100", Assert.Single(Plan(hosts, Job(1, 1, gpuMemory: 40 * Gib)).Placements).HostNames.Single());
        var waiting = Plan(hosts, Job(1, 1, model: "A100"), Job(2, 1, model: "A100")).Waiting;
        var why = Assert.Single(Assert.Single(waiting).Waits);
        Assert.Equal(WaitKind.NotEnoughGpusOfModel, why.Kind);
        Assert.Contains("of model A100", why.Message);
    }

    [Fact]
    public void A_blocked_job_keeps_its_host_and_those_behind_it_say_so()
    {
        var plan = Plan([Host("local", 4)], Job(1, 2), Job(2, 4), Job(3, 1));
        Assert.Equal(1, Assert.Single(plan.Placements).JobId);
        Assert.Equal([2, 3], plan.Waiting.Select(w => w.JobId));
        Assert.Equal(WaitKind.BehindInQueue, Assert.Single(plan.Waiting[1].Waits).Kind);
        Assert.Contains("job 2 is ahead of it", plan.Waiting[1].Waits[0].Message);
    }

    [Fact]
    public void Cpus_and_memory_count_too()
    {
        var plan = Plan([Host("local", 0, cpus: 2, memory: 4 * Gib)], Job(1, 0, cpus: 1.5), Job(2, 0, cpus: 1));
        Assert.Equal(1, Assert.Single(plan.Placements).JobId);
        Assert.Contains("needs 1 CPUs on one host; local has 0.5 of 2 free", plan.Waiting[0].Waits[0].Message);
        plan = Plan([Host("local", 0, memory: 4 * Gib)], Job(1, 0, memory: 3 * Gib), Job(2, 0, memory: 2 * Gib));
        Assert.Equal(WaitKind.NotEnoughMemory, Assert.Single(plan.Waiting[0].Waits).Kind);
    }

    [Theory]
    [InlineData(HostState.Draining)]
    [InlineData(HostState.Unreachable)]
    [InlineData(HostState.Disabled)]
    public void Only_a_ready_host_takes_work(HostState state)
    {
        var plan = Plan([Host("local", 4, state: state)], Job(1, 1));
        Assert.Empty(plan.Placements);
        Assert.Equal(WaitKind.NoHostReady, Assert.Single(plan.Waiting[0].Waits).Kind);
    }

    [Fact]
    public void Sick_gpus_are_never_leased()
    {
        var host = Host("local", 2);
        host = host with { Gpus = host.Gpus.SetItem(0, host.Gpus[0] with { Healthy = false }) };
        var plan = Plan([host], Job(1, 1));
        Assert.Equal("GPU-local-1", Assert.Single(Assert.Single(plan.Placements).Replicas[0].Gpus));
        Assert.Empty(Plan([host], Job(1, 2)).Placements);
    }

    [Fact]
    public void What_no_host_could_ever_give_is_refused_by_field()
    {
        HostSlot[] hosts = [Host("a", 2, cpus: 4, memory: 8 * Gib), Host("b", 4, cpus: 2)];
        var errors = Fit.CheckEver(new FleetSnapshot([.. hosts]), Job(1, 8, cpus: 5, memory: 100 * Gib));
        Assert.Equal(
            ["roles[0].resources.gpus", "roles[0].resources.cpus", "roles[0].resources.memory"],
            errors.Select(e => e.Path)
        );
        Assert.Equal("asks for 8 GPUs; the largest host, b, has 4.", errors[0].Message);
        Assert.Empty(Fit.CheckEver(new FleetSnapshot([.. hosts]), Job(1, 4, cpus: 2)));
    }
}
