using Bunit;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Compare;
using DeepLab.Core.Workloads;
using DeepLab.Web.Charts;
using DeepLab.Web.Components.Pages.Jobs;
using DeepLab.Web.Components.Pages.Jobs.Compare;
using DeepLab.Web.Session;
using DeepLab.Web.Tests.Shared;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Web.Tests.Pages;

public sealed class ComparePartsTests : BunitContext
{
    private static readonly JobRow[] s_runs = [Row(4, "slow"), Row(7, "<b>fast</b>")];
    private static readonly MetricLine s_loss = new("loss", [Figures(0.3, 0.25), Figures(0.2, 0.125)]);
    private static readonly MetricLine s_accuracy = new("accuracy", [Figures(0.9, 0.5), null]);

    public ComparePartsTests()
    {
        Services.AddSingleton(TimeProvider.System);
        Services.AddScoped<Viewer>();
    }

    private static JobRow Row(long id, string name) =>
        new(
            id,
            name,
            "ada",
            WorkloadState.Succeeded,
            Reason.None,
            "",
            0,
            0,
            "h1",
            50,
            Fleet.Then,
            Fleet.Then,
            Fleet.Then,
            Fleet.Then
        );

    private static CurveFigures Figures(double last, double least) => new(last, 10, least, 1, 100);

    private IRenderedComponent<CompareFields> Fields(params RunField[][] runs) =>
        Render<CompareFields>(p => p.Add(c => c.Runs, s_runs).Add(c => c.Fields, FieldLines.Of(runs)));

    private IRenderedComponent<CompareMetrics> Metrics(
        BestBy by,
        Action<ComponentParameterCollectionBuilder<CompareMetrics>>? more = null
    ) =>
        Render<CompareMetrics>(p =>
        {
            p.Add(c => c.Runs, s_runs)
                .Add(c => c.Metrics, [s_accuracy, s_loss])
                .Add(c => c.Chosen, s_loss)
                .Add(c => c.By, by);
            more?.Invoke(p);
        });

    [Fact]
    public void What_differs_has_a_column_a_run_and_what_is_equal_is_folded_away()
    {
        var page = Fields(
            [new(FieldKind.Parameter, "lr", "0.1"), new(FieldKind.Image, "image", "base")],
            [new(FieldKind.Parameter, "lr", "<i>0.2</i>"), new(FieldKind.Image, "image", "base")]
        );
        Assert.Equal(["/jobs/4", "/jobs/7"], page.FindAll("thead a").Select(a => a.GetAttribute("href")));
        Assert.Equal("<b>fast</b>", page.FindAll("thead a")[1].TextContent);
        var cells = page.FindAll("section > .wide td").Select(c => c.TextContent.Trim());
        Assert.Equal(["0.1", "<i>0.2</i>"], cells);
        Assert.Equal("1 equal in all", page.Find("details summary").TextContent);
        Assert.False(page.Find("details").HasAttribute("open"));
        Assert.Contains("base", page.Find("details").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public void Runs_that_are_alike_are_said_to_be()
    {
        RunField[] same = [new(FieldKind.Image, "image", "base")];
        Assert.Contains("Nothing that is known", Fields(same, same).Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void The_best_of_the_chosen_metric_is_marked_and_no_other()
    {
        var cells = Metrics(BestBy.Least).FindAll("td");
        Assert.Equal(["", "", "", "best"], cells.Select(c => c.GetAttribute("class")));
        Assert.Contains("best 0.125", cells[3].TextContent, StringComparison.Ordinal);
        Assert.Equal("–", cells[1].TextContent.Trim());

        // Both reach the same greatest value
        Assert.Equal(2, Metrics(BestBy.Greatest).FindAll("td.best").Count);
    }

    [Fact]
    public void Another_metric_and_another_way_can_be_chosen()
    {
        string? metric = null;
        BestBy? by = null;
        var page = Metrics(BestBy.Least, p => p.Add(c => c.OnChoose, m => metric = m).Add(c => c.OnBy, b => by = b));
        page.Find("select").Change("accuracy");
        page.FindAll(".segments button")[1].Click();
        Assert.Equal(("accuracy", BestBy.Greatest), (metric, by));
    }

    [Fact]
    public void Each_run_is_a_line_and_the_best_is_drawn_last()
    {
        var differs = FieldLines
            .Of([
                [new(FieldKind.Parameter, "lr", "0.1")],
                [new(FieldKind.Parameter, "lr", "0.2")],
            ])
            .Differs;
        var page = Render<ParallelLines>(p =>
            p.Add(c => c.Runs, s_runs).Add(c => c.Plan, ParallelPlan.Of(differs, s_accuracy, BestBy.Greatest))
        );
        Assert.Equal(["run", "run best"], page.FindAll("g.run").Select(g => g.ClassName!.Trim()));
        // The one that wrote no such metric ends before its axis
        Assert.Single(page.FindAll("g.run")[0].QuerySelectorAll("circle"));
        Assert.Equal(2, page.Find("g.best").QuerySelectorAll("circle").Length);
        Assert.EndsWith("best: #4", page.Find("svg").GetAttribute("aria-label"), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_difference_there_is_nothing_to_draw() =>
        Assert.Empty(
            Render<ParallelLines>(p =>
                p.Add(c => c.Runs, s_runs).Add(c => c.Plan, ParallelPlan.Of([], s_loss, BestBy.Least))
            )
                .Markup.Trim()
        );

    [Fact]
    public void A_job_of_the_list_is_chosen_until_as_many_are_as_are_compared()
    {
        bool? chosen = null;
        var line = Render<JobRowLine>(p => p.Add(c => c.Job, s_runs[0]).Add(c => c.OnChoose, on => chosen = on));
        var box = line.Find("input[type=checkbox]");
        Assert.Equal("Compare slow, job 4", box.GetAttribute("aria-label"));
        box.Change(true);
        Assert.True(chosen);

        line.Render(p => p.Add(c => c.Full, true));
        Assert.True(line.Find("input").HasAttribute("disabled"));
        line.Render(p => p.Add(c => c.Chosen, true));
        Assert.False(line.Find("input").HasAttribute("disabled"));
    }
}
