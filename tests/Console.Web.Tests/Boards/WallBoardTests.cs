using DeepLab.Core.Metrics;
using DeepLab.Web.Boards;

namespace DeepLab.Web.Tests.Boards;

public sealed class WallBoardTests
{
    private static SeriesInfo Curve(string name, bool empty = false) =>
        new(
            name.GetHashCode(StringComparison.Ordinal),
            new SeriesKey(SeriesOwner.Job, "1", name, "worker-0/1"),
            empty ? 0 : 1,
            empty ? null : new SeriesPoint(1, 1, 1)
        );

    [Theory]
    [InlineData("lr", "lr,loss,val/loss", "lr")]
    [InlineData("", "lr,loss,val/loss", "val/loss")]
    [InlineData("absent", "lr,loss", "loss")]
    [InlineData("", "Accuracy,lr", "Accuracy")]
    [InlineData("", "throughput,lr", "lr")]
    [InlineData("", "", null)]
    public void The_curve_that_says_most_is_chosen(string metric, string names, string? chosen) =>
        Assert.Equal(
            chosen,
            WallBoard.Choose(
                [.. names.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(n => Curve(n)), Curve("val", true)],
                metric
            )
        );
}
