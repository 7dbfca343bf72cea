using System.Collections.Immutable;
using System.Text.Json;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Environments;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Engine.Tests.Images;

/// <summary>Environments kept as images on a real engine, and started from them on another.</summary>
[Collection(nameof(ImageConsole))]
public sealed class SnapshotTests(ImageConsole images)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_environment_of_a_snapshot_on_another_host_has_the_package_and_the_image_nothing_of_home_or_attempt()
    {
        const string Canary = "canary-7f3a";
        var id = await images.Lab.CreateAsync(
            ImageConsole.On(ImageConsole.Here, "first") with
            {
                Env = ImmutableSortedDictionary<string, string>.Empty.Add("WANDB_API_KEY", Canary),
            }
        );
        var first = await images.Lab.UntilAsync(id, WorkloadState.Running);
        await images.InsideAsync(
            first,
            "mkdir /workspace/labpkg && echo 'answer = 42' > /workspace/labpkg/__init__.py && echo mine > ~/private.txt"
        );
        var snapshot = await images.SnapshotAsync(id, "with-labpkg");
        Assert.Equal(WorkloadState.Running, (await images.Lab.FindAsync(id)).Job.Row.State);
        Assert.Equal(
            (ImageOrigin.Snapshot, false, "PyTorch", "2", id),
            (snapshot.Origin, snapshot.Shared, snapshot.Framework, snapshot.FrameworkVersion, snapshot.WorkloadId)
        );
        Assert.Equal([ImageConsole.Here], snapshot.Hosts);
        await using (var db = await images.Console.DbAsync(Ct))
        {
            // The console's own pause is not told as an operator's
            var kinds = await db.Events.Where(e => e.WorkloadId == id).Select(e => e.Kind).ToListAsync(Ct);
            Assert.Contains("snapshot", kinds);
            Assert.DoesNotContain("pause", kinds);
        }

        var config = await ConfigAsync(snapshot.Reference);
        var origin = await ConfigAsync("deeplab/pytorch-cpu:2.6");
        foreach (var part in (string[])["Env", "Cmd", "Entrypoint", "User", "WorkingDir", "ExposedPorts"])
        {
            Assert.Equal(PartOf(origin, part), PartOf(config, part));
        }
        Assert.DoesNotContain("DEEPLAB_", config.GetRawText());
        Assert.DoesNotContain("NVIDIA_VISIBLE_DEVICES", config.GetRawText());
        Assert.DoesNotContain(Canary, config.GetRawText());
        var labels = config.GetProperty("Labels");
        Assert.Equal(images.Lab.InstallId, labels.GetProperty(ImageLabels.Install).GetString());
        Assert.Equal($"{id}", labels.GetProperty(ImageLabels.Workload).GetString());
        Assert.Equal("admin", labels.GetProperty(ImageLabels.By).GetString());
        // A container that somebody starts of it by hand is none of the console's
        Assert.False(labels.TryGetProperty(Labels.Attempt, out _));

        // What its files hold: all but the home, and no secret anywhere a program may have left one
        var token = await images.Lab.TokenAsync(id);
        var look =
            $"ls -A /home/lab; grep -rl -e {token} -e {Canary} /etc /home /opt /root /run /srv /tmp /var /workspace; true";
        var seen = await Shell.DockerAsync(
            ConsoleHarness.Engine,
            Ct,
            ["run", "--rm", "-u", "0", snapshot.Reference, "sh", "-c", look]
        );
        Assert.DoesNotContain("private.txt", seen);
        Assert.DoesNotContain(".deeplab", seen);
        Assert.DoesNotContain("/", seen);
        Assert.Contains(token, await images.InsideAsync(first, "cat ~/.deeplab/jupyter/*"));
        await images.Console.StopAsync(id, Ct);

        var copies = Assert.IsType<Outcome<IReadOnlyList<ImageTaskView>>.Done>(
            await images.Get<ImageTaskVerbs>().CopyAsync(ConsoleHarness.Admin, "with-labpkg", [ImageConsole.There], Ct)
        );
        Assert.Equal(ImageTaskState.Succeeded, (await images.RunAsync(Assert.Single(copies.Value).Id)).State);
        Assert.Equal([ImageConsole.Here, ImageConsole.There], (await images.ImageAsync("with-labpkg")).Hosts);
        var second = await images.Lab.CreateAsync(ImageConsole.On(ImageConsole.There, "second", "with-labpkg"));
        var there = await images.Lab.UntilAsync(second, WorkloadState.Running);
        Assert.Equal(ImageConsole.There, there.Job.Row.Host);
        Assert.Equal(
            "42",
            (
                await images.InsideAsync(there, "cd /workspace && python3 -c 'import labpkg; print(labpkg.answer)'")
            ).Trim()
        );
        await images.Console.StopAsync(second, Ct);
        await images.Lab.UntilAsync(second, WorkloadState.Stopped);
    }

    [Fact]
    public async Task What_no_other_host_has_waits_for_the_host_that_has_it_and_says_so()
    {
        var id = await images.Lab.CreateAsync(ImageConsole.On(ImageConsole.Here, "one"));
        await images.Lab.UntilAsync(id, WorkloadState.Running);
        await images.SnapshotAsync(id, "only-here");
        await images.Console.StopAsync(id, Ct);
        await images.Lab.UntilAsync(id, WorkloadState.Stopped);
        await using var db = await images.Console.DbAsync(Ct);
        var cpus = await db.Hosts.Where(h => h.Name == ImageConsole.Here).Select(h => h.Cpus).SingleAsync(Ct);
        var hog = await images.Console.SubmitAsync(
            Specs.Shell("exec sleep 300", cpus: cpus) with
            {
                Placement = new PlacementSpec { OnlyHosts = [ImageConsole.Here] },
            },
            Ct
        );
        await images.Console.UntilStateAsync(hog, WorkloadState.Running, Ct);

        var job = await images.Console.SubmitAsync(Specs.Shell("true", image: "only-here"), Ct);
        await images.Console.UntilAsync(
            d =>
                d.Workloads.AnyAsync(
                    w => w.Id == job && w.State == WorkloadState.Queued && w.Message != "waits for the next plan",
                    Ct
                ),
            TimeSpan.FromSeconds(20),
            Ct
        );
        var waits = (await images.Get<JobQueries>().FindAsync(ConsoleHarness.Admin, job, Ct))!.Waits;
        Assert.Equal([WaitKind.ImageElsewhere, WaitKind.NotEnoughCpus], waits.Select(w => w.Kind));
        Assert.Contains($"only on host {ImageConsole.Here}", waits[0].Message);
        await images.Console.StopAsync(hog, Ct);
        await images.Console.WaitForEndAsync(hog, Ct);
        Assert.Equal(ImageConsole.Here, (await images.Console.WaitForEndAsync(job, Ct)).Row.Host);

        // A stopped environment has no container to keep
        await images.Console.UntilCleanAsync(Ct);
        var late = await images
            .Get<SnapshotEnvironment>()
            .RunAsync(ConsoleHarness.Admin, id, new SnapshotInput("late"), Ct);
        Assert.Contains("start it", Assert.IsType<Outcome<ImageTaskView>.Conflict>(late).Message);
    }

    [Fact]
    public async Task An_image_goes_only_once_nothing_names_it_a_stopped_environment_neither()
    {
        var id = await images.Lab.CreateAsync(ImageConsole.On(ImageConsole.Here, "root"));
        await images.Lab.UntilAsync(id, WorkloadState.Running);
        var image = await images.SnapshotAsync(id, "prunable");
        await images.Console.StopAsync(id, Ct);
        await images.Lab.UntilAsync(id, WorkloadState.Stopped);
        var user = await images.Lab.CreateAsync(ImageConsole.On(ImageConsole.Here, "user", "prunable"));
        await images.Lab.UntilAsync(user, WorkloadState.Running);
        await images.Console.StopAsync(user, Ct);
        await images.Lab.UntilAsync(user, WorkloadState.Stopped);

        var verbs = images.Get<ImageVerbs>();
        var tasks = images.Get<ImageTaskVerbs>();
        var refused = await verbs.RemoveAsync(ConsoleHarness.Admin, "prunable", Ct);
        Assert.Contains($"environment {user}", Assert.IsType<Outcome<string>.Conflict>(refused).Message);
        Assert.DoesNotContain(image.Reference, await PrunableAsync());
        // Nor where its entry is lost
        await using (var db = await images.Console.DbAsync(Ct))
        {
            await db.Images.Where(i => i.Name == "prunable").ExecuteDeleteAsync(Ct);
        }
        Assert.DoesNotContain(image.Reference, await PrunableAsync());

        await images.Lab.DeleteAsync(user, withHome: true);
        await images.Console.UntilCleanAsync(Ct);
        Assert.Contains(image.Reference, await PrunableAsync());
        Assert.DoesNotContain(await tasks.PrunableAsync(TimeSpan.FromDays(1), Ct), r => r.Reference == image.Reference);
        var begun = Assert.IsType<Outcome<IReadOnlyList<ImageTaskView>>.Done>(
            await tasks.PruneAsync(ConsoleHarness.Admin, TimeSpan.Zero, Ct)
        );
        foreach (var task in begun.Value)
        {
            Assert.Equal(ImageTaskState.Succeeded, (await images.RunAsync(task.Id)).State);
        }
        var left = await Shell.DockerAsync(ConsoleHarness.Engine, Ct, "images", "-q", image.Reference);
        Assert.Empty(left);
        Assert.NotEmpty(await Shell.DockerAsync(ConsoleHarness.Engine, Ct, "images", "-q", "deeplab/base:13"));

        async Task<IEnumerable<string>> PrunableAsync() =>
            (await tasks.PrunableAsync(TimeSpan.Zero, Ct)).Select(r => r.Reference);
    }

    private static async Task<JsonElement> ConfigAsync(string reference)
    {
        var told = await Shell.DockerAsync(
            ConsoleHarness.Engine,
            Ct,
            "image",
            "inspect",
            "-f",
            "{{json .Config}}",
            reference
        );
        using var document = JsonDocument.Parse(told);
        return document.RootElement.Clone();
    }

    private static string? PartOf(JsonElement config, string name) =>
        config.TryGetProperty(name, out var part) ? part.GetRawText() : null;
}
