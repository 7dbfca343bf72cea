using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Engine.Tests.Engines;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Hosts;

/// <summary>GPUs that something holds without a lease are seen, kept from jobs, and freed by an admin.</summary>
public sealed class LedgerTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_leaked_a_squatted_and_a_fenced_gpu_are_told_and_freed()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        await console.UntilAsync(async db => await db.Gpus.CountAsync(Ct) >= 3, s_patience, Ct);
        string[] gpus;
        await using (var db = await console.DbAsync(Ct))
        {
            gpus = await db.Gpus.OrderBy(g => g.Index).Select(g => g.Uuid).ToArrayAsync(Ct);
        }
        await using var engine = TestEngine.Make(new EnginePolicy());
        var install = console.Services.GetRequiredService<InstallationId>().Value;
        var leak = await StartAsync(engine, "ledger-leak", install, gpus[0], "exec sleep 600");
        // The stand-in counts whoever computes, as the driver does; this one carries none of our labels
        var squat = await StartAsync(engine, "ledger-squat", "somebody-else", gpus[1], "while :; do :; done");
        try
        {
            await HealthAsync(console, gpus[0], GpuHealth.Leaked, "ledger-leak");
            await HealthAsync(console, gpus[1], GpuHealth.Squatted, squat[..12]);
            var admin = ConsoleHarness.Admin;
            var verbs = console.Services;
            Assert.IsType<Outcome<string>.Done>(
                await verbs.GetRequiredService<FenceGpu>().RunAsync(admin, gpus[2], Ct)
            );
            Assert.IsType<Outcome<string>.Conflict>(
                await verbs.GetRequiredService<EvictGpu>().RunAsync(admin, gpus[1], Ct)
            );
            Assert.IsType<Outcome<string>.Conflict>(
                await verbs.GetRequiredService<ClearGpu>().RunAsync(admin, gpus[1], Ct)
            );
            Assert.IsType<Outcome<string>.Done>(
                await verbs.GetRequiredService<EvictGpu>().RunAsync(admin, gpus[0], Ct)
            );
            Assert.IsType<Outcome<string>.Done>(
                await verbs.GetRequiredService<AdoptGpu>().RunAsync(admin, gpus[1], Ct)
            );
            Assert.IsType<Outcome<string>.Conflict>(
                await verbs.GetRequiredService<AdoptGpu>().RunAsync(admin, gpus[2], Ct)
            );
            await HealthAsync(console, gpus[0], GpuHealth.Healthy, "");
            // Looked at since, and left to whoever computes on it
            await HealthAsync(console, gpus[1], GpuHealth.Adopted, squat[..12]);
            await engine.RemoveAsync(squat, force: true, Ct);
            Assert.IsType<Outcome<string>.Done>(
                await verbs.GetRequiredService<ClearGpu>().RunAsync(admin, gpus[2], Ct)
            );
            foreach (var gpu in gpus)
            {
                await HealthAsync(console, gpu, GpuHealth.Healthy, "");
            }
            Assert.Null(await engine.InspectAsync(leak, Ct));
        }
        finally
        {
            await engine.RemoveAsync(leak, force: true, CancellationToken.None);
            await engine.RemoveAsync(squat, force: true, CancellationToken.None);
        }
    }

    private static Task HealthAsync(ConsoleHarness console, string gpu, GpuHealth health, string words) =>
        console.UntilAsync(
            db => db.Gpus.AnyAsync(g => g.Uuid == gpu && g.Health == health && g.HealthMessage.Contains(words), Ct),
            s_patience,
            Ct
        );

    private static async Task<string> StartAsync(
        DockerEngine engine,
        string name,
        string install,
        string gpu,
        string script
    )
    {
        await engine.RemoveAsync(name, force: true, Ct);
        var id = await engine.CreateAsync(
            new ContainerPlan
            {
                Name = name,
                Image = TestEngine.Image,
                Command = ["sh", "-c", script],
                Env = new Dictionary<string, string>(),
                Labels = new Dictionary<string, string> { [Labels.Install] = install },
                Cpus = 0.1,
                Memory = 64L << 20,
                Shm = 1L << 20,
                GpuUuids = [gpu],
            },
            Ct
        );
        await engine.StartAsync(id, Ct);
        return id;
    }
}
