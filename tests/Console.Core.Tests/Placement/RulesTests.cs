using DeepLab.Core.Placement;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using static DeepLab.Core.Tests.Placement.Fleets;

namespace DeepLab.Core.Tests.Placement;

/// <summary>Who goes next, who may not, and who gives way.</summary>
public sealed class RulesTests
{
    private static FleetSnapshot One(int gpus) => new([Host("gpu1", gpus)]);

    private static WaitReason First(QueuePlan plan, long job) => plan.Waiting.Single(w => w.JobId == job).Waits[0];

    [Fact]
    public void A_held_job_waits_and_blocks_nobody()
    {
        var plan = Plan(One(4), Job(1, 4) with { Held = true }, Job(2, 4));
        Assert.Equal(2, Assert.Single(plan.Placements).JobId);
        Assert.Equal(WaitKind.Held, First(plan, 1).Kind);
    }

    [Fact]
    public void A_job_whose_spec_cannot_be_read_says_so_and_blocks_nobody()
    {
        var plan = Plan(One(4), Job(1, 4) with { Unreadable = "its spec is not one" }, Job(2, 4));
        Assert.Equal(2, Assert.Single(plan.Placements).JobId);
        Assert.Equal((WaitKind.SpecUnreadable, "its spec is not one"), (First(plan, 1).Kind, First(plan, 1).Message));
    }

    [Fact]
    public void A_job_that_pauses_starts_when_its_pause_is_over_and_keeps_no_room_meanwhile()
    {
        var pausing = Job(1, 4) with { NotBefore = Now.AddSeconds(8) };
        var plan = Plan(One(4), pausing, Job(2, 4));
        Assert.Equal(2, Assert.Single(plan.Placements).JobId);
        Assert.Equal(WaitKind.Pausing, First(plan, 1).Kind);
        Assert.Equal(Now.AddSeconds(8), plan.Waiting.Single(w => w.JobId == 1).EstimatedStart);
        Assert.Equal(1, Assert.Single(Planner.Plan(One(4), [pausing], Now.AddSeconds(8)).Placements).JobId);
    }

    [Fact]
    public void An_admins_place_goes_before_priority_and_waiting_adds_to_it()
    {
        var ranked = Job(3, 1, priority: 0) with { Rank = 1 };
        var plan = Plan(One(1), Job(1, 1, priority: 90), ranked);
        Assert.Equal(3, Assert.Single(plan.Placements).JobId);
        var aged = Job(4, 1, priority: 0) with { QueuedAt = Now - (101 * QueueOrder.PointEvery) };
        plan = Plan(One(1), Job(5, 1, priority: 100) with { QueuedAt = Now }, aged);
        Assert.Equal(4, Assert.Single(plan.Placements).JobId);
    }

    [Fact]
    public void Teams_take_turns_by_what_they_have()
    {
        var jobs = Enumerable.Range(1, 12).Select(i => Job(i, 1) with { Team = i <= 6 ? "a" : "b" });
        var plan = Plan(One(4), [.. jobs]);
        Assert.Equal([1L, 7, 2, 8], plan.Placements.Select(p => p.JobId));
        var weighted = One(4) with { Teams = [Team("a", weight: 3)] };
        Assert.Equal(3, Plan(weighted, [.. jobs]).Placements.Count(p => p.JobId <= 6));
        var used = One(4) with
        {
            Teams = [new TeamSlot("a", 1, Quota.None, 4 * Core.Tenancy.Team.HalfLife.TotalSeconds)],
        };
        Assert.All(Plan(used, [.. jobs]).Placements, p => Assert.True(p.JobId > 6));
    }

    [Fact]
    public void A_quota_holds_with_numbers_and_blocks_nobody()
    {
        var fleet = (One(8) with { Teams = [Team("vision", 4)] }).Run(Job(1, 4) with { Team = "vision" });
        var plan = Plan(fleet, Job(2, 2) with { Team = "vision" }, Job(3, 4), Job(4, 5) with { Team = "vision" });
        Assert.Equal(3, Assert.Single(plan.Placements).JobId);
        Assert.Equal(
            "team vision holds 4 of the 4 GPUs of its quota; needs 2 more; a preemptible job may borrow idle ones",
            First(plan, 2).Message
        );
        Assert.Contains("the quota of team vision is 4 altogether", First(plan, 4).Message);
        Assert.Contains(
            "the 4 GPUs",
            Fit.WhyNot(fleet, Job(2, 2) with { Team = "vision" }, new JobPlacement(2, [], false))
        );
    }

    [Fact]
    public void A_users_quota_is_hard_and_every_part_of_it_counts()
    {
        var ann = Guid.NewGuid();
        var fleet = One(8) with { Users = [new UserSlot(ann, "ann", new Quota(2, 4, 8 * Gib, 2))] };
        JobRequest Mine(long id, int gpus, double cpus = 1, long memory = Gib) =>
            Job(id, gpus, cpus: cpus, memory: memory) with
            {
                OwnerId = ann,
                Preemptible = true,
            };
        var plan = Plan(
            fleet,
            Mine(1, 1),
            Mine(2, 2),
            Mine(3, 0, cpus: 4),
            Mine(4, 0, memory: 8 * Gib),
            Mine(5, 1),
            Mine(6, 0)
        );
        Assert.Equal([1L, 5], plan.Placements.Select(p => p.JobId));
        Assert.Contains("user ann holds 2 of the 2 GPUs", First(plan, 2).Message);
        Assert.Contains("CPUs", First(plan, 3).Message);
        Assert.Contains("of memory", First(plan, 4).Message);
        Assert.Equal("user ann has 2 of at most 2 workloads running", First(plan, 6).Message);
    }

    [Fact]
    public void A_preemptible_job_borrows_what_is_idle_after_everyone_within_a_quota()
    {
        var fleet = One(4) with { Teams = [Team("a", 1), Team("b", 4)] };
        var borrower = Job(1, 2) with { Team = "a", Preemptible = true };
        var plan = Plan(fleet, borrower, Job(2, 2) with { Team = "b" });
        Assert.True(plan.Placements.Single(p => p.JobId == 1).Borrowing);
        plan = Plan(fleet, borrower, Job(2, 3) with { Team = "b" });
        Assert.Equal(2, Assert.Single(plan.Placements).JobId);
        Assert.Equal([WaitKind.QuotaReached, WaitKind.NotEnoughGpus], plan.Waiting[0].Waits.Select(w => w.Kind));
    }

    [Fact]
    public void What_was_borrowed_is_taken_back_and_not_twice()
    {
        var fleet = One(4) with { Teams = [Team("a", 1), Team("b", 4)] };
        fleet = fleet.Run(Job(1, 4, priority: 90) with { Team = "a", Preemptible = true });
        var mine = Job(2, 2, priority: 10) with { Team = "b" };
        var plan = Plan(fleet, mine);
        var (victim, beneficiary, _) = Assert.Single(plan.Preemptions);
        Assert.Equal((1, 2), (victim, beneficiary));
        Assert.Equal(WaitKind.WaitingForPreemption, First(plan, 2).Kind);
        var ending = fleet.Apply(plan, [mine], Now);
        var next = Plan(ending, mine, Job(3, 1, priority: 0));
        Assert.Empty(next.Preemptions);
        Assert.Empty(next.Placements);
        Assert.Equal(WaitKind.WaitingForPreemption, First(next, 2).Kind);
        Assert.Equal(2, Plan(ending.End(1), mine).Placements.Single().JobId);
    }

    [Fact]
    public void The_least_important_of_the_least_unsaved_work_gives_way()
    {
        var fleet = One(4)
            .Run(
                Job(1, 1, priority: 20) with
                {
                    Preemptible = true,
                },
                Job(2, 1, priority: 10) with
                {
                    Preemptible = true,
                },
                Job(3, 1, priority: 10) with
                {
                    Preemptible = true,
                },
                Job(4, 1, priority: 5)
            );
        fleet = fleet.Change(2, r => r with { Unsaved = TimeSpan.FromMinutes(30) });
        fleet = fleet.Change(3, r => r with { Unsaved = TimeSpan.FromMinutes(3) });
        var plan = Plan(fleet, Job(5, 1, priority: 50));
        Assert.Equal(3, Assert.Single(plan.Preemptions).JobId);
        Assert.Equal("stops job 3 (priority 10, 3 min unsaved on 1 GPU) for it", First(plan, 5).Message);
        Assert.Empty(Plan(fleet, Job(5, 4, priority: 50)).Preemptions);
        Assert.Empty(Plan(fleet, Job(5, 1, priority: 10)).Preemptions);
        Assert.Equal(
            [3L, 2, 1],
            Plan(fleet, Job(5, 3, priority: 50)).Preemptions.Select(p => p.JobId).OrderDescending()
        );
    }

    [Fact]
    public void A_short_job_passes_a_reserved_host_and_a_long_one_does_not()
    {
        var fleet = One(4).Run(Job(1, 2) with { MaxDuration = TimeSpan.FromHours(2) });
        var large = Job(2, 4);
        var brief = Job(3, 1) with { MaxDuration = TimeSpan.FromHours(1) };
        var plan = Plan(fleet, large, brief, Job(4, 1), Job(5, 1) with { MaxDuration = TimeSpan.FromHours(3) });
        Assert.Equal(3, Assert.Single(plan.Placements).JobId);
        Assert.Equal("would delay job 2, which is ahead of it and waits for room on gpu1", First(plan, 4).Message);
        Assert.Equal(WaitKind.WouldDelay, First(plan, 5).Kind);
        Assert.Equal(Now.AddHours(2), plan.Waiting[0].EstimatedStart);
        // Beside a job that needs three of four there is room for one more
        Assert.Equal(4, Assert.Single(Plan(fleet, Job(2, 3), Job(4, 1)).Placements).JobId);
    }

    [Fact]
    public void Cpus_that_the_reserved_job_does_not_lack_are_open()
    {
        var fleet = One(4).Run(Job(1, 2));
        var plan = Plan(fleet, Job(2, 4, cpus: 2), Job(3, 0, cpus: 2), Job(4, 1));
        Assert.Equal(3, Assert.Single(plan.Placements).JobId);
        Assert.Equal("job 2 is ahead of it and waits for room on gpu1", First(plan, 4).Message);
    }

    [Fact]
    public void Estimates_follow_guesses_where_there_is_no_promise_and_are_not_built_on()
    {
        var fleet = One(4).Run(Job(1, 4)).Change(1, r => r with { ExpectedEnd = Now.AddMinutes(30) });
        var plan = Plan(fleet, Job(2, 4), Job(3, 1) with { MaxDuration = TimeSpan.FromMinutes(1) });
        Assert.Empty(plan.Placements);
        Assert.Equal([Now.AddMinutes(30), null], plan.Waiting.Select(w => w.EstimatedStart));
        Assert.Equal([1, 2], plan.Waiting.Select(w => w.Position));
    }

    /// <summary>Why there is no law that a host more delays nobody: see docs/scheduling.md.</summary>
    [Fact]
    public void A_host_more_may_give_the_turn_to_another_team()
    {
        JobRequest[] jobs =
        [
            Job(1, 2) with
            {
                Team = "a",
            },
            Job(2, 1) with
            {
                Team = "a",
            },
            Job(3, 1) with
            {
                Team = "b",
            },
        ];
        Assert.Equal([2L], Plan([Host("x", 1)], jobs).Placements.Select(p => p.JobId));
        Assert.Equal([1L, 3], Plan([Host("x", 1), Host("y", 2)], jobs).Placements.Select(p => p.JobId));
    }

    [Fact]
    public void A_job_whose_image_no_registry_has_waits_for_the_hosts_that_have_it_and_says_so_first()
    {
        var job = Fleets.Job(1, 1) with
        {
            ImageHosts = ["full"],
            Placement = new PlacementSpec { OnlyHosts = ["full"] },
        };
        var plan = Planner.Plan(new FleetSnapshot([Fleets.Host("full", 0), Fleets.Host("free", 4)]), [job], Fleets.Now);
        Assert.Empty(plan.Placements);
        var waits = plan.Waiting.Single().Waits;
        Assert.Equal(WaitKind.ImageElsewhere, waits[0].Kind);
        Assert.Equal("full", waits[0].Host);
        Assert.True(waits.Length > 1);
        // Held back by something else, it is no matter of images
        Assert.Equal(
            WaitKind.Held,
            Planner
                .Plan(new FleetSnapshot([Fleets.Host("full", 0)]), [job with { Held = true }], Fleets.Now)
                .Waiting[0]
                .Waits[0]
                .Kind
        );
    }
}
