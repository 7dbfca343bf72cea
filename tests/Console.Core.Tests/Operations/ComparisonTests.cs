using DeepLab.Core.Metrics;
using DeepLab.Core.Operations.Compare;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Operations;

public sealed class ComparisonTests
{
    private static SeriesInfo Curve(string name, long at = 1, double last = 0, string source = "worker-0/1") =>
        new(at, new SeriesKey(SeriesOwner.Job, "1", name, source), 1, new SeriesPoint(7, at, last));

    private static CurveFigures Figures(double least, double greatest = 9) => new(least, 1, least, greatest, 5);

    [Fact]
    public void Metrics_of_at_least_two_runs_are_shared()
    {
        var shared = SharedMetrics.Of(
            [
                [Curve("loss"), Curve("own")],
                [Curve("loss"), Curve("acc")],
                [Curve("acc"), Curve("empty") with { Last = null }],
            ],
            null
        );
        Assert.Equal(["acc", "loss"], shared.All.Select(m => m.Name));
        Assert.Equal([0, 1, 1], shared.All[0].Curves.Select(c => c.Count));
        Assert.Equal(0, shared.LeftOut);
    }

    [Fact]
    public void A_wanted_metric_is_among_them_however_many_there_are()
    {
        SeriesInfo[] run = [.. Enumerable.Range(0, SharedMetrics.Most + 5).Select(i => Curve($"m{i:000}"))];
        var shared = SharedMetrics.Of([run, run], "m203");
        Assert.Equal((SharedMetrics.Most, 5), (shared.All.Count, shared.LeftOut));
        Assert.Equal("m203", shared.All[^1].Name);
        Assert.DoesNotContain(SharedMetrics.Of([run, run], "other").All, m => m.Name is "other" or "m203");
    }

    [Fact]
    public void Of_many_curves_of_one_run_the_newest_stay()
    {
        SeriesInfo[] run = [.. Enumerable.Range(1, 20).Select(i => Curve("loss", at: i))];
        var curves = Assert.Single(SharedMetrics.Of([run, run], null).All).Curves[0];
        Assert.Equal(Enumerable.Range(13, SharedMetrics.MostCurves), curves.Select(c => (int)c.Last!.Value.UnixMillis));
    }

    [Fact]
    public void Figures_are_of_all_curves_and_the_last_of_the_newest()
    {
        var figures = CurveFigures.Of([
            (Curve("loss", 1, last: 3), 1, 8),
            (Curve("loss", 2, last: 4), double.NaN, double.NaN),
            (Curve("loss", 3, last: 5), 2, 9),
        ]);
        Assert.Equal(new CurveFigures(5, 7, 1, 9, 3), figures);
        Assert.Null(CurveFigures.Of([]));
    }

    [Fact]
    public void The_best_is_the_least_or_the_greatest_and_never_what_is_no_number()
    {
        var line = new MetricLine(
            "loss",
            [
                Figures(0.3, 5),
                null,
                Figures(0.2, double.PositiveInfinity),
                Figures(0.2, 4),
                Figures(double.NaN, double.NaN),
            ]
        );
        Assert.Equal([2, 3], line.BestOf(BestBy.Least));
        Assert.Equal([0], line.BestOf(BestBy.Greatest));
        Assert.Empty(new MetricLine("loss", [null, Figures(double.NaN)]).BestOf(BestBy.Least));
    }

    [Theory]
    [InlineData("train/loss", BestBy.Least)]
    [InlineData("val_Accuracy", BestBy.Greatest)]
    [InlineData("mean_iou", BestBy.Greatest)]
    [InlineData("perplexity", BestBy.Least)]
    public void Which_way_is_better_is_guessed_from_the_name(string name, BestBy by) =>
        Assert.Equal(by, BestWay.Guess(name));

    [Fact]
    public void The_choice_keeps_its_order()
    {
        var (ids, errors) = RunChoice.Read("3, 1,2");
        Assert.Equal([3, 1, 2], ids);
        Assert.Empty(errors);
    }

    [Theory]
    [InlineData(null, 1)]
    [InlineData("1", 1)]
    [InlineData("1,1", 1)]
    [InlineData("1,-2", 1)]
    [InlineData("x,y", 2)]
    [InlineData("1,x,1,99999999999999999999", 3)]
    [InlineData("1,2,3,4,5,6,7,8,9,10,11", 1)]
    public void A_wrong_choice_is_told_whole(string? ids, int errors)
    {
        var found = RunChoice.Read(ids).Errors;
        Assert.Equal(errors, found.Count);
        Assert.All(found, e => Assert.Equal("ids", e.Path));
    }
}
