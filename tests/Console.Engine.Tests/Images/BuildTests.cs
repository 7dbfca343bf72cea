using DeepLab.Core.Maintenance;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Engine.Tests.Images;

/// <summary>Images built from Dockerfiles on a real engine, and pulled from a registry on the hosts' bridge.</summary>
[Collection(nameof(ImageConsole))]
public sealed class BuildTests(ImageConsole images)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_build_is_in_the_catalogue_with_its_log_and_a_job_runs_it_where_it_was_built()
    {
        var task = await BeginAsync(
            "built",
            "FROM deeplab/base:13\nUSER root\nRUN echo made by root > /made\nUSER 1000:1000\n"
        );
        var ended = await images.RunAsync(task);
        Assert.Equal((ImageTaskState.Succeeded, 1.0), (ended.State, ended.Fraction));
        Assert.Contains("made by root", await LogAsync(task));
        var image = await images.ImageAsync("built");
        Assert.Equal((ImageOrigin.Build, false), (image.Origin, image.Shared));
        var job = await images.Console.SubmitAsync(Specs.Shell("grep -q root /made", image: "built"), Ct);
        var done = await images.Console.WaitForEndAsync(job, Ct);
        Assert.Equal((WorkloadState.Succeeded, ImageConsole.Here), (done.Row.State, done.Row.Host));

        var broken = await images.RunAsync(
            await BeginAsync("broken", "FROM deeplab/base:13\nRUN echo so far && exit 7\n")
        );
        Assert.Equal(ImageTaskState.Failed, broken.State);
        Assert.Contains("7", broken.Message);
        Assert.Contains("so far", await LogAsync(broken.Id));
        Assert.Null(await images.Get<ImageQueries>().FindAsync(ConsoleHarness.Admin, "broken", Ct));
    }

    [Fact]
    public async Task A_build_that_is_cancelled_ends_on_the_engine_too()
    {
        var task = await BeginAsync("endless", "FROM deeplab/base:13\nRUN echo begins && exec sleep 297\n");
        var run = images.Get<ImageTasks>().RunAsync(task, Ct);
        await images.Console.UntilAsync(
            db => db.ImageTasks.AnyAsync(t => t.Id == task && t.Log.Contains("begins\n"), Ct),
            TimeSpan.FromSeconds(30),
            Ct
        );
        await images.Get<ImageTaskVerbs>().CancelAsync(ConsoleHarness.Admin, task, Ct);
        await run.WaitAsync(TimeSpan.FromSeconds(20), Ct);
        var ended = await images.Get<ImageQueries>().FindTaskAsync(ConsoleHarness.Admin, task, Ct);
        Assert.Equal(ImageTaskState.Cancelled, ended!.State);
        // The engine hears of it when its caller hangs up, and kills what the build runs
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        while ((await RunningAsync(patience.Token)).Contains("sleep 297")) { }

        static Task<string> RunningAsync(CancellationToken ct) =>
            Shell.DockerAsync(ConsoleHarness.Engine, ct, "ps", "--no-trunc", "--format", "{{.Command}}");
    }

    [Fact]
    public async Task One_pull_serves_all_who_ask_tells_its_progress_as_a_number_and_pins_what_is_submitted_later()
    {
        await using var registry = await TestRegistry.StartAsync(Ct);
        var digest = registry.Push("team/image", "1", bytes: 1 << 20);
        var verbs = images.Get<ImageTaskVerbs>();
        var reference = $"{registry.Name}/team/image:1";
        Assert.IsType<Outcome<string>.Done>(
            await images
                .Get<ImageVerbs>()
                .AddAsync(ConsoleHarness.Admin, new ImageInput("pulled", reference, "Test"), Ct)
        );
        var asked = new List<ImageTaskView>();
        for (var i = 0; i < 3; i++)
        {
            asked.AddRange(await PullAsync());
        }
        Assert.Single(asked.Select(t => t.Id).Distinct());

        // Held before the layer: neither done nor over
        var held = new TaskCompletionSource();
        registry.Fault = async (_, path) =>
        {
            if (path.Contains("/blobs/"))
            {
                await held.Task.WaitAsync(Ct);
            }
            return false;
        };
        var run = images.Get<ImageTasks>().RunAsync(asked[0].Id, Ct);
        await images.Console.UntilAsync(
            db => db.ImageTasks.AnyAsync(t => t.Id == asked[0].Id && t.Message.StartsWith("pulls"), Ct),
            TimeSpan.FromSeconds(20),
            Ct
        );
        await verbs.CancelAsync(ConsoleHarness.Admin, asked[0].Id, Ct);
        await run.WaitAsync(TimeSpan.FromSeconds(10), Ct);
        Assert.Equal(
            ImageTaskState.Cancelled,
            (await images.Get<ImageQueries>().FindTaskAsync(ConsoleHarness.Admin, asked[0].Id, Ct))!.State
        );
        held.SetResult();

        var again = Assert.Single(await PullAsync());
        Assert.NotEqual(asked[0].Id, again.Id);
        var ended = await images.RunAsync(again.Id);
        Assert.Equal((ImageTaskState.Succeeded, 1.0), (ended.State, ended.Fraction));
        var image = await images.ImageAsync("pulled");
        Assert.Equal($"{registry.Name}/team/image@{digest}", image.Pinned);
        Assert.Equal([ImageConsole.There], image.Hosts);

        // The tag moves on; what is submitted runs what was pulled
        registry.Push("team/image", "1");
        var job = await images.Console.SubmitAsync(
            Specs.Shell("true", image: "pulled") with
            {
                Placement = new PlacementSpec { OnlyHosts = [ImageConsole.There] },
            },
            Ct
        );
        await using var db = await images.Console.DbAsync(Ct);
        Assert.Equal(
            image.Pinned,
            await db.Workloads.Where(w => w.Id == job).Select(w => w.PinnedImage).SingleAsync(Ct)
        );
        await images.Console.WaitForEndAsync(job, Ct);
        await images.Other.DockerAsync(Ct, "rmi", "-f", reference);

        async Task<IReadOnlyList<ImageTaskView>> PullAsync() =>
            Assert
                .IsType<Outcome<IReadOnlyList<ImageTaskView>>.Done>(
                    await verbs.PullAsync(ConsoleHarness.Admin, "pulled", [ImageConsole.There], Ct)
                )
                .Value;
    }

    private async Task<long> BeginAsync(string name, string dockerfile) =>
        Assert
            .IsType<Outcome<ImageTaskView>.Done>(
                await images
                    .Get<BuildImage>()
                    .RunAsync(ConsoleHarness.Admin, new BuildInput(name, ImageConsole.Here, dockerfile), Ct)
            )
            .Value.Id;

    private async Task<string> LogAsync(long task) =>
        await images.Get<ImageQueries>().LogAsync(ConsoleHarness.Admin, task, Ct) ?? "";
}
