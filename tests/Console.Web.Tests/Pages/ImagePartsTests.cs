using AngleSharp.Dom;
using Bunit;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Workloads;
using DeepLab.Web.Components.Pages.Images;
using DeepLab.Web.Drafts;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor.Services;

namespace DeepLab.Web.Tests.Pages;

public sealed class ImagePartsTests : BunitContext, IAsyncLifetime
{
    private static readonly DateTimeOffset s_at = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public ImagePartsTests()
    {
        Services.AddMudServices();
        JSInterop.Mode = JSRuntimeMode.Loose;
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task A_task_at_work_tells_how_far_it_is_and_can_be_cancelled_one_that_is_over_cannot()
    {
        var cancelled = new List<long>();
        var list = Render<ImageTaskList>(p =>
            p.Add(c => c.Tasks, [Task(2, ImageTaskState.Running, 0.43), Task(1, ImageTaskState.Failed, 0.2)])
                .Add(c => c.OnCancel, EventCallback.Factory.Create<ImageTaskView>(this, t => cancelled.Add(t.Id)))
        );
        Assert.Contains("1 of 2", list.Markup);
        Assert.Equal("43", list.Find("[role=meter]").GetAttribute("aria-valuenow"));
        await list.FindAll("button").Single(b => b.TextContent.Trim() == "Cancel").ClickAsync(new());
        Assert.Equal([2], cancelled);
    }

    [Fact]
    public void A_job_made_of_an_environment_has_its_image_and_resources_and_nothing_of_its_doors()
    {
        var draft = DraftJson.Read(
            """
            {"name":"notes","cluster":"local","image":"with-labpkg","environment":{"jupyter":true},
             "volumes":[{"name":"data","mountPath":"/data","readOnly":true}],
             "roles":[{"name":"environment","replicas":1,"resources":{"gpus":2,"cpus":1,"memory":"1GiB"}}]}
            """
        )!;
        draft.OfEnvironment();
        var reading = SpecReader.Read(DraftJson.Write(draft));
        Assert.Empty(reading.Errors);
        var spec = reading.Spec!;
        Assert.Equal((WorkloadKind.Job, "with-labpkg", 2), (spec.Kind, spec.Image, spec.GpusAsked));
        Assert.Equal(["data"], spec.Volumes.Select(v => v.Name));
    }

    private static ImageTaskView Task(long id, ImageTaskState state, double fraction) =>
        new(id, ImageTaskKind.Pull, state, "torch", "torch:2", "gpu1", fraction, "pulls", "ada", s_at, s_at, null);
}
