using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Reconcile.Pairs;
using DeepLab.Core.Workloads;
using DeepLab.Core.Workloads.Receipts;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Hosts;

/// <summary>The network between hosts, measured over the overlay of a job on three real engines, one link of which is made slow.</summary>
public sealed class PairTests(LabFleet fleet)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_pair_is_measured_before_the_programs_begin_once_in_a_while_and_a_slow_one_is_told()
    {
        await fleet.ReadyAsync(Ct);
        await using var console = await SwarmCluster.StartAsync(fleet, Ct);
        var jobs = new List<long>();
        var first = await MeasureAsync(console, jobs);
        var pairs = await PairsAsync(console);
        Assert.All(
            pairs,
            p =>
            {
                // Three hosts on one machine, however busy it is
                Assert.InRange(p.MegabytesPerSecond, 1, 100_000);
                Assert.InRange(p.Milliseconds, 0.001, 1000);
            }
        );
        var told = await EventsAsync(console, first);
        // The programs, which end at once, were held meanwhile
        Assert.True(
            told.Single(e => e.Kind == PairEvents.Measured).Seq < told.Where(e => e.Kind == "exited").Min(e => e.Seq)
        );

        var second = await RunAsync(console, jobs);
        Assert.DoesNotContain(await EventsAsync(console, second), e => e.Kind == PairEvents.Measured);
        Assert.Equal(pairs.Select(p => p.MeasuredAt), (await PairsAsync(console)).Select(p => p.MeasuredAt));

        var (from, to) = (fleet.Hosts[1], fleet.Hosts[2]);
        await from.SlowAsync("20mbit", to, Ct);
        long third;
        try
        {
            third = await MeasureAsync(console, jobs);
        }
        finally
        {
            await from.SlowAsync(null, to, CancellationToken.None);
        }
        var slow = (await PairsAsync(console)).MinBy(p => p.MegabytesPerSecond)!;
        Assert.Equal(new[] { from.Name, to.Name }.Order(), await NamesAsync(console, slow));
        // 2.5 MB/s, less what VXLAN puts around it
        Assert.InRange(slow.MegabytesPerSecond, 0.5, 2.5);
        Assert.StartsWith("carries 2", slow.Slow, StringComparison.Ordinal);
        var sentence = $"the network between {from.Name} and {to.Name} is slow: it {slow.Slow}";
        Assert.Contains(await EventsAsync(console, third), e => e.Kind == PairEvents.Slow && e.Message == sentence);

        var receipt = await console
            .Services.GetRequiredService<JobReceipts>()
            .FindAsync(ConsoleHarness.Admin, third, Ct);
        Assert.Contains(
            receipt!.Findings,
            f => f.Kind == RunFindingKind.NetworkSlow && f.Message == sentence && f.Advice.Length > 0
        );
        var host = await console
            .Services.GetRequiredService<FleetQueries>()
            .FindHostAsync(ConsoleHarness.Admin, to.Name, Ct);
        Assert.Contains($"the network to {from.Name} is slow: it {slow.Slow}", host!.SlowPairs);

        // What measured is gone, and the jobs' networks with it
        await SwarmCluster.AtRestAsync(console, fleet, jobs, Ct);
        var install = console.Services.GetRequiredService<InstallationId>().Value;
        foreach (var h in fleet.Hosts)
        {
            var engine = console.Services.GetRequiredService<IEngineFactory>().Get(h.Socket);
            Assert.DoesNotContain(
                await engine.ListAsync(install, Ct),
                c => c.Labels.GetValueOrDefault(Labels.Probe) == PairPlans.Kind
            );
        }
    }

    /// <summary>
    /// A job before whose programs all three pairs were measured, in the seconds that it is held for: where the machine had no time for
    /// that, another.
    /// </summary>
    private static async Task<long> MeasureAsync(ConsoleHarness console, List<long> jobs)
    {
        var time = console.Services.GetRequiredService<TimeProvider>();
        string[] why = [];
        for (var tries = 0; tries < 5; tries++)
        {
            var began = time.GetUtcNow();
            await using (var db = await console.DbAsync(Ct))
            {
                var old = began - PairRule.Fresh;
                await db.HostPairs.ExecuteUpdateAsync(s => s.SetProperty(p => p.TriedAt, old), Ct);
            }
            var id = await RunAsync(console, jobs);
            var pairs = await PairsAsync(console);
            if (pairs.Length == 3 && pairs.All(p => p.MeasuredAt >= began))
            {
                return id;
            }
            why = [.. pairs.Select(p => p.Unmeasured)];
        }
        Assert.Fail(string.Join("; ", why));
        return 0;
    }

    /// <summary>A job over all three hosts, whose replicas end at once.</summary>
    private static async Task<long> RunAsync(ConsoleHarness console, List<long> jobs)
    {
        var id = await console.SubmitAsync(
            Specs.Shell("true", replicas: 3) with
            {
                Cluster = SwarmCluster.Name,
                Placement = new PlacementSpec { Mode = PlacementMode.Spread },
            },
            Ct
        );
        jobs.Add(id);
        var job = await console.WaitForEndAsync(id, s_patience, Ct);
        Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
        return id;
    }

    private static async Task<HostPair[]> PairsAsync(ConsoleHarness console)
    {
        await using var db = await console.DbAsync(Ct);
        return await db.HostPairs.AsNoTracking().OrderBy(p => p.FirstId).ThenBy(p => p.SecondId).ToArrayAsync(Ct);
    }

    private static async Task<IEnumerable<string>> NamesAsync(ConsoleHarness console, HostPair pair)
    {
        await using var db = await console.DbAsync(Ct);
        var names = await db
            .Hosts.Where(h => h.Id == pair.FirstId || h.Id == pair.SecondId)
            .Select(h => h.Name)
            .ToListAsync(Ct);
        return names.Order();
    }

    private static async Task<WorkloadEvent[]> EventsAsync(ConsoleHarness console, long id)
    {
        await using var db = await console.DbAsync(Ct);
        return await db.Events.AsNoTracking().Where(e => e.WorkloadId == id).OrderBy(e => e.Seq).ToArrayAsync(Ct);
    }
}
