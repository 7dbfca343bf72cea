using DeepLab.Core.Operations.Compare;
using DeepLab.Core.Workloads;
using DeepLab.Web.Charts;

namespace DeepLab.Web.Tests.Charts;

public sealed class ParallelPlanTests
{
    private static FieldLine Field(string path, params string?[] values) => new(FieldKind.Parameter, path, values);

    private static CurveFigures Figures(double least) => new(least, 1, least, 1, 5);

    private static readonly MetricLine s_loss = new("loss", [Figures(0.4), Figures(0.2), null]);

    [Fact]
    public void Numbers_stand_by_size_and_the_metric_comes_last()
    {
        var plan = ParallelPlan.Of([Field("lr", "1", "3", "2")], s_loss, BestBy.Least);
        Assert.Equal(["lr", "loss"], plan.Axes.Select(a => a.Name));
        Assert.Equal([0, 1, 0.5], plan.Axes[0].Heights);
        Assert.Equal([(0, "1"), (1, "3")], plan.Axes[0].Ticks);
        Assert.Equal([1, 0, null], plan.Axes[1].Heights);
        Assert.Equal([1], plan.Best);
    }

    [Fact]
    public void What_is_not_all_numbers_stands_by_name()
    {
        var axis = ParallelPlan.Of([Field("opt", "sgd", "10", "adam")], s_loss, BestBy.Least).Axes[0];
        Assert.Equal(["10", "adam", "sgd"], axis.Ticks.Select(t => t.Word));
        Assert.Equal([1, 0, 0.5], axis.Heights);
    }

    [Fact]
    public void What_a_run_lacks_has_no_place_and_does_not_make_numbers_names()
    {
        var axis = ParallelPlan.Of([Field("lr", null, "5", "5.0")], s_loss, BestBy.Least).Axes[0];
        Assert.Equal([null, 0.5, 0.5], axis.Heights);
        Assert.Equal([(0.5, "5")], axis.Ticks);
    }

    [Fact]
    public void The_ends_of_the_numbers_there_are_still_have_a_place()
    {
        var axis = ParallelPlan.Of([Field("x", "-1.7e308", "1.7e308", "0")], s_loss, BestBy.Least).Axes[0];
        Assert.Equal([0, 1, 0.5], axis.Heights);
    }

    [Fact]
    public void Digests_are_not_drawn_and_fields_are_bounded()
    {
        FieldLine[] many = [.. Enumerable.Range(0, 20).Select(i => Field($"p{i}", "1", "2", "3"))];
        var plan = ParallelPlan.Of(
            [new FieldLine(FieldKind.Code, "code", ["a", "b", "c"]), .. many],
            s_loss,
            BestBy.Least
        );
        Assert.Equal(ParallelPlan.MostFields + 1, plan.Axes.Count);
        Assert.DoesNotContain(plan.Axes, a => a.Name == "code");
    }
}
