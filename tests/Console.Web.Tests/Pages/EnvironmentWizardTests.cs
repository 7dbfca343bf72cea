using System.Security.Claims;
using Bunit;
using DeepLab.Core;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Workloads;
using DeepLab.Web.Components.Pages.Environments.New;
using DeepLab.Web.Components.Shared;
using DeepLab.Web.Drafts;
using DeepLab.Web.Session;
using DeepLab.Web.Tests.Shared;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;
using MudBlazor.Services;

namespace DeepLab.Web.Tests.Pages;

public sealed class EnvironmentWizardTests : BunitContext, IAsyncLifetime
{
    private readonly EnvironmentDraft _draft = new() { Image = "pytorch-cpu" };
    private int _changes;

    public EnvironmentWizardTests()
    {
        Services.AddMudServices();
        Services.AddDeepLabCore(new ConsoleOptions { Database = "Host=/nonexistent", DataFolder = "/nonexistent" });
        Services.AddScoped<Viewer>();
        Services.AddScoped<CurrentActor>();
        JSInterop.Mode = JSRuntimeMode.Loose;
        var signedIn = AddAuthorization();
        signedIn.SetAuthorized("ada");
        signedIn.SetClaims(new Claim(ClaimTypes.NameIdentifier, Guid.NewGuid().ToString()));
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    private static ImageView Image(string name, params string[] features) =>
        new(Guid.NewGuid(), name, $"{name}:1", "Frame", name, features, "what it is");

    private IRenderedComponent<AccessStep> Access(ImageView? image, params SpecError[] errors) =>
        Render<AccessStep>(p =>
            p.Add(c => c.Draft, _draft)
                .Add(c => c.Errors, new DraftErrors(errors, WizardStep.AllFields))
                .Add(c => c.Image, image)
                .Add(c => c.OnChanged, EventCallback.Factory.Create(this, () => _changes++))
        );

    [Fact]
    public async Task Frameworks_say_what_they_have_and_one_that_nothing_opens_cannot_be_chosen()
    {
        string? chosen = null;
        var step = Render<ImageStep>(p =>
            p.Add(c => c.Chosen, "pytorch-cpu")
                .Add(c => c.Loaded, true)
                .Add(c => c.Images, [Image("base", "sh"), Image("pytorch-cpu", "jupyter", "ssh")])
                .Add(c => c.OnChosen, EventCallback.Factory.Create<string>(this, i => chosen = i))
        );

        var cards = step.FindAll(".card");
        Assert.Equal(["Jupyter", "SSH"], cards[0].QuerySelectorAll(".card-tag:not(.no)").Select(t => t.TextContent));
        Assert.Equal(["TensorBoard"], cards[0].QuerySelectorAll(".card-tag.no").Select(t => t.TextContent));
        Assert.True(cards[0].QuerySelector("input")!.HasAttribute("checked"));
        Assert.True(cards[1].QuerySelector("input")!.HasAttribute("disabled"));
        Assert.Empty(step.FindAll(".text-field"));

        await cards[2].QuerySelector("input")!.ChangeAsync(new ChangeEventArgs { Value = "on" });
        Assert.Equal("", chosen);
        step.Find(".text-field input").Input("mine:2");
        Assert.Equal("mine:2", chosen);
    }

    [Fact]
    public void An_image_from_outside_the_catalogue_is_shown_as_such()
    {
        var step = Render<ImageStep>(p =>
            p.Add(c => c.Chosen, "mine:2").Add(c => c.Loaded, true).Add(c => c.Images, [Image("base", "sh")])
        );

        Assert.Equal("mine:2", step.Find(".text-field input").GetAttribute("value"));
    }

    [Fact]
    public void TensorBoard_is_off_where_the_image_has_none_and_says_why()
    {
        var step = Access(Image("pytorch-cpu", "jupyter", "ssh"));

        var board = step.FindAll("fieldset").Single(f => f.QuerySelector("legend")!.TextContent == "TensorBoard");
        Assert.True(board.QuerySelector("input")!.HasAttribute("disabled"));
        Assert.Contains("pytorch-cpu has no TensorBoard", board.TextContent, StringComparison.Ordinal);
        Assert.Empty(Access(null).FindAll("input[disabled]"));
    }

    [Fact]
    public async Task A_password_of_ones_own_is_hidden_and_judged_at_its_field()
    {
        var step = Access(null);
        Assert.Empty(step.FindAll("#jupyter-own"));

        await step.FindAll("input[type=radio]")[1].ChangeAsync(new ChangeEventArgs { Value = "on" });
        step.Find("#jupyter-own").Input("short");

        Assert.Equal(("short", 2), (_draft.Password, _changes));
        Assert.Equal("password", step.Find("#jupyter-own").GetAttribute("type"));
        var judged = Access(null, new SpecError("jupyter.password", "8 to 200 characters are allowed."));
        Assert.Equal("true", judged.Find("#jupyter-own").GetAttribute("aria-invalid"));
        Assert.Contains("8 to 200", judged.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_as_many_GPUs_are_offered_as_a_host_has()
    {
        var step = Render<ResourcesStep>(p =>
            p.Add(c => c.Draft, _draft)
                .Add(c => c.Errors, new DraftErrors([]))
                .Add(c => c.Hosts, [Fleet.Host(Fleet.Gpu(0), Fleet.Gpu(1, held: true))])
        );

        Assert.Equal(["CPU only", "1", "2"], step.FindAll(".segments button").Select(b => b.TextContent));
        Assert.Contains("1 of 2 GPUs", step.Find(".free").TextContent, StringComparison.Ordinal);
        step.FindAll(".segments button")[2].Click();
        Assert.Equal("2", _draft.Gpus);
    }

    [Fact]
    public async Task A_model_and_a_host_can_be_chosen_of_those_that_the_cluster_has()
    {
        _draft.Gpus = "1";
        var host = Fleet.Host(Fleet.Gpu(0));
        var step = Render<ResourcesStep>(p =>
            p.Add(c => c.Draft, _draft).Add(c => c.Errors, new DraftErrors([])).Add(c => c.Hosts, [host])
        );

        await step.FindAll("select")[0].ChangeAsync(new ChangeEventArgs { Value = host.Gpus[0].Model });
        await step.FindAll("select")[1].ChangeAsync(new ChangeEventArgs { Value = host.Name });

        Assert.Equal((host.Gpus[0].Model, host.Name), (_draft.GpuModel, _draft.Host));
    }

    [Fact]
    public async Task A_dataset_is_added_with_its_newest_version_and_a_path_that_follows_its_name()
    {
        static DatasetView Dataset(string name, int latest) =>
            new(name, "", "ada", null, latest, latest, Mine: true, Fleet.Then);
        var step = Render<DatasetFields>(p =>
            p.Add(c => c.Lines, _draft.Datasets)
                .Add(c => c.Datasets, [Dataset("digits", 3), Dataset("faces", 1)])
                .Add(c => c.OnChanged, EventCallback.Factory.Create(this, () => _changes++))
                .AddChildContent("read-only")
        );
        Assert.DoesNotContain("read-only", step.Markup, StringComparison.Ordinal);

        await step.Find("button").ClickAsync(new());
        await step.Find("button").ClickAsync(new());
        await step.FindAll("select")[0].ChangeAsync(new ChangeEventArgs { Value = "faces" });
        await step.FindAll("select")[1].ChangeAsync(new ChangeEventArgs { Value = "digits" });
        step.FindAll("input")[2].Input("2");

        Assert.Equal(
            [("faces", "1", "/data/faces"), ("digits", "2", "/data/digits")],
            _draft.Datasets.Select(l => (l.Name, l.Version, l.Path))
        );
        Assert.Equal(5, _changes);
        Assert.Contains("read-only", step.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_version_of_a_dataset_is_told_at_its_step_and_a_right_one_goes_along()
    {
        var navigation = Services.GetRequiredService<NavigationManager>();
        navigation.NavigateTo(
            "/environments/new?step=volumes&name=mine&image=mine:2&cluster=local&dataset=digits:two:/data/digits"
        );
        var page = Render<NewEnvironmentPage>();
        Assert.Equal("/data/digits", page.Find("[aria-label='Path of digits in the container']").GetAttribute("value"));

        await page.Find("form").SubmitAsync();
        Assert.Contains("datasets[0].version", page.Find(".step").TextContent, StringComparison.Ordinal);

        page.Find("[aria-label='Version of digits']").Input("2");
        await page.Find("form").SubmitAsync();
        Assert.Contains("step=access", navigation.Uri, StringComparison.Ordinal);
        Assert.Contains(
            "dataset=digits:2:/data/digits",
            Uri.UnescapeDataString(navigation.Uri),
            StringComparison.Ordinal
        );
        Assert.Contains("digits 2 at /data/digits", page.Find(".side").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_definition_is_imported_as_answers_and_a_wrong_one_says_all_that_is_wrong()
    {
        var provider = Render<MudDialogProvider>();
        var dialog = await provider.InvokeAsync(() =>
            Services.GetRequiredService<IDialogService>().ShowAsync<ImportDialog>("Import")
        );
        await provider
            .Find("textarea")
            .InputAsync(new ChangeEventArgs { Value = """{"name":"Not A Name","gpus":-1}""" });
        await provider.Find("form").SubmitAsync();
        Assert.Equal(3, provider.FindAll("[role=alert] li").Count);

        await provider
            .Find("textarea")
            .InputAsync(
                new ChangeEventArgs
                {
                    Value =
                        """{"name":"mine","image":"pytorch-cpu","gpus":2,"env":{"A":"b"},"jupyter":{"password":"long enough"}}""",
                }
            );
        await provider.Find("form").SubmitAsync();

        var draft = Assert.IsType<EnvironmentDraft>((await dialog.Result)!.Data);
        Assert.Equal(("mine", "pytorch-cpu", "2"), (draft.Name, draft.Image, draft.Gpus));
        Assert.Equal((true, "long enough"), (draft.OwnPassword, draft.Password));
        Assert.True(draft.Others.ContainsKey("env"));
    }

    [Fact]
    public void The_review_shows_JSON_and_curl_without_the_password()
    {
        (_draft.OwnPassword, _draft.Password) = (true, "correct horse");

        var review = Render<ReviewStep>(p => p.Add(c => c.Draft, _draft));

        Assert.Contains("\"image\": \"pytorch-cpu\"", review.FindAll("pre")[0].TextContent, StringComparison.Ordinal);
        Assert.StartsWith("curl -X POST ", review.FindAll("pre")[1].TextContent, StringComparison.Ordinal);
        Assert.DoesNotContain("correct horse", review.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_answer_keeps_its_step_and_going_back_keeps_every_answer()
    {
        var navigation = Services.GetRequiredService<NavigationManager>();
        navigation.NavigateTo("/environments/new?step=name&image=mine:2&cluster=local");
        var page = Render<NewEnvironmentPage>();
        Assert.Empty(page.FindAll("[aria-invalid]"));

        page.Find(".text-field input").Input("Not A Name");
        await page.Find("form").SubmitAsync();
        Assert.Single(page.FindAll("[aria-invalid=true]"));

        page.Find(".text-field input").Input("fine");
        await page.Find("form").SubmitAsync();
        Assert.Contains("step=image", navigation.Uri, StringComparison.Ordinal);
        Assert.Contains("name=fine", navigation.Uri, StringComparison.Ordinal);

        await page.FindAll("button").Single(b => b.TextContent.Trim() == "Back").ClickAsync(new());
        Assert.Equal("fine", page.Find(".text-field input").GetAttribute("value"));
    }
}
