using Bunit;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Web.Components.Pages.Jobs;
using DeepLab.Web.Session;
using DeepLab.Web.Tests.Shared;
using DeepLab.Web.Wording;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor.Services;

namespace DeepLab.Web.Tests.Pages;

public sealed class CheckpointListTests : BunitContext, IAsyncLifetime
{
    public CheckpointListTests()
    {
        Services.AddMudServices();
        Services.AddSingleton(TimeProvider.System);
        Services.AddScoped<Viewer>();
        JSInterop.Mode = JSRuntimeMode.Loose;
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    private static CheckpointView View(long id, long? step, bool complete = true, bool pinned = false) =>
        new(
            id,
            $"step-{step}.pt",
            CheckpointLayout.PyTorch,
            step,
            1536,
            1,
            "worker-0",
            1,
            Fleet.Then,
            complete,
            pinned,
            false,
            "gpu1"
        );

    [Fact]
    public void Each_says_its_step_its_state_and_which_attempt_went_on_from_it()
    {
        var list = Render<CheckpointList>(p =>
            p.Add(c => c.JobId, 7)
                .Add(c => c.Keeps, true)
                .Add(c => c.Checkpoints, [View(3, 1200, complete: false), View(2, 1100, pinned: true)])
                .Add(c => c.Seams, [("step-1100.pt", 2)])
        );
        var rows = list.FindAll("li");
        Assert.Contains("incomplete", rows[0].TextContent, StringComparison.Ordinal);
        Assert.Contains("1.5 KiB", rows[0].TextContent, StringComparison.Ordinal);
        Assert.DoesNotContain("went on", rows[0].TextContent, StringComparison.Ordinal);
        Assert.Contains("pinned", rows[1].TextContent, StringComparison.Ordinal);
        Assert.Contains("attempt 2 went on from here", rows[1].TextContent, StringComparison.Ordinal);
        Assert.Equal("/api/v1/jobs/7/checkpoints/2/download", rows[1].QuerySelector("a[href]")!.GetAttribute("href"));
        // What is pinned is not deleted
        Assert.True(rows[1].QuerySelector("[aria-label='Delete step-1100.pt']")!.HasAttribute("disabled"));
        Assert.False(rows[0].QuerySelector("[aria-label='Delete step-1200.pt']")!.HasAttribute("disabled"));
    }

    [Fact]
    public void Names_are_text()
    {
        var hostile = View(1, 1) with { Path = "<script>alert(1)</script>.pt" };
        var list = Render<CheckpointList>(p => p.Add(c => c.JobId, 7).Add(c => c.Checkpoints, [hostile]));
        Assert.Empty(list.FindAll("script"));
    }

    [Theory]
    [InlineData(true, "No checkpoints yet")]
    [InlineData(false, "keeps no checkpoints")]
    public void An_empty_list_says_what_would_fill_it(bool keeps, string says) =>
        Assert.Contains(
            says,
            Render<CheckpointList>(p =>
                p.Add(c => c.JobId, 7).Add(c => c.Checkpoints, []).Add(c => c.Keeps, keeps)
            ).Markup,
            StringComparison.Ordinal
        );

    [Fact]
    public void What_a_stop_would_lose_is_told_with_its_gpus()
    {
        var now = Fleet.Then.AddMinutes(37);
        Assert.Equal("37 m 00 s on 4 GPUs unsaved", WorkAtRisk.Of(Fleet.Job(4, Fleet.Then), now));
        Assert.Equal("37 m 00 s on 1 GPU unsaved", WorkAtRisk.Of(Fleet.Job(1, Fleet.Then), now));
        Assert.Equal("37 m 00 s unsaved", WorkAtRisk.Of(Fleet.Job(0, Fleet.Then), now));
        Assert.Null(WorkAtRisk.Of(Fleet.Job(4, null), now));
        Assert.Null(WorkAtRisk.Sum([Fleet.Job(4, null)], now));
        Assert.Equal("37 m 00 s in 1 job without GPUs", WorkAtRisk.Sum([Fleet.Job(0, Fleet.Then)], now));
        Assert.Equal(
            "3 h 05 m of GPU time in 2 jobs, and 1 h 14 m in 2 jobs without GPUs",
            WorkAtRisk.Sum([.. new[] { 4, 1, 0, 0 }.Select(g => Fleet.Job(g, Fleet.Then)), Fleet.Job(8, null)], now)
        );
    }
}
