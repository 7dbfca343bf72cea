using System.Text.Json;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Environments;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Jobs;

/// <summary>Datasets as real containers make and see them.</summary>
public sealed class DatasetTests(EnvironmentConsole lab) : IClassFixture<EnvironmentConsole>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_version_is_what_its_job_found_and_jobs_and_notebooks_see_its_files_and_the_lists_that_are_theirs()
    {
        var console = lab.Console;
        await using (var db = await console.DbAsync(Ct))
        {
            var only = await db.Hosts.Select(h => h.Name).SingleAsync(Ct);
            var volumes = console.Services.GetRequiredService<VolumeVerbs>();
            Assert.IsType<Outcome<string>.Done>(
                await volumes.CreateAsync(ConsoleHarness.Admin, new VolumeInput("digits-data", Hosts: [only]), Ct)
            );
        }
        await SucceedAsync(
            console,
            Specs.Shell("mkdir /data/set && cd /data/set && for i in $(seq 40); do echo $i > \"file $i\"; done") with
            {
                Volumes = [new VolumeMount("digits-data", "/data")],
            }
        );
        Assert.IsType<Outcome<string>.Done>(
            await console
                .Services.GetRequiredService<DatasetVerbs>()
                .CreateAsync(ConsoleHarness.Admin, new DatasetInput("digits"), Ct)
        );
        var version = await MakeAsync(console, "set");
        Assert.True(version.State == DatasetState.Ready, version.Message);
        Assert.Equal((40L, 111L), (version.Files, version.Bytes));
        var parts = version.Parts!;
        Assert.True(
            parts is { Train: > 0, Validation: > 0, Test: > 0 } && parts.Train + parts.Validation + parts.Test == 40
        );

        var absent = await MakeAsync(console, "no-such-folder");
        Assert.Equal(DatasetState.Failed, absent.State);
        Assert.Contains("no folder \"no-such-folder\"", absent.Message);

        // Each line of a list is a file; a file cannot be changed; the lists together are all that this run may know
        string Check(string lists, int files) =>
            $"set -e; cd \"$DEEPLAB_DATASET_DIGITS_LISTS\"; test \"$(echo *.txt)\" = '{lists}'; test $(cat *.txt | wc -l) = {files}; "
            + "cat *.txt | while read -r f; do test -s \"$DEEPLAB_DATASET_DIGITS/$f\"; done; ! touch \"$DEEPLAB_DATASET_DIGITS/file 1\" 2>/dev/null";
        var mount = new DatasetMount("digits", version.Number, "/in");
        await SucceedAsync(
            console,
            Specs.Shell(Check("train.txt validation.txt", parts.Train + parts.Validation)) with
            {
                Datasets = [mount],
            }
        );
        await SucceedAsync(
            console,
            Specs.Shell(Check("test.txt train.txt validation.txt", 40) + "; test $DEEPLAB_FINAL = 1") with
            {
                Datasets = [mount],
                Final = true,
            }
        );
        var id = await lab.CreateAsync(
            EnvironmentConsole.Spec("sees", new EnvironmentSpec()) with
            {
                Datasets = [mount],
            }
        );
        var notebook = await lab.UntilAsync(id, WorkloadState.Running);
        var cell = $"""
            import subprocess
            print(subprocess.run(["sh", "-c", {JsonSerializer.Serialize(
                Check("train.txt validation.txt", parts.Train + parts.Validation) + "; test -z \"$DEEPLAB_FINAL\""
            )}]).returncode)
            """;
        Assert.Equal(
            "0\n",
            await Kernel.RunAsync(lab, EnvironmentConsole.JupyterOf(notebook), await lab.TokenAsync(id), cell, Ct)
        );
        await console.StopAsync(id, Ct);
        await lab.UntilAsync(id, WorkloadState.Stopped);
        await console.UntilCleanAsync(Ct);
        await console
            .Services.GetRequiredService<DeepLab.Core.Engines.IEngineFactory>()
            .Get(ConsoleHarness.Engine, null)
            .RemoveVolumeAsync(DeepLab.Core.Reconcile.LaunchPlan.VolumeOf(lab.InstallId, "digits-data"), Ct);
    }

    /// <summary>The version once it is made, or could not be.</summary>
    private static async Task<DatasetVersion> MakeAsync(ConsoleHarness console, string folder)
    {
        var input = new DatasetVersionInput("digits-data", folder, new DatasetSplit(1, 50, 25, 25));
        var outcome = await console
            .Services.GetRequiredService<MakeDatasetVersion>()
            .RunAsync(ConsoleHarness.Admin, "digits", input, Ct);
        var made = Assert.IsType<Outcome<MadeVersion>.Done>(outcome).Value;
        await console.UntilAsync(
            db => db.DatasetVersions.AnyAsync(v => v.WorkloadId == made.Job && v.State != DatasetState.Making, Ct),
            TimeSpan.FromSeconds(60),
            Ct
        );
        await using var db = await console.DbAsync(Ct);
        return await db.DatasetVersions.AsNoTracking().SingleAsync(v => v.WorkloadId == made.Job, Ct);
    }

    private static async Task SucceedAsync(ConsoleHarness console, JobSpec spec)
    {
        var job = await console.WaitForEndAsync(await console.SubmitAsync(spec, Ct), Ct);
        Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
    }
}
