using System.Security.Claims;
using Bunit;
using Bunit.TestDoubles;
using DeepLab.Core.Clusters;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Web.Components.Pages.Hosts;
using DeepLab.Web.Session;
using DeepLab.Web.Tests.Shared;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;
using MudBlazor.Services;

namespace DeepLab.Web.Tests.Pages;

public sealed class HostPartsTests : BunitContext, IAsyncLifetime
{
    private readonly BunitAuthorizationContext _signedIn;

    public HostPartsTests()
    {
        Services.AddMudServices();
        Services.AddSingleton(TimeProvider.System);
        Services.AddScoped<Viewer>();
        Services.AddScoped<CurrentActor>();
        Services.AddScoped<AdminDeeds>();
        JSInterop.Mode = JSRuntimeMode.Loose;
        _signedIn = AddAuthorization();
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    private void SignIn(UserRole role)
    {
        _signedIn.SetAuthorized("ada");
        _signedIn.SetRoles(role.ToString());
        _signedIn.SetClaims(
            new Claim(ClaimTypes.NameIdentifier, Guid.NewGuid().ToString()),
            new Claim(ClaimTypes.Role, role.ToString())
        );
    }

    private IRenderedComponent<PreflightPanel> Preflight(PreflightReport? report) =>
        Render<PreflightPanel>(p => p.Add(c => c.Report, report));

    [Fact]
    public void A_host_that_was_not_checked_says_so() =>
        Assert.Contains("Not checked yet", Preflight(null).Markup, StringComparison.Ordinal);

    [Fact]
    public void Findings_say_what_to_do_and_what_must_be_mended_comes_first()
    {
        var panel = Preflight(
            new PreflightReport(
                Fleet.Then,
                [
                    new PreflightFinding("clock", FindingSeverity.Ok, "the clock is right"),
                    new PreflightFinding("shm", FindingSeverity.Warning, "shared memory is small"),
                    new PreflightFinding("gpus", FindingSeverity.Error, "no runtime", "install the container toolkit"),
                ]
            )
            {
                Again = true,
            }
        );

        Assert.Equal(["Error", "Warning", "OK"], panel.FindAll(".chip").Select(c => c.TextContent.Trim()));
        Assert.Contains("Install the container toolkit", panel.Find("li").TextContent, StringComparison.Ordinal);
        Assert.Single(panel.FindAll(".todo"));
        Assert.Contains("another check was asked for", panel.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void A_drain_tells_what_it_may_lose_the_dearest_first_and_in_all()
    {
        var now = TimeProvider.System.GetUtcNow();
        // Job n holds n GPUs since an hour; the last says nothing of what it would lose
        JobRow[] jobs =
        [
            .. Enumerable.Range(0, 25).Select(n => Fleet.Job(n, now.AddHours(-1), id: n)),
            Fleet.Job(4, null, id: 99),
        ];

        var risk = Render<DrainRisk>(p => p.Add(c => c.Jobs, jobs));

        // 300 GPUs for an hour
        Assert.Equal(
            "Unsaved now: 12 d 12 h of GPU time in 24 jobs, and 1 h 00 m in 1 job without GPUs",
            risk.Find(".head").TextContent
        );
        Assert.Equal(
            Enumerable.Range(5, 20).Reverse().Select(n => $"job-{n} #{n} 1 h 00 m on {n} GPUs unsaved"),
            risk.FindAll("li").Select(l => l.TextContent.Trim())
        );
        Assert.Contains("and 5 more", risk.Markup, StringComparison.Ordinal);
        var few = Render<DrainRisk>(p => p.Add(c => c.Jobs, jobs[..3]));
        Assert.DoesNotContain("more", few.Markup, StringComparison.Ordinal);
        Assert.Empty(Render<DrainRisk>(p => p.Add(c => c.Jobs, [])).Markup.Trim());
    }

    [Fact]
    public void A_slow_network_says_why_and_one_that_was_not_measured_too()
    {
        PairView[] pairs =
        [
            new(["h0", "h1"], 9, 0.3, 105, 0.2, 5, Fleet.Then, "carries 9 MB/s, less than half", Fleet.Then, ""),
            new(["h1", "h2"], null, null, null, null, 0, null, "", Fleet.Then, "its probe image has no perl"),
        ];

        var list = Render<PairList>(p => p.Add(c => c.Host, "h1").Add(c => c.Pairs, pairs));

        Assert.Equal(["h0", "h2"], list.FindAll("a").Select(l => l.TextContent));
        Assert.Equal(
            ["9 MB/s", "0.3 ms", "105 MB/s, 0.2 ms"],
            list.FindAll("tbody tr")[0].QuerySelectorAll("td.num").Take(3).Select(c => c.TextContent)
        );
        Assert.Equal("Slow network", list.Find(".chip").TextContent.Trim());
        Assert.Equal("It carries 9 MB/s, less than half.", list.FindAll(".why")[0].TextContent);
        Assert.Contains("not measured: its probe image has no perl.", list.FindAll(".why")[1].TextContent);
        Assert.Contains("never", list.FindAll("tbody tr")[1].TextContent);
        Assert.Contains(
            "no job ran on this host and another",
            Render<PairList>(p => p.Add(c => c.Host, "h1").Add(c => c.Pairs, [])).Markup,
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData(UserRole.Admin, 1)]
    [InlineData(UserRole.Member, 0)]
    public void Only_admins_are_offered_what_changes_hosts_and_GPUs(UserRole role, int menus)
    {
        AddVerbs();
        SignIn(role);

        var host = Render<HostActions>(p => p.Add(c => c.Host, Fleet.Host()));
        var gpu = Render<GpuActions>(p => p.Add(c => c.Gpu, Fleet.Gpu()));

        Assert.Equal(menus, host.FindAll("button").Count);
        Assert.Equal(menus, gpu.FindAll("button").Count);
    }

    [Theory]
    [InlineData(UserRole.Admin, true)]
    [InlineData(UserRole.Member, false)]
    public async Task Who_asks_is_looked_at_again_when_it_is_done(UserRole role, bool done)
    {
        SignIn(role);
        var asked = false;

        var answer = await Services
            .GetRequiredService<AdminDeeds>()
            .DoAsync(
                (_, _) =>
                {
                    asked = true;
                    return Task.FromResult<Outcome<string>>(new Outcome<string>.Done("h1"));
                },
                "gone"
            );

        Assert.Equal((done, done), (answer, asked));
    }

    [Fact]
    public async Task What_stood_against_it_is_said()
    {
        SignIn(UserRole.Admin);

        var answer = await Services
            .GetRequiredService<AdminDeeds>()
            .DoAsync((_, _) => Task.FromResult<Outcome<string>>(new Outcome<string>.Conflict("h1 answers.")), "gone");

        Assert.False(answer);
        Assert.Equal("h1 answers.", Assert.Single(Services.GetRequiredService<ISnackbar>().ShownSnackbars).Message);
    }

    /// <summary>The verbs, on a database that no test here may reach.</summary>
    private void AddVerbs()
    {
        Services.AddSingleton<IDbContextFactory<ConsoleDb>, NoDatabase>();
        Services.AddSingleton<ActivateHost>();
        Services.AddSingleton<DrainHost>();
        Services.AddSingleton<ChangeFeed>();
        Services.AddSingleton<QueueReader>();
        Services.AddSingleton<LivePlan>();
        Services.AddSingleton<JobQueries>();
        Services.AddSingleton<DisableHost>();
        Services.AddSingleton<CheckHost>();
        Services.AddSingleton<FenceHost>();
        Services.AddSingleton<RemoveHost>();
        Services.AddSingleton<FenceGpu>();
        Services.AddSingleton<ClearGpu>();
        Services.AddSingleton<EvictGpu>();
        Services.AddSingleton<AdoptGpu>();
    }

    private sealed class NoDatabase : IDbContextFactory<ConsoleDb>
    {
        public ConsoleDb CreateDbContext() => throw new InvalidOperationException("Not in tests.");
    }
}
