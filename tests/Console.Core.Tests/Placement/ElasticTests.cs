using CsCheck;
using DeepLab.Core.Placement;
using DeepLab.Core.Workloads;
using static DeepLab.Core.Tests.Placement.Fleets;

namespace DeepLab.Core.Tests.Placement;

/// <summary>Jobs that are content with fewer replicas than they ask for.</summary>
public sealed class ElasticTests
{
    private static FleetSnapshot One(int gpus) => new([Host("gpu1", gpus)]);

    private static int Replicas(QueuePlan plan, long job) =>
        plan.Placements.FirstOrDefault(p => p.JobId == job)?.Replicas.Length ?? 0;

    [Theory]
    [InlineData(8, 4)]
    [InlineData(4, 4)]
    [InlineData(3, 3)]
    [InlineData(2, 2)]
    [InlineData(1, 0)]
    public void It_gets_as_many_as_there_is_room_for_between_its_least_and_all(int gpus, int replicas) =>
        Assert.Equal(replicas, Replicas(Plan(One(gpus), Job(1, 1, replicas: 4).Elastic(2)), 1));

    [Fact]
    public void Its_replicas_are_the_first_ones_and_may_span_hosts()
    {
        var fleet = Spanning(Host("a", 2), Host("b", 1));
        var placement = Assert.Single(Plan(fleet, Job(1, 1, replicas: 4).Elastic(2)).Placements);
        Assert.Equal([0, 1, 2], placement.Replicas.Select(r => r.Index));
        Assert.Equal(["a", "b"], placement.HostNames);
        Assert.Equal(3, Job(1, 1, replicas: 4).Elastic(2).As(placement).Gpus);
    }

    [Fact]
    public void Nobody_behind_it_loses_a_start_by_what_it_gets_beyond_its_least()
    {
        var plan = Plan(One(4), Job(1, 1, replicas: 4).Elastic(1), Job(2, 1), Job(3, 1));
        Assert.Equal((2, 1, 1), (Replicas(plan, 1), Replicas(plan, 2), Replicas(plan, 3)));
    }

    [Fact]
    public void Two_of_them_are_served_in_the_order_of_the_queue()
    {
        var plan = Plan(One(5), Job(1, 1, replicas: 4).Elastic(1), Job(2, 1, replicas: 4, priority: 60).Elastic(1));
        Assert.Equal((1, 4), (Replicas(plan, 1), Replicas(plan, 2)));
    }

    [Fact]
    public void What_it_waits_for_is_its_least()
    {
        var plan = Plan(One(2).Run(Job(9, 1)), Job(1, 1, replicas: 4).Elastic(2));
        Assert.Equal(WaitKind.NotEnoughGpus, Assert.Single(plan.Waiting).Waits[0].Kind);
        Assert.Contains("2", plan.Waiting[0].Waits[0].Message);
        Assert.DoesNotContain("4", plan.Waiting[0].Waits[0].Message);
    }

    [Fact]
    public void It_does_not_borrow_only_to_have_more()
    {
        var fleet = One(4) with { Teams = [Team("a", 2), Team("b", 2)] };
        var plan = Plan(fleet, Job(1, 1, replicas: 4).Elastic(1) with { Team = "a", Preemptible = true });
        Assert.Equal(2, Replicas(plan, 1));
        Assert.False(plan.Placements[0].Borrowing);
    }

    [Fact]
    public void It_is_refused_only_where_its_least_could_never_run()
    {
        Assert.Empty(Fit.CheckEver(One(2), Job(1, 1, replicas: 4).Elastic(2)));
        Assert.NotEmpty(Fit.CheckEver(One(2), Job(1, 1, replicas: 4).Elastic(3)));
    }

    [Fact]
    public void A_least_of_all_is_all_or_none()
    {
        var job = Job(1, 1, replicas: 4).Elastic(4);
        Assert.False(job.IsElastic);
        Assert.Empty(Plan(One(3), job).Placements);
    }

    [Fact]
    public void It_grows_into_what_is_free_beside_it_and_no_further()
    {
        var job = Job(1, 1, replicas: 4).Elastic(1);
        var fleet = One(4).Run(Job(9, 1), Job(8, 1), job);
        Assert.Equal(2, fleet.Running.Single(r => r.Id == 1).Gpus);
        Assert.Null(Elastic.RoomToGrow(fleet, [], job, 2, Now));
        fleet = fleet.End(9);
        Assert.Equal(3, Elastic.RoomToGrow(fleet, [], job, 2, Now));
        fleet = fleet.End(8);
        Assert.Equal(4, Elastic.RoomToGrow(fleet, [], job, 2, Now));
        // Whoever waits has the first claim
        Assert.Equal(3, Elastic.RoomToGrow(fleet, [Job(7, 1)], job, 2, Now));
        Assert.Null(Elastic.RoomToGrow(fleet, [Job(7, 4)], job, 2, Now));
        Assert.Null(Elastic.RoomToGrow(fleet, [], job, 4, Now));
    }

    [Fact]
    public void What_one_gives_up_is_all_that_it_holds()
    {
        var job = Job(1, 1, replicas: 2);
        var fleet = One(4);
        var after = Fit.Without(fleet.Run(job), 1);
        Assert.Equal(fleet.Hosts[0].Gpus, after.Hosts[0].Gpus);
        Assert.Equal((16, 64 * Gib), (after.Hosts[0].CpusFree, after.Hosts[0].MemoryFreeBytes));
        Assert.Empty(after.Hosts[0].HeldBy);
        Assert.Empty(after.Running);
    }

    private static World Stretched(World world) =>
        world with
        {
            Queue =
            [
                .. world.Queue.Select(j =>
                    j.Id % 2 == 1 && j.Roles.Length == 1
                        ? (j with { Roles = [j.Roles[0] with { Replicas = j.Replicas + 2 }] }).Elastic(j.Replicas)
                        : j
                ),
            ],
        };

    /// <summary>Applying re-verifies each placement against what is free and against the quotas.</summary>
    [Fact]
    public void Whatever_the_world_each_has_between_its_least_and_all_and_nobody_starts_the_less_for_it() =>
        Worlds.Any.Sample(
            plain =>
            {
                var world = Stretched(plain);
                var plan = world.Plan();
                var after = world.Fleet.Apply(plan, world.Queue, Now);
                Assert.All(after.Hosts, h => Assert.True(h.CpusFree >= -1e-6 && h.MemoryFreeBytes >= 0, h.Name));
                foreach (var placement in plan.Placements)
                {
                    var job = world.Job(placement.JobId);
                    Assert.InRange(placement.Replicas.Length, job.AtLeast().Replicas, job.Replicas);
                    Assert.Equal(
                        Enumerable.Range(0, placement.Replicas.Length),
                        job.IsElastic
                            ? placement.Replicas.Select(r => r.Index)
                            : Enumerable.Range(0, placement.Replicas.Length)
                    );
                }
                var least = Planner.Plan(world.Fleet, world.Queue.Select(j => j.AtLeast()), Now);
                Assert.Subset(
                    plan.Placements.Select(p => p.JobId).ToHashSet(),
                    least.Placements.Select(p => p.JobId).ToHashSet()
                );
                Assert.Equal(world.Queue.Length, plan.Placements.Length + plan.Waiting.Length);
                Assert.Equal(plan.Placements.Length, world.Plan().Placements.Length);
            },
            iter: 1000
        );
}
