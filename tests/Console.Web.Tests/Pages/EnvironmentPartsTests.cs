using System.Security.Claims;
using AngleSharp.Dom;
using Bunit;
using DeepLab.Core;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Workloads;
using DeepLab.Web.Components.Pages.Environments;
using DeepLab.Web.Session;
using DeepLab.Web.Tests.Shared;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;
using MudBlazor.Services;
using Environments = DeepLab.Web.Tests.Shared.Environments;

namespace DeepLab.Web.Tests.Pages;

public sealed class EnvironmentPartsTests : BunitContext, IAsyncLifetime
{
    public EnvironmentPartsTests()
    {
        Services.AddMudServices();
        Services.AddDeepLabCore(new ConsoleOptions { Database = "Host=/nonexistent", DataFolder = "/nonexistent" });
        Services.AddScoped<Viewer>();
        Services.AddScoped<CurrentActor>();
        Services.AddScoped<EnvironmentDeeds>();
        JSInterop.Mode = JSRuntimeMode.Loose;
        var signedIn = AddAuthorization();
        signedIn.SetAuthorized("ada");
        signedIn.SetClaims(new Claim(ClaimTypes.NameIdentifier, Guid.NewGuid().ToString()));
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    private IRenderedComponent<EnvironmentHead> Head(EnvironmentDetail environment) =>
        Render<EnvironmentHead>(p => p.Add(c => c.Environment, environment));

    private static string[] Buttons(IRenderedComponent<IComponent> part) =>
        [.. part.FindAll("button, a.mud-button-root").Select(b => b.TextContent.Trim())];

    [Fact]
    public void A_running_one_opens_in_new_tabs_that_know_nothing_of_this_one()
    {
        var head = Head(Environments.Detail(WorkloadState.Running));

        var link = head.FindAll("a").Single(a => a.TextContent.Contains("Open Jupyter", StringComparison.Ordinal));
        Assert.Equal("/open/7/jupyter", link.GetAttribute("href"));
        Assert.Equal(("_blank", "noopener"), (link.GetAttribute("target"), link.GetAttribute("rel")));
        Assert.Equal(
            ["Open Jupyter", "Open app", "Terminal", "Stop", "Restart", "Snapshot", "Password", "Make a job", "Clone"],
            Buttons(head)
        );
    }

    [Fact]
    public void An_ended_one_can_be_started_and_deleted_and_opens_nothing() =>
        Assert.Equal(
            ["Start", "Password", "Make a job", "Clone", "Delete"],
            Buttons(Head(Environments.Detail(WorkloadState.Stopped)))
        );

    [Fact]
    public void The_versions_that_it_mounts_are_told_and_lead_to_their_datasets()
    {
        var environment = Environments.Detail(WorkloadState.Running);
        var head = Head(
            environment with
            {
                Job = environment.Job with
                {
                    Datasets = [new DatasetMount("digits", 2, "/data"), new DatasetMount("faces", 1, "/faces")],
                },
            }
        );

        var links = head.FindAll("a[href^='/datasets/']");
        Assert.Equal(
            [("/datasets/digits", "digits 2"), ("/datasets/faces", "faces 1")],
            links.Select(a => (a.GetAttribute("href"), a.TextContent))
        );
        Assert.DoesNotContain("Dataset", Head(environment).Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void One_on_its_way_says_how_far_it_is()
    {
        var head = Head(
            Environments.Detail(
                WorkloadState.Starting,
                new EnvironmentProgress(EnvironmentStep.Pulling, 0.43, "pulls the image: 43 %")
            )
        );

        var now = head.Find("[aria-current=step]");
        Assert.Equal("Getting the image 43 %", now.TextContent.Trim());
        Assert.Equal("43", head.Find("[role=meter]").GetAttribute("aria-valuenow"));
        Assert.Equal("In the queue", head.Find(".way .done").TextContent.Trim());
    }

    [Fact]
    public async Task The_idle_clock_is_told_and_near_its_end_it_can_be_put_off()
    {
        var kept = 0;
        IRenderedComponent<IdleNote> Note(EnvironmentIdle idle) =>
            Render<IdleNote>(p =>
                p.Add(c => c.Idle, idle).Add(c => c.OnKeep, EventCallback.Factory.Create(this, () => kept++))
            );

        Assert.Empty(Note(Environments.Idle()).FindAll("button"));
        Assert.Contains("unless it is used", Note(Environments.Idle()).Markup, StringComparison.Ordinal);
        Assert.Contains(
            "until it is stopped",
            Note(new EnvironmentIdle(null, null, null, false)).Markup,
            StringComparison.Ordinal
        );
        var near = Note(Environments.Idle(warned: true));
        await near.Find("button").ClickAsync(new());
        Assert.Equal(1, kept);
        Assert.True(near.Find("button").HasAttribute("disabled"));
    }

    [Theory]
    [InlineData(false, "Delete it")]
    [InlineData(true, "Delete it and its home")]
    public async Task Deleting_asks_what_becomes_of_the_home_and_keeps_it_unless_told(bool withHome, string word)
    {
        var provider = Render<MudDialogProvider>();
        var dialog = await provider.InvokeAsync(() =>
            Services.GetRequiredService<IDialogService>().ShowAsync<DeleteEnvironmentDialog>("Delete mine?")
        );
        if (withHome)
        {
            await provider.FindAll("input[type=radio]")[1].ChangeAsync(new ChangeEventArgs { Value = "on" });
        }

        await provider.FindAll("button").Single(b => b.TextContent.Trim() == word).ClickAsync(new());

        Assert.Equal(withHome, (await dialog.Result)!.Data);
    }

    [Fact]
    public async Task A_password_that_is_too_short_is_refused_beside_its_field_and_nothing_shows_it()
    {
        var provider = Render<MudDialogProvider>();
        await provider.InvokeAsync(() =>
            Services
                .GetRequiredService<IDialogService>()
                .ShowAsync<PasswordDialog>("Password", new DialogParameters<PasswordDialog> { { d => d.Id, 7 } })
        );
        var field = provider.Find("input.field");
        Assert.Equal("password", field.GetAttribute("type"));
        await field.InputAsync(new ChangeEventArgs { Value = "short" });

        await provider.Find("form").SubmitAsync();

        Assert.Equal("true", provider.Find("input.field").GetAttribute("aria-invalid"));
        Assert.Contains("8 to 200 characters", provider.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Its_ways_in_have_an_SSH_line_to_copy()
    {
        var story = Render<EnvironmentStory>(p =>
            p.Add(c => c.Environment, Environments.Detail(WorkloadState.Running)).Add(c => c.Events, [])
        );
        Assert.Equal("ssh -p 20001 lab@10.0.0.7", story.Find("code.line").TextContent);
        Assert.Equal(
            ["/open/7/jupyter", "/open/7/app"],
            story.FindAll(".way-in a").Select(a => a.GetAttribute("href"))
        );

        var stopped = Render<EnvironmentStory>(p =>
            p.Add(c => c.Environment, Environments.Detail(WorkloadState.Stopped)).Add(c => c.Events, [])
        );
        Assert.Empty(stopped.FindAll(".way-in"));
        Assert.Contains("Start it", stopped.Markup, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(WorkloadState.Running, "Stop mine", 2)]
    [InlineData(WorkloadState.Stopped, "Start mine", 0)]
    public void A_row_has_its_links_and_one_button(WorkloadState state, string button, int links)
    {
        var line = Render<EnvironmentRowLine>(p =>
            p.Add(
                c => c.Row,
                new EnvironmentRow(
                    Environments.Row(state),
                    "pytorch-cpu",
                    true,
                    false,
                    true,
                    new EnvironmentProgress(EnvironmentStep.Ready, null, ""),
                    Environments.Idle(),
                    Environments.Links(state)
                )
            )
        );

        Assert.Equal(button, Assert.Single(line.FindAll("button")).GetAttribute("aria-label"));
        Assert.Equal(links, line.FindAll("a[target=_blank][rel=noopener]").Count);
    }
}
