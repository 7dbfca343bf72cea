using System.Diagnostics;
using System.Net;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Hosts;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>A registry that hangs, refuses, or moves a tag between two pulls; and an engine without room for what it pulls.</summary>
public sealed class PullFaultTests(LabFleet fleet)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pull_that_hangs_is_told_and_ends_within_five_seconds_of_a_stop()
    {
        await using var host = await LabHost.UpAsync(0, Ct);
        await using var registry = await TestRegistry.StartAsync(Ct);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = host.Address });
        registry.Push("hangs", "1");
        var (hangs, hungUp) = (new TaskCompletionSource(), new TaskCompletionSource());
        registry.Fault = async (context, path) =>
        {
            if (!path.Contains("/blobs/"))
            {
                return false;
            }
            // A byte now and then: an engine notices only by the next one that nobody wants it
            context.Response.ContentLength = 1 << 20;
            await using var gone = context.RequestAborted.Register(() => hungUp.TrySetResult());
            hangs.TrySetResult();
            while (!hungUp.Task.IsCompleted)
            {
                await context.Response.Body.WriteAsync(new byte[1], context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                await Task.WhenAny(hungUp.Task, Task.Delay(TimeSpan.FromMilliseconds(100), Ct));
            }
            return true;
        };
        var id = await console.SubmitAsync(Pulling(registry, "hangs:1"), Ct);
        await console.UntilAsync(
            db =>
                db.Workloads.AnyAsync(
                    w =>
                        w.Id == id
                        && w.State == WorkloadState.Starting
                        && w.Reason == Reason.PullingImage
                        && w.Message.StartsWith($"pulls the image {registry.Name}/hangs:1"),
                    Ct
                ),
            s_patience,
            Ct
        );
        await hangs.Task.WaitAsync(s_patience, Ct);
        var asked = Stopwatch.GetTimestamp();
        await console.Services.GetRequiredService<StopWorkload>().RunAsync(ConsoleHarness.Admin, id, Ct);
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.InRange(Stopwatch.GetElapsedTime(asked), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.Equal((WorkloadState.Stopped, Reason.StoppedByUser), (job.Row.State, job.Row.Reason));
        // The engine has let go of the registry too
        await hungUp.Task.WaitAsync(s_patience, Ct);
    }

    [Theory]
    [InlineData(HttpStatusCode.TooManyRequests, "TOOMANYREQUESTS", "pull rate limit", "toomanyrequests")]
    [InlineData(HttpStatusCode.InternalServerError, "UNKNOWN", "it broke", "500 Internal Server Error")]
    public async Task A_registry_that_refuses_for_a_while_is_asked_again_and_its_words_are_told(
        HttpStatusCode status,
        string code,
        string message,
        string words
    )
    {
        await using var host = await LabHost.UpAsync(0, Ct);
        await using var registry = await TestRegistry.StartAsync(Ct);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = host.Address });
        registry.Push("busy", "1");
        var refuses = true;
        registry.Fault = (context, _) =>
            refuses ? TestRegistry.RefuseAsync(context, status, code, message) : Task.FromResult(false);
        var id = await console.SubmitAsync(Pulling(registry, "busy:1"), Ct);
        await console.UntilAsync(
            async db =>
                await db.Events.AnyAsync(e => e.WorkloadId == id && e.Message.Contains("try 3 of 5 follows"), Ct),
            s_patience,
            Ct
        );
        refuses = false;
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal(WorkloadState.Succeeded, job.Row.State);
        Assert.All(
            (await EventsAsync(console, id)).Where(e => e.Message.Contains("could not be pulled")),
            e => Assert.Contains(words, e.Message)
        );
    }

    [Fact]
    public async Task A_registry_that_goes_on_refusing_fails_its_job_after_five_tries_in_its_own_words()
    {
        await using var host = await LabHost.UpAsync(0, Ct);
        await using var registry = await TestRegistry.StartAsync(Ct);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = host.Address });
        registry.Fault = (context, _) =>
            TestRegistry.RefuseAsync(context, HttpStatusCode.TooManyRequests, "TOOMANYREQUESTS", "come back tomorrow");
        var began = Stopwatch.GetTimestamp();
        var id = await console.SubmitAsync(Pulling(registry, "never:1"), Ct);
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Failed, Reason.ImagePullFailed), (job.Row.State, job.Row.Reason));
        Assert.Contains("in 5 tries", job.Row.Message);
        Assert.Contains("come back tomorrow", job.Row.Message);
        // 1 + 2 + 4 + 8 s: it is not asked in a hurry
        Assert.True(Stopwatch.GetElapsedTime(began) > TimeSpan.FromSeconds(15));
    }

    [Fact]
    public async Task Ten_jobs_that_want_one_image_pull_it_once()
    {
        await using var host = await LabHost.UpAsync(0, Ct);
        await using var registry = await TestRegistry.StartAsync(Ct);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = host.Address });
        registry.Push("shared", "1");
        var all = new TaskCompletionSource();
        registry.Fault = async (_, path) =>
        {
            if (path.Contains("/blobs/"))
            {
                await all.Task;
            }
            return false;
        };
        var jobs = new List<long>();
        for (var i = 0; i < 10; i++)
        {
            jobs.Add(await console.SubmitAsync(Pulling(registry, "shared:1"), Ct));
        }
        await console.UntilAsync(
            async db => await db.Workloads.CountAsync(w => w.Reason == Reason.PullingImage, Ct) == jobs.Count,
            s_patience,
            Ct
        );
        all.SetResult();
        foreach (var id in jobs)
        {
            Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(id, Ct)).Row.State);
        }
        Assert.Single(registry.Requests, "shared/manifests/1");
        Assert.All(registry.Requests.Where(r => r.Contains("/blobs/")).GroupBy(r => r), r => Assert.Single(r));
    }

    [Fact]
    public async Task A_tag_that_moves_between_two_pulls_gives_all_replicas_and_rounds_of_a_job_one_image()
    {
        await fleet.ReadyAsync(Ct);
        await using var registry = await TestRegistry.StartAsync(Ct);
        await using var console = await SwarmCluster.StartAsync(fleet, Ct);
        registry.Push("moves", "1");
        // Whoever asks second finds another image under the tag
        var first = new TaskCompletionSource();
        var asked = 0;
        registry.Fault = async (_, path) =>
        {
            if (path == "moves/manifests/1" && Interlocked.Increment(ref asked) == 2)
            {
                await first.Task;
                registry.Push("moves", "1");
            }
            return false;
        };
        registry.Answered = path =>
        {
            if (path == "moves/manifests/1")
            {
                first.TrySetResult();
            }
        };
        var since = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        // Without arguments that program fails, so that there is a second round
        var spec = Pulling(registry, "moves:1", arguments: []) with
        {
            Cluster = SwarmCluster.Name,
            Placement = new PlacementSpec { Mode = PlacementMode.Spread },
            Restart = new RestartSpec { MaxRestarts = 1 },
        };
        var id = await console.SubmitAsync(spec with { Roles = [spec.Roles[0] with { Replicas = 2 }] }, Ct);
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Failed, 1), (job.Row.State, job.Restarts));
        Assert.Equal(2, asked);
        var until = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + 1;
        var images = new List<string>();
        foreach (var host in fleet.Hosts)
        {
            var told = await host.DockerAsync(
                Ct,
                "events",
                "--since",
                $"{since}",
                "--until",
                $"{until}",
                "--filter",
                "event=start",
                "--filter",
                $"label={Labels.Workload}={id}",
                "--format",
                "{{.Actor.Attributes.image}}"
            );
            images.AddRange(told.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }
        Assert.Equal(4, images.Count);
        Assert.Matches($"^{registry.Name}/moves@sha256:[0-9a-f]{{64}}$", Assert.Single(images.Distinct()));
        Assert.Contains(images[0], Assert.Single(await EventsAsync(console, id), e => e.Kind == "pinned").Message);
    }

    [Fact]
    public async Task An_image_that_its_host_has_no_room_for_fails_its_job_by_name_and_others_run()
    {
        await using var host = await LabHost.UpAsync(0, Ct, dataBytes: 400L << 20);
        await using var registry = await TestRegistry.StartAsync(Ct);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = host.Address });
        registry.Push("large", "1", bytes: 400 << 20);
        var id = await console.SubmitAsync(Pulling(registry, "large:1"), Ct);
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Failed, Reason.DiskFull), (job.Row.State, job.Row.Reason));
        Assert.Contains("no space left", job.Row.Message);
        var other = await console.SubmitAsync(Specs.Shell("echo room"), Ct);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(other, Ct)).Row.State);
    }

    private static JobSpec Pulling(TestRegistry registry, string image, string[]? arguments = null)
    {
        var spec = Specs.Shell("", cpus: 0.05, image: $"{registry.Name}/{image}");
        return spec with
        {
            Roles = [spec.Roles[0] with { Command = [TestRegistry.Program, .. arguments ?? ["--version"]] }],
        };
    }

    private static async Task<IReadOnlyList<EventView>> EventsAsync(ConsoleHarness console, long id) =>
        (await console.Services.GetRequiredService<JobQueries>().EventsAsync(ConsoleHarness.Admin, id, 0, 200, Ct))!;
}
