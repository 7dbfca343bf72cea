using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Engine.Tests.Environments;

public sealed class KeptHomeTests(EnvironmentConsole lab) : IClassFixture<EnvironmentConsole>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Another_environment_has_the_files_of_a_kept_home_and_takes_them_along_when_it_goes()
    {
        var spec = EnvironmentConsole.Spec("kept", new EnvironmentSpec());
        var first = await lab.CreateAsync(spec);
        var volume = LaunchPlan.HomeOf(lab.InstallId, first);
        await InsideAsync(await ContainerAsync(first), "echo kept > /home/lab/kept.txt");
        await EndAsync(first, withHome: false);
        Assert.Equal([volume], await lab.HomesAsync());

        var second = await lab.CreateAsync(
            spec with
            {
                Name = "next",
                Environment = spec.Environment! with { Home = first },
            }
        );
        var container = await ContainerAsync(second);
        Assert.Equal("kept", (await InsideAsync(container, "cat /home/lab/kept.txt")).Trim());
        // Jupyter's secrets in it are the new one's
        Assert.Contains(await lab.TokenAsync(second), await InsideAsync(container, "cat /home/lab/.deeplab/jupyter/*"));
        Assert.Equal([volume], await lab.HomesAsync());
        await EndAsync(second, withHome: true);
        await lab.Console.UntilAsync(
            db => db.Workloads.AllAsync(w => w.HomeHostId == null, Ct),
            TimeSpan.FromSeconds(20),
            Ct
        );
        Assert.Empty(await lab.HomesAsync());
    }

    private async Task<string> ContainerAsync(long id) =>
        (await lab.UntilAsync(id, WorkloadState.Running)).Job.Replicas[0].Attempts[^1].ContainerId!;

    private async Task EndAsync(long id, bool withHome)
    {
        await lab.Console.StopAsync(id, Ct);
        await lab.UntilAsync(id, WorkloadState.Stopped);
        await lab.Console.UntilAsync(
            db => db.Attempts.AllAsync(a => a.ContainerRemoved, Ct),
            TimeSpan.FromSeconds(20),
            Ct
        );
        await lab.DeleteAsync(id, withHome);
    }

    private static Task<string> InsideAsync(string container, string command) =>
        Shell.DockerAsync(ConsoleHarness.Engine, Ct, "exec", container, "sh", "-c", command);
}
