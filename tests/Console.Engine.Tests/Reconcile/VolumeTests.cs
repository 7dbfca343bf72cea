using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Reconcile;

/// <summary>Volumes of the lab as real containers see them.</summary>
public sealed class VolumeTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_one_job_wrote_to_a_volume_another_reads_and_may_not_change()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        await DefineAsync(console, new VolumeInput("shared", Hosts: [await HostAsync(console)]));
        var writes = Specs.Shell("id -u; echo written > /data/file") with
        {
            Volumes = [new VolumeMount("shared", "/data")],
        };
        await SucceedAsync(console, writes);
        var reads = Specs.Shell("grep written /in/sets/file && ! touch /in/sets/other") with
        {
            Volumes = [new VolumeMount("shared", "/in/sets", ReadOnly: true)],
        };
        await SucceedAsync(console, reads);
        await RemoveDataAsync(console, "shared");
    }

    [Fact]
    public async Task A_folder_of_a_host_is_mounted_and_one_that_is_not_there_is_told_by_its_name_only()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var folder = Directory.CreateTempSubdirectory("deeplab-volume-");
        try
        {
            File.WriteAllText(Path.Combine(folder.FullName, "file"), "of the host\n");
            await DefineAsync(console, new VolumeInput("folder", folder.FullName, ReadOnly: true));
            await DefineAsync(console, new VolumeInput("absent", "/srv/deeplab-no-such-folder"));
            var reads = Specs.Shell("grep host /data/file && ! touch /data/other") with
            {
                Volumes = [new VolumeMount("folder", "/data", ReadOnly: true)],
            };
            // The folder itself, made by a test, is closed to others
            File.SetUnixFileMode(
                folder.FullName,
                UnixFileMode.UserRead
                    | UnixFileMode.UserWrite
                    | UnixFileMode.UserExecute
                    | UnixFileMode.OtherRead
                    | UnixFileMode.OtherExecute
            );
            await SucceedAsync(console, reads);
            var id = await console.SubmitAsync(
                Specs.Shell("true") with
                {
                    Volumes = [new VolumeMount("absent", "/data")],
                },
                Ct
            );
            var failed = await console.WaitForEndAsync(id, Ct);
            Assert.Equal((WorkloadState.Failed, Reason.CreateFailed), (failed.Row.State, failed.Row.Reason));
            Assert.Contains("(volume absent)", failed.Row.Message);
            Assert.DoesNotContain("/srv/deeplab-no-such-folder", failed.Row.Message);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<string> HostAsync(ConsoleHarness console)
    {
        await using var db = await console.DbAsync(Ct);
        return await db.Hosts.Select(h => h.Name).SingleAsync(Ct);
    }

    private static async Task DefineAsync(ConsoleHarness console, VolumeInput volume) =>
        Assert.IsType<Outcome<string>.Done>(
            await console.Services.GetRequiredService<VolumeVerbs>().CreateAsync(ConsoleHarness.Admin, volume, Ct)
        );

    private static async Task SucceedAsync(ConsoleHarness console, JobSpec spec)
    {
        var job = await console.WaitForEndAsync(await console.SubmitAsync(spec, Ct), Ct);
        Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
        await console.UntilAsync(db => db.Attempts.AllAsync(a => a.ContainerRemoved, Ct), TimeSpan.FromSeconds(15), Ct);
    }

    private static async Task RemoveDataAsync(ConsoleHarness console, string volume)
    {
        var install = console.Services.GetRequiredService<DeepLab.Core.Operations.Fleet.InstallationId>().Value;
        var engine = console
            .Services.GetRequiredService<DeepLab.Core.Engines.IEngineFactory>()
            .Get(ConsoleHarness.Engine, null);
        await engine.RemoveVolumeAsync(DeepLab.Core.Reconcile.LaunchPlan.VolumeOf(install, volume), Ct);
    }
}
