using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class CheckpointKeepingTests
{
    /// <summary>The newest first.</summary>
    private static List<Checkpoint> Steps(params int[] steps) =>
        [
            .. steps.Select(s => new Checkpoint
            {
                Path = $"step-{s}.pt",
                Step = s,
                Replica = "worker-0",
                Complete = true,
            }),
        ];

    private static (long, double)[] Curve(params double[] values) => [.. values.Select((v, i) => ((i + 1) * 100L, v))];

    private static long?[] Gone(List<Checkpoint> all, int keep, (long, double)[]? curve, BestBy by = BestBy.Least) =>
        [.. CheckpointKeeping.Beyond(all, keep, curve, by).Select(c => c.Step)];

    [Fact]
    public void Without_a_metric_the_newest_stay() =>
        Assert.Equal([200, 100], Gone(Steps(400, 300, 200, 100), 2, null));

    [Fact]
    public void The_best_stays_beside_the_newest_by_either_way()
    {
        var curve = Curve(0.9, 0.2, 0.5, 0.6);
        Assert.Equal([300, 100], Gone(Steps(400, 300, 200, 100), 1, curve));
        Assert.Equal([300, 200], Gone(Steps(400, 300, 200, 100), 1, curve, BestBy.Greatest));
    }

    [Fact]
    public void A_best_that_is_among_the_newest_takes_no_other_place() =>
        Assert.Equal([200, 100], Gone(Steps(400, 300, 200, 100), 2, Curve(0.9, 0.8, 0.7, 0.6)));

    [Fact]
    public void A_checkpoint_has_the_value_of_the_last_point_at_its_step_or_before()
    {
        (long, double)[] curve = [(90, 0.1), (150, 0.5), (210, 0.3), (400, 0.9)];
        Assert.Equal([300, 200], Gone(Steps(400, 300, 200, 100), 1, curve));
        // Before its first point there is none
        Assert.Equal([100, 50], Gone(Steps(400, 300, 100, 50), 1, [(210, 0.3), (400, 0.9)]));
    }

    [Fact]
    public void What_the_metric_has_not_reached_is_not_judged_yet_but_for_a_few() =>
        Assert.Equal([300, 100], Gone(Steps(600, 500, 400, 300, 200, 100), 1, Curve(0.9, 0.2)));

    [Fact]
    public void A_pinned_one_may_be_the_best_and_what_is_no_number_is_not()
    {
        var all = Steps(400, 300, 200, 100);
        all[3].Pinned = true;
        Assert.Equal([300, 200], Gone(all, 1, Curve(0.1, double.NaN, double.PositiveInfinity, 0.5)));
    }

    [Fact]
    public void Without_points_and_without_steps_the_newest_stay()
    {
        var all = Steps(400, 300, 200, 100);
        foreach (var c in all)
        {
            c.Step = null;
        }
        Assert.Equal(3, CheckpointKeeping.Beyond(all, 1, Curve(0.1), BestBy.Least).Count);
        Assert.Equal([100], Gone(Steps(400, 300, 200, 100), 1, []));
    }
}
