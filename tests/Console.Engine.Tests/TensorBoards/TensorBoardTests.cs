using System.Net;
using System.Text.Json;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.TensorBoards;

/// <summary>TensorBoard of jobs on a real engine: started, looked at through the gateway, stopped when nobody does.</summary>
public sealed class TensorBoardTests(BoardConsole lab) : IClassFixture<BoardConsole>
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Writes one scalar, and goes on until its file of that name is there.</summary>
    private static JobSpec Writing(string tag) =>
        Specs.Shell("exec python3 script.py", image: "deeplab/pytorch-cpu:2.6") with
        {
            Name = "writes",
            Script = $"""
                #!/usr/bin/env python3
                import os, time, deeplab
                with deeplab.SummaryWriter() as curves:
                    curves.add_scalar("{tag}", 1.5, 0)
                while not os.path.exists("/tmp/go-on"):
                    time.sleep(0.05)
                """,
        };

    [Fact]
    public async Task It_shows_jobs_that_run_and_ended_reads_alone_stops_when_nobody_looks_and_leaves_nothing()
    {
        var (running, ended) = (await SubmitAsync("loss"), await SubmitAsync("accuracy"));
        await UntilCurveAsync(running);
        await UntilCurveAsync(ended);
        await EndAsync(ended);
        var (status, refused) = await OpenAsync(running);
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("draws the curves", refused.GetProperty("detail").GetString());
        await lab.BuildImageAsync();

        (status, var made) = await OpenAsync(running, ended);
        Assert.Equal(HttpStatusCode.Created, status);
        var id = made.GetProperty("id").GetInt64();
        await lab.Console.UntilStateAsync(id, WorkloadState.Running, Ct);
        var again = await OpenAsync(ended, running);
        Assert.Equal((HttpStatusCode.OK, id), (again.Status, again.Answer.GetProperty("id").GetInt64()));

        var get = await lab.EnterAsync(id);
        var before = TimeProvider.System.GetUtcNow();
        using (var answer = await get("data/plugin/scalars/tags"))
        {
            var runs = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Ct)).RootElement;
            Assert.Equal(
                [$"job-{running}/worker-0/1: loss", $"job-{ended}/worker-0/1: accuracy"],
                runs.EnumerateObject()
                    .Select(r => $"{r.Name}: {string.Join(' ', r.Value.EnumerateObject().Select(t => t.Name))}")
                    .OrderBy(r => r.Contains("accuracy"))
            );
        }
        await using (var db = await lab.Console.DbAsync(Ct))
        {
            var board = await db.Workloads.SingleAsync(w => w.Id == id, Ct);
            Assert.InRange(board.LastActiveAt!.Value, before.AddSeconds(-1), before + s_patience);
        }
        var attempt = await lab.Console.AttemptAsync(id, Ct);
        var written = await Assert.ThrowsAsync<InvalidOperationException>(() =>
            Shell.DockerAsync(
                ConsoleHarness.Engine,
                Ct,
                "exec",
                attempt.ContainerId!,
                "touch",
                $"/tensorboard/job-{running}/worker-0/1/x"
            )
        );
        Assert.Contains("Read-only", written.Message);

        await lab.Console.UntilStateAsync(id, WorkloadState.Stopped, Ct);
        await using (var db = await lab.Console.DbAsync(Ct))
        {
            Assert.Equal(
                Reason.IdleCulled,
                await db.Workloads.Where(w => w.Id == id).Select(w => w.Reason).SingleAsync(Ct)
            );
        }
        await EndAsync(running);
        await lab.Console.UntilCleanAsync(Ct);
        await using (var db = await lab.Console.DbAsync(Ct))
        {
            Assert.False(await db.Endpoints.AnyAsync(e => e.ReleasedAt == null, Ct));
        }
        // What is left is the jobs' own, until they go
        Assert.Equal(2, (await VolumesAsync()).Count);
        foreach (var job in (long[])[running, ended])
        {
            (status, _) = await lab.SendAsync(HttpMethod.Delete, $"/api/v1/jobs/{job}");
            Assert.Equal(HttpStatusCode.NoContent, status);
        }
        await lab.Console.Services.GetRequiredService<JobVolumes>().SweepAsync(Ct);
        Assert.Empty(await VolumesAsync());
        var start = lab.Console.Services.GetRequiredService<StartEnvironment>();
        var gone = Assert.IsType<Outcome<long>.Conflict>(await start.RunAsync(ConsoleHarness.Admin, id, Ct));
        Assert.Contains($"no job {running}, {ended}", gone.Message);
    }

    [Fact]
    public async Task A_job_that_wrote_none_keeps_no_volume_and_is_told_so()
    {
        var id = await lab.Console.SubmitAsync(Specs.Shell("true") with { TensorBoard = true }, Ct);
        await lab.Console.WaitForEndAsync(id, Ct);
        await lab.Console.UntilAsync(
            db => db.Attempts.AllAsync(a => a.WorkloadId != id || a.ContainerRemoved, Ct),
            s_patience,
            Ct
        );
        var name = Core.Engines.VolumeNames.EventFiles(lab.InstallId, id);
        Assert.Contains(name, await VolumesAsync());
        await lab.Console.Services.GetRequiredService<JobVolumes>().SweepAsync(Ct);
        Assert.DoesNotContain(name, await VolumesAsync());
        var (status, refused) = await OpenAsync(id);
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.StartsWith($"Job {id} wrote no event files", refused.GetProperty("detail").GetString());
    }

    private Task<long> SubmitAsync(string tag) => lab.Console.SubmitAsync(Writing(tag), Ct);

    private Task<(HttpStatusCode Status, JsonElement Answer)> OpenAsync(params long[] jobs) =>
        jobs is [var one]
            ? lab.SendAsync(HttpMethod.Post, $"/api/v1/jobs/{one}/tensorboard")
            : lab.SendAsync(HttpMethod.Post, "/api/v1/tensorboards", new { jobs });

    private Task UntilCurveAsync(long id) =>
        lab.Console.UntilAsync(
            async _ =>
                (
                    await lab
                        .Console.Services.GetRequiredService<ISeriesStore>()
                        .ListAsync(SeriesOwner.Job, $"{id}", Ct)
                ).Any(s => s.Points > 0),
            s_patience,
            Ct
        );

    private async Task EndAsync(long id)
    {
        var container = (await lab.Console.AttemptAsync(id, Ct)).ContainerId!;
        await Shell.TellAsync(ConsoleHarness.Engine, container, Ct, "touch", "/tmp/go-on");
        await lab.Console.WaitForEndAsync(id, Ct);
    }

    private async Task<IReadOnlyList<string>> VolumesAsync() =>
        [.. (await lab.Engine.VolumesAsync(lab.InstallId, Ct)).Select(v => v.Name)];
}
