using Bunit;
using DeepLab.Core.Clusters;
using DeepLab.Core.Operations;
using DeepLab.Web.Components.Shared;
using DeepLab.Web.Session;
using DeepLab.Web.Wording;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Web.Tests.Shared;

public sealed class GpuCellTests : BunitContext
{
    public GpuCellTests()
    {
        Services.AddSingleton(TimeProvider.System);
        Services.AddScoped<Viewer>();
    }

    public static TheoryData<GpuHealth> Troubles => [.. Enum.GetValues<GpuHealth>().Where(h => h != GpuHealth.Healthy)];

    private IRenderedComponent<GpuCell> Cell(GpuView gpu, bool open = true) =>
        Render<GpuCell>(p => p.Add(c => c.Gpu, gpu).Add(c => c.Open, open));

    [Theory]
    [MemberData(nameof(Troubles))]
    public void A_GPU_in_trouble_says_so_with_its_evidence_and_never_looks_free(GpuHealth health)
    {
        var cell = Cell(Fleet.Gpu(health: health, message: "process 4711 computes on it"));

        Assert.Contains($"{health}.", cell.Find(".gpu-health").TextContent, StringComparison.Ordinal);
        Assert.Contains("Process 4711 computes on it.", cell.Markup, StringComparison.Ordinal);
        Assert.Contains(
            health.ToString(),
            cell.Find("[role=group]").GetAttribute("aria-label"),
            StringComparison.Ordinal
        );
        Assert.DoesNotContain("Free", cell.Markup, StringComparison.Ordinal);
        Assert.Empty(cell.FindAll(".gpu.ok"));
    }

    [Fact]
    public void Every_trouble_has_an_icon_of_its_own() =>
        Assert.Equal(
            Enum.GetValues<GpuHealth>().Length,
            Enum.GetValues<GpuHealth>().Select(h => StateLooks.Of(h).Icon).Distinct().Count()
        );

    [Fact]
    public void A_fenced_GPU_still_says_who_computes_on_it()
    {
        var holder = new GpuHolder(7, "digits", "ada", "worker-0");

        var cell = Cell(Fleet.Gpu(health: GpuHealth.Fenced, message: "fenced by root", held: true, by: holder));

        Assert.Equal("/jobs/7", cell.Find("a").GetAttribute("href"));
        Assert.Contains("Fenced by root.", cell.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void A_free_GPU_of_a_host_that_takes_no_work_does_not_look_free()
    {
        Assert.Contains("Free", Cell(Fleet.Gpu()).Markup, StringComparison.Ordinal);
        Assert.DoesNotContain("Free", Cell(Fleet.Gpu(), open: false).Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void A_ready_host_that_is_closed_has_nothing_free_says_why_and_does_not_look_ready()
    {
        var host = Fleet.Host(Fleet.Gpu()) with { Closed = "failed its preflight: The clock is 90 s late." };

        var panel = Render<HostPanel>(p => p.Add(c => c.Host, host));

        Assert.Contains("h1 failed its preflight: The clock is 90 s late.", panel.Markup, StringComparison.Ordinal);
        Assert.Contains("0 of 1 GPUs free", panel.Markup, StringComparison.Ordinal);
        Assert.Equal("Preflight failed", panel.Find(".chip").TextContent.Trim());
    }

    [Fact]
    public void Held_and_troubled_GPUs_are_not_counted_as_free()
    {
        var host = Fleet.Host(Fleet.Gpu(0), Fleet.Gpu(1, held: true), Fleet.Gpu(2, GpuHealth.Squatted));

        Assert.Equal(1, host.FreeGpus());
        Assert.Equal(1, new[] { host }.GpusInTrouble());
    }

    [Fact]
    public void A_page_with_very_many_GPUs_folds_them_until_one_is_asked_for()
    {
        var host = Fleet.Host(Fleet.Gpu(0), Fleet.Gpu(1, GpuHealth.Leaked, "by dl-7-worker-0-1"));

        var panel = Render<HostPanel>(p => p.Add(c => c.Host, host).Add(c => c.GpusOnPage, 1000));

        Assert.Empty(panel.FindAll(".gpu"));
        Assert.Equal(2, panel.FindAll(".pip").Count);
        Assert.Contains("1 free, 1 leaked", panel.Markup, StringComparison.Ordinal);
        panel.Find("button.fold").Click();
        Assert.Equal(2, panel.FindAll(".gpu").Count);
        Assert.Equal("true", panel.Find("button.fold").GetAttribute("aria-expanded"));
    }
}
