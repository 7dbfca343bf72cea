using DeepLab.Core.Engines;
using DeepLab.Core.Maintenance;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Engine.Tests.Images;

/// <summary>Images that leave a real engine by themselves, and those that never do.</summary>
[Collection(nameof(ImageConsole))]
public sealed class PolicyTests(ImageConsole images)
{
    private const string Foreign = "brought/by-hand:1";
    private static readonly ImagePolicyInput s_week = new(7);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_job_had_pulled_goes_once_nothing_used_it_for_long_and_nothing_else_does()
    {
        await using var registry = await TestRegistry.StartAsync(Ct);
        registry.Push("team/old", "1", bytes: 1 << 20);
        var old = $"{registry.Name}/team/old:1";
        await images.Other.DockerAsync(Ct, "tag", "deeplab/base:13", Foreign);
        var job = await RunAsync(old);
        await AgeAsync(job);
        await SeenAsync(old, Foreign);

        await PruneAsync();
        Assert.Empty(await TasksAsync());
        var would = await PreviewAsync(s_week);
        var row = Assert.Single(would, r => r.Reference == old);
        Assert.Equal((ImageConsole.There, ImageSource.Pulled), (row.Host, row.Source));
        Assert.InRange(row.Bytes!.Value, 1 << 20, 2 << 20);
        Assert.DoesNotContain(would, r => r.Source == ImageSource.Foreign);
        var all = (await PreviewAsync(s_week with { Foreign = true })).Select(r => r.Reference).ToList();
        Assert.Contains(Foreign, all);
        Assert.DoesNotContain("deeplab/base:13", all);
        Assert.DoesNotContain("deeplab/pytorch-cpu:2.6", all);

        await SaveAsync(s_week);
        await PruneAsync();
        await PruneAsync();
        var first = Assert.Single(await TasksAsync(), t => t.Reference == old);
        // Used again before its turn came
        var again = await RunAsync(old);
        Assert.Contains("it stays", (await images.RunAsync(first.Id)).Message);
        Assert.NotEmpty(await ThereAsync(old));
        await PruneAsync();
        Assert.Single(await TasksAsync());

        await AgeAsync(again);
        await PruneAsync();
        var second = Assert.Single(await TasksAsync(), t => t.Id != first.Id);
        Assert.Equal(ImageTaskState.Succeeded, (await images.RunAsync(second.Id)).State);
        Assert.Empty(await ThereAsync(old));
        Assert.NotEmpty(await ThereAsync(Foreign));
        await using (var db = await images.Console.DbAsync(Ct))
        {
            Assert.Equal(
                2,
                await db.Audit.CountAsync(
                    a => a.Actor == "console" && a.Action == "image.prune" && a.Target == $"{old} on there",
                    Ct
                )
            );
            Assert.False(await db.PulledImages.AnyAsync(p => p.Reference == old, Ct));
        }
        await SaveAsync(new ImagePolicyInput());
        await images.Other.DockerAsync(Ct, "rmi", Foreign);
    }

    [Fact]
    public async Task Days_that_are_none_are_refused_and_nothing_is_saved()
    {
        var policy = images.Get<ImagePolicyVerbs>();
        foreach (var days in (int[])[0, -1, ImagePolicyVerbs.MostDays + 1])
        {
            var refused = await policy.SaveAsync(ConsoleHarness.Admin, new ImagePolicyInput(days), Ct);
            var error = Assert.Single(Assert.IsType<Outcome<ImagePolicyInput>.Refused>(refused).Errors);
            Assert.Equal("unusedDays", error.Path);
        }
        Assert.Null((await policy.FindAsync(Ct)).UnusedDays);
    }

    private async Task<long> RunAsync(string image)
    {
        var spec = Specs.Shell("true", image: image);
        var job = await images.Console.SubmitAsync(
            spec with
            {
                Roles = [spec.Roles[0] with { Command = [TestRegistry.Program, "--version"] }],
                Placement = new PlacementSpec { OnlyHosts = [ImageConsole.There] },
            },
            Ct
        );
        await images.Console.WaitForEndAsync(job, Ct);
        await images.Console.UntilAsync(
            db => db.Attempts.AllAsync(a => a.WorkloadId != job || a.ContainerRemoved, Ct),
            TimeSpan.FromSeconds(30),
            Ct
        );
        return job;
    }

    /// <summary>It ended long ago.</summary>
    private async Task AgeAsync(long job)
    {
        await using var db = await images.Console.DbAsync(Ct);
        var before = TimeProvider.System.GetUtcNow() - TimeSpan.FromDays(8);
        await db.Workloads.Where(w => w.Id == job).ExecuteUpdateAsync(s => s.SetProperty(w => w.EndedAt, before), Ct);
    }

    /// <summary>The host's next look at its images need not be waited for.</summary>
    private async Task SeenAsync(params string[] references)
    {
        await using var db = await images.Console.DbAsync(Ct);
        await db.Database.ExecuteSqlAsync(
            $"update hosts set images = array(select distinct unnest(images || {references})) where name = {ImageConsole.There}",
            Ct
        );
    }

    private Task PruneAsync() => images.Get<ImagePruning>().RunAsync(Ct);

    private async Task<IReadOnlyList<ImageTask>> TasksAsync()
    {
        await using var db = await images.Console.DbAsync(Ct);
        return await db.ImageTasks.AsNoTracking().Where(t => t.ActorName == ImagePruning.ActorName).ToListAsync(Ct);
    }

    private Task<IReadOnlyList<PolicyRow>> PreviewAsync(ImagePolicyInput policy) =>
        images.Get<ImagePruning>().PreviewAsync(policy.ToPolicy(), Ct);

    private async Task SaveAsync(ImagePolicyInput policy) =>
        Assert.IsType<Outcome<ImagePolicyInput>.Done>(
            await images.Get<ImagePolicyVerbs>().SaveAsync(ConsoleHarness.Admin, policy, Ct)
        );

    private Task<string> ThereAsync(string reference) => images.Other.DockerAsync(Ct, "images", "-q", reference);
}
