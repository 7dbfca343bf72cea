using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using static DeepLab.Engine.Tests.Checkpoints.CheckpointConsole;

namespace DeepLab.Engine.Tests.Checkpoints;

/// <summary>Programs that die and go on from what they kept.</summary>
[Collection(CheckpointConsole.Collection)]
public sealed class ResumeTests(CheckpointConsole shared)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    private ConsoleHarness Console => shared.Console;

    [Fact]
    public async Task A_training_that_is_killed_goes_on_from_its_newest_checkpoint_and_reads_as_one_run()
    {
        const int Epochs = 6;
        const int Period = 10;
        var id = await Console.SubmitAsync(Digits(Epochs, Period, maxRestarts: 2), Ct);
        var killed = new List<(long Last, long Resumed)>();
        foreach (var (number, epoch) in new[] { (1, 2), (2, 4) })
        {
            var attempt = await RunningAsync(Console, id, number);
            await LineAsync(Console, attempt.Id, $"epoch   {epoch}/");
            await KillAsync(Console, attempt);
            var steps = await StepsAsync(Console, id, number);
            Assert.True(steps.Count > 0, string.Join("; ", await EventsAsync(Console, id, "archived")));
            var last = steps[^1];
            var next = await RunningAsync(Console, id, number + 1);
            Assert.NotNull(next.ResumeStep);
            Assert.Equal(
                $"resumed from /checkpoints/{next.ResumeFrom} at step {next.ResumeStep}",
                await LineAsync(Console, next.Id, "resumed from")
            );
            killed.Add((last, next.ResumeStep!.Value));
        }
        var job = await Console.WaitForEndAsync(id, Patience, Ct);
        Assert.Equal((WorkloadState.Succeeded, 2), (job.Row.State, job.Restarts));
        // A loss that was written and not yet read is lost with its program; a checkpoint is written after its curve
        Assert.All(killed, k => Assert.InRange(k.Last - k.Resumed, -Period, Period));

        // One run: each attempt begins behind its checkpoint, and no step is missing
        var attempts = new List<IReadOnlyList<long>>();
        foreach (var number in new[] { 1, 2, 3 })
        {
            attempts.Add(await StepsAsync(Console, id, number));
        }
        Assert.Equal([1, killed[0].Resumed + 1, killed[1].Resumed + 1], attempts.Select(a => a[0]));
        Assert.Equal(
            Enumerable.Range(1, Epochs * 44).Select(s => (long)s),
            attempts.SelectMany(a => a).Distinct().Order()
        );
        await using var db = await Console.DbAsync(Ct);
        var rows = await db.Checkpoints.AsNoTracking().Where(c => c.WorkloadId == id).ToListAsync(Ct);
        Assert.Contains(rows, c => c is { Step: Epochs * 44, Complete: true, Attempt: 3, Bytes: > 100_000 });
        Assert.All(rows, c => Assert.Equal(CheckpointLayout.PyTorch, c.Layout));
        Assert.Equal(2, (await EventsAsync(Console, id, "resuming")).Count);
    }

    /// <summary>Keeps what its first try says, and fails in each later one that it does not.</summary>
    private static JobSpec Fails(string first, string later, int restarts) =>
        Specs.Shell(
            $"cd $DEEPLAB_CHECKPOINT_DIR; echo begins with ${{DEEPLAB_RESUME_FROM:-nothing}}; [ $DEEPLAB_ATTEMPT = 1 ] && {{ {first}; exit 1; }}; {later}; exit 1",
            maxRestarts: restarts
        ) with
        {
            Checkpoint = new CheckpointSpec(),
        };

    [Fact]
    public async Task A_checkpoint_that_cannot_be_resumed_from_gives_way_to_the_one_before_and_in_the_end_the_job_fails()
    {
        var fallsBack = await Console.SubmitAsync(
            Fails(
                "echo 1 > step-1.pt; echo 2 > step-2.pt",
                "[ \"$DEEPLAB_RESUME_FROM\" = /checkpoints/step-1.pt ] && exit 0",
                restarts: 9
            ),
            Ct
        );
        var fails = await Console.SubmitAsync(Fails("echo 1 > step-1.pt", "true", restarts: 9), Ct);
        // A zip without its end, as a save that was cut short leaves it
        var isCut = await Console.SubmitAsync(
            Fails(
                "echo 1 > step-1.pt; printf 'PK\\003\\004 and no end of it' > step-2.pt; echo 3 > step-3.pt.17.unfinished",
                "[ \"$DEEPLAB_RESUME_FROM\" = /checkpoints/step-1.pt ] && exit 0",
                restarts: 9
            ),
            Ct
        );

        var job = await Console.WaitForEndAsync(isCut, Patience, Ct);
        Assert.Equal((WorkloadState.Succeeded, 1), (job.Row.State, job.Restarts));
        job = await Console.WaitForEndAsync(fallsBack, Patience, Ct);
        Assert.Equal((WorkloadState.Succeeded, 3), (job.Row.State, job.Restarts));
        await using (var db = await Console.DbAsync(Ct))
        {
            Assert.Equal(
                [null, 2L, 2L, 1L],
                await db
                    .Attempts.Where(a => a.WorkloadId == fallsBack)
                    .OrderBy(a => a.Number)
                    .Select(a => a.ResumeStep)
                    .ToListAsync(Ct)
            );
        }
        Assert.Contains("step 2 (step-2.pt) was given up", (await EventsAsync(Console, fallsBack, "resuming"))[^1]);
        job = await Console.WaitForEndAsync(fails, Patience, Ct);
        Assert.Equal((WorkloadState.Failed, Reason.CheckpointsUnusable), (job.Row.State, job.Row.Reason));
        Assert.Equal(4, Assert.Single(job.Replicas).Attempts.Count);
    }
}
