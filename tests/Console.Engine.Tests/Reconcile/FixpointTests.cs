using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Reconcile;

/// <summary>When nothing changes, another look does nothing: no row is written, no container touched.</summary>
public sealed class FixpointTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task At_rest_the_loop_writes_nothing_and_asks_the_engine_for_nothing()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        // What ran here before may hold a GPU for another moment, which a waiting job is told of
        await console.UntilAsync(
            async db => await db.Gpus.CountAsync(g => g.Health == GpuHealth.Healthy, Ct) == 4,
            s_patience,
            Ct
        );
        var ended = await console.SubmitAsync(Specs.Shell("exit 3"), Ct);
        await console.WaitForEndAsync(ended, Ct);
        var running = await console.SubmitAsync(Specs.Shell("sleep 600", gpus: 2), Ct);
        var waiting = await console.SubmitAsync(Specs.Shell("true", gpus: 4), Ct);
        await console.UntilAsync(
            async db =>
                await db.Workloads.AnyAsync(w => w.Id == running && w.State == WorkloadState.Running, Ct)
                && await db.Attempts.AllAsync(a => a.WorkloadId == running || a.ContainerRemoved, Ct)
                && (await db.Workloads.AsNoTracking().SingleAsync(w => w.Id == waiting, Ct)).Waits.Count > 0,
            s_patience,
            Ct
        );

        using var watching = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var touched = CountAsync(console, watching.Token);
        await Fixpoint.AssertAsync(console, Ct);
        await watching.CancelAsync();
        Assert.Empty(await touched);
    }

    /// <summary>Everything that happens to a container of ours, until cancelled. Execs of readers change nothing.</summary>
    private static async Task<List<string>> CountAsync(ConsoleHarness console, CancellationToken ct)
    {
        var engine = console.Services.GetRequiredService<IEngineFactory>().Get(console.Options.DockerHost);
        var actions = new List<string>();
        try
        {
            await foreach (var e in engine.EventsAsync(console.Services.GetRequiredService<InstallationId>().Value, ct))
            {
                actions.Add(e.Action);
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // The time to look is over
        }
        return actions;
    }
}
