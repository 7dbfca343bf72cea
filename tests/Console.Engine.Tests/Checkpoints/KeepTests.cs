using System.Formats.Tar;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using static DeepLab.Engine.Tests.Checkpoints.CheckpointConsole;

namespace DeepLab.Engine.Tests.Checkpoints;

/// <summary>Which checkpoints stay, and who waits for the next.</summary>
[Collection(Collection)]
public sealed class KeepTests(CheckpointConsole shared)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    private ConsoleHarness Console => shared.Console;

    private T Verb<T>()
        where T : notnull => Console.Services.GetRequiredService<T>();

    [Fact]
    public async Task The_newest_and_the_pinned_stay_and_what_is_deleted_goes_from_the_volume()
    {
        const string Program =
            $"cd $DEEPLAB_CHECKPOINT_DIR; {Seal}; for n in 1 2 3; do seal step-$n.pt; done; echo i > m-9.index; echo d > m-9.data-00000-of-00001; until [ -f /tmp/go ]; do sleep 0.2; done";
        var id = await Console.SubmitAsync(
            Specs.Shell(Program) with
            {
                Checkpoint = new CheckpointSpec { Keep = 2 },
            },
            Ct
        );
        var attempt = await RunningAsync(Console, id, 1);
        await UntilStepsAsync(id, 9, 3);
        var (group, third) = await ViewsAsync(id) switch
        {
            [var a, var b] => (a, b),
            var other => throw new InvalidOperationException($"{other.Count} are there"),
        };
        Assert.Equal(
            (CheckpointLayout.TensorFlow, 2, 4L, true),
            (group.Layout, group.Files, group.Bytes, group.Complete)
        );

        // Downloaded while it runs
        Assert.Equal(["m-9.data-00000-of-00001", "m-9.index"], (await DownloadAsync(id, group.Id)).Order());
        Assert.Equal(["step-3.pt"], await DownloadAsync(id, third.Id));

        var verbs = Verb<CheckpointVerbs>();
        Assert.IsType<Outcome<long>.Done>(await verbs.PinAsync(ConsoleHarness.Admin, id, third.Id, true, Ct));
        Assert.IsType<Outcome<long>.Conflict>(await verbs.DeleteAsync(ConsoleHarness.Admin, id, third.Id, Ct));
        await ExecAsync(Console, attempt, $"cd /checkpoints; {Seal}; seal step-10.pt; seal step-11.pt; touch /tmp/go");
        await Console.WaitForEndAsync(id, Patience, Ct);
        await Console.UntilAsync(
            db => db.Attempts.AnyAsync(a => a.WorkloadId == id && a.ContainerRemoved, Ct),
            Patience,
            Ct
        );
        // What nobody saw complete while it ran counts too
        await UntilStepsAsync(id, 11, 10, 3);

        // After its end too
        var eleventh = (await ViewsAsync(id))[0];
        Assert.Equal(["step-11.pt"], await DownloadAsync(id, eleventh.Id));
        Assert.IsType<Outcome<long>.Done>(await verbs.DeleteAsync(ConsoleHarness.Admin, id, eleventh.Id, Ct));
        await UntilStepsAsync(id, 10, 3);
        Assert.IsType<Outcome<CheckpointPlace>.NotFound>(
            await Verb<CheckpointQueries>().PlaceAsync(ConsoleHarness.Admin, id, eleventh.Id, Ct)
        );

        // Its volume goes when the job does
        var engine = Verb<IEngineFactory>().Get(ConsoleHarness.Engine);
        var volume = LaunchPlan.CheckpointsOf(Verb<InstallationId>().Value, id);
        async Task<bool> IsThereAsync()
        {
            await Verb<JobVolumes>().SweepAsync(Ct);
            return (await engine.VolumesAsync(Verb<InstallationId>().Value, Ct)).Any(v => v.Name == volume);
        }
        Assert.True(await IsThereAsync());
        Assert.IsType<Outcome<long>.Done>(await Verb<DeleteWorkload>().RunAsync(ConsoleHarness.Admin, id, Ct));
        Assert.False(await IsThereAsync());
    }

    [Fact]
    public async Task The_best_by_a_metric_stays_however_old_it_gets()
    {
        const string Program =
            $"cd $DEEPLAB_CHECKPOINT_DIR; {Seal}; n=0; for v in 0.5 0.9 0.7 0.6; do n=$((n + 1)); echo step=$n accuracy=$v; seal step-$n.pt; sleep 1; done; until [ -f /tmp/go ]; do sleep 0.2; done; echo step=5 accuracy=0.8; seal step-5.pt";
        var id = await Console.SubmitAsync(
            Specs.Shell(Program) with
            {
                Checkpoint = new CheckpointSpec { Keep = 1, BestBy = "accuracy" },
                Metrics = new MetricsSpec(),
            },
            Ct
        );
        var attempt = await RunningAsync(Console, id, 1);
        await UntilStepsAsync(id, 4, 2);
        await ExecAsync(Console, attempt, "touch /tmp/go");
        await Console.WaitForEndAsync(id, Patience, Ct);
        await UntilStepsAsync(id, 5, 2);
    }

    [Fact]
    public async Task A_job_that_is_to_give_way_is_left_alone_until_its_next_checkpoint()
    {
        await Console.UntilAsync(async db => await db.Gpus.CountAsync(Ct) == 4, Patience, Ct);
        // One every four seconds; those before are kept
        const string Program =
            $"[ $DEEPLAB_ATTEMPT = 2 ] && exit 0; cd $DEEPLAB_CHECKPOINT_DIR; {Seal}; n=0; while :; do sleep 4; n=$((n + 1)); seal step-$n.pt; done";
        var victim = await Console.SubmitAsync(
            Specs.Shell(Program, gpus: 4) with
            {
                Preemptible = true,
                Priority = 10,
                Checkpoint = new CheckpointSpec(),
            },
            Ct
        );
        await Console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == victim && w.CheckpointSeconds != null, Ct),
            Patience,
            Ct
        );
        var urgent = await Console.SubmitAsync(Specs.Shell("true", gpus: 2) with { Priority = 90 }, Ct);
        Assert.Equal(WorkloadState.Succeeded, (await Console.WaitForEndAsync(urgent, Patience, Ct)).Row.State);
        var job = await Console.WaitForEndAsync(victim, Patience, Ct);
        Assert.Equal((WorkloadState.Succeeded, 1), (job.Row.State, job.Preemptions));

        await using var db = await Console.DbAsync(Ct);
        var told = await db.Events.SingleAsync(e => e.WorkloadId == victim && e.Kind == "yielding", Ct);
        var stopped = await db.Attempts.SingleAsync(a => a.WorkloadId == victim && a.Number == 1, Ct);
        var newest = await db
            .Checkpoints.Where(c => c.WorkloadId == victim)
            .OrderByDescending(c => c.Step)
            .FirstAsync(Ct);
        // Written in the second in which it was told, or later, and before it was stopped
        Assert.True(newest.WrittenAt >= told.At.AddSeconds(-1), $"{newest.WrittenAt:O} is before {told.At:O}");
        Assert.InRange(stopped.StopSentAt!.Value - newest.WrittenAt, TimeSpan.Zero, TimeSpan.FromSeconds(6));
        var next = await db.Attempts.SingleAsync(a => a.WorkloadId == victim && a.Number == 2, Ct);
        Assert.Equal(newest.Step, next.ResumeStep);
    }

    private async Task<IReadOnlyList<CheckpointView>> ViewsAsync(long id) =>
        Assert
            .IsType<Outcome<Page<CheckpointView>>.Done>(
                await Verb<CheckpointQueries>().ListAsync(ConsoleHarness.Admin, id, null, 50, Ct)
            )
            .Value.Items;

    private Task UntilStepsAsync(long id, params long[] steps) =>
        Console.UntilAsync(
            async _ => (await ViewsAsync(id)).Select(c => c.Step ?? -1).SequenceEqual(steps),
            Patience,
            Ct
        );

    /// <summary>Names of the files in the tar.</summary>
    private async Task<IReadOnlyList<string>> DownloadAsync(long id, long checkpoint)
    {
        var place = Assert
            .IsType<Outcome<CheckpointPlace>.Done>(
                await Verb<CheckpointQueries>().PlaceAsync(ConsoleHarness.Admin, id, checkpoint, Ct)
            )
            .Value;
        using var tar = new MemoryStream();
        Assert.True(await Verb<CheckpointDownloads>().WriteAsync(place, () => tar, Ct));
        tar.Position = 0;
        await using var reader = new TarReader(tar);
        var names = new List<string>();
        while (await reader.GetNextEntryAsync(cancellationToken: Ct) is { } entry)
        {
            Assert.True(entry.Length > 0);
            names.Add(entry.Name);
        }
        return names;
    }
}
