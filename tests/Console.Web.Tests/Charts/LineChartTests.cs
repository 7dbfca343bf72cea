using Bunit;
using DeepLab.Web.Charts;

namespace DeepLab.Web.Tests.Charts;

public sealed class LineChartTests : BunitContext
{
    private static ChartDot Dot(double x, double y) => new(x, y, y - 1, y + 1);

    [Fact]
    public async Task Everything_is_sent_once_and_then_only_what_is_new()
    {
        var module = JSInterop.SetupModule("./js/charts.js");
        var chart = module.SetupModule("create", _ => true);
        chart.SetupVoid("draw", _ => true).SetVoidResult();
        chart.SetupVoid("append", _ => true).SetVoidResult();
        var model = new ChartModel("loss", ChartUnit.Number, byStep: true);
        model.Set("worker-0/1", [Dot(1, 5), Dot(2, 4)]);

        Render<LineChart>(p => p.Add(c => c.Model, model));
        await model.AppendAsync(new Dictionary<string, IReadOnlyList<ChartDot>> { ["worker-0/1"] = [Dot(3, 3)] });

        var drawn = Assert.Single(chart.Invocations["draw"]);
        Assert.Equal([0, 2, 1, 2, 5, 4, 4, 3, 6, 5], Numbers(drawn.Arguments[1]));
        var appended = Assert.Single(chart.Invocations["append"]);
        Assert.Equal([0, 1, 3, 3, 2, 4], Numbers(appended.Arguments[0]));
        Assert.Equal(3, model.Dots(0).Count);
    }

    [Fact]
    public async Task Points_of_a_line_that_is_not_drawn_are_not_sent()
    {
        var model = new ChartModel("loss", ChartUnit.Number, byStep: true);
        var sent = 0;
        model.Appended += _ =>
        {
            sent++;
            return Task.CompletedTask;
        };

        await model.AppendAsync(new Dictionary<string, IReadOnlyList<ChartDot>> { ["unknown"] = [Dot(1, 1)] });

        Assert.Equal(0, sent);
    }

    private static double[] Numbers(object? bytes)
    {
        var raw = Assert.IsType<byte[]>(bytes);
        var numbers = new double[raw.Length / sizeof(double)];
        Buffer.BlockCopy(raw, 0, numbers, 0, raw.Length);
        return numbers;
    }
}
