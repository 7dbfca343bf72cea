using System.Diagnostics;
using System.Globalization;

namespace DeepLab.Bench;

/// <summary>
/// Many short jobs through their whole life (submitted over REST, leased, run, log archived, container removed), against
/// the same containers bare: created, started, awaited, log read, removed, four in flight.
/// </summary>
internal static class ThroughputBench
{
    private const int InFlight = 4;
    private const double Target = 0.95;
    private const double TargetSwarm = 1.1;

    public static async Task RunAsync(Run run, CancellationToken ct)
    {
        var jobs = run.Options.Number("jobs", 100);
        var rounds = run.Options.Number("rounds", 5);
        await using var bare = new BareEngine();
        await using var console = await BenchConsole.StartNewAsync(ct);
        run.Say(await console.Sql.DurabilityAsync(ct));
        run.Say($"{jobs} jobs a round, each a container that writes one line and ends");
        var spec = Jobs.Shell("echo done", cpus: 0.1, memoryMib: 16);
        await OursAsync(console, spec, jobs / 5, ct);
        var (ours, yardstick) = (new List<double>(), new List<double>());
        for (var i = 0; i < rounds; i++)
        {
            yardstick.Add(await BareAsync(bare, spec, jobs, ct));
            ours.Add(await OursAsync(console, spec, jobs, ct));
        }
        run.Report.Add("whole lives a second", "1/s", ours, yardstick);
        run.Say(
            "Swarm takes no device requests and its replicated jobs need a Swarm, which the benchmark's host is not in: absent."
        );
        run.Report.Judge(
            "throughput.swarm",
            null,
            TargetSwarm,
            atMost: false,
            "rate over that of Swarm's replicated jobs: absent"
        );
        run.Report.Judge(
            "throughput",
            Spread.Of(ours).Median / Spread.Of(yardstick).Median,
            Target,
            atMost: false,
            "rate over that of bare containers, four in flight"
        );
    }

    private static async Task<double> BareAsync(
        BareEngine bare,
        Core.Workloads.JobSpec spec,
        int jobs,
        CancellationToken ct
    )
    {
        var began = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, jobs),
            new ParallelOptions { MaxDegreeOfParallelism = InFlight, CancellationToken = ct },
            async (_, token) =>
            {
                var id = await bare.RunAsync(spec, token);
                await bare.EndedAsync(id, token);
                BenchException.Require(
                    (await bare.TextAsync(id, token)).Contains("done", StringComparison.Ordinal),
                    "a bare container's log is empty"
                );
                await bare.Engine.RemoveAsync(id, force: true, token);
            }
        );
        return jobs / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private static async Task<double> OursAsync(
        BenchConsole console,
        Core.Workloads.JobSpec spec,
        int jobs,
        CancellationToken ct
    )
    {
        var body = BenchConsole.Body(spec);
        var ids = new System.Collections.Concurrent.ConcurrentBag<long>();
        var began = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, jobs),
            new ParallelOptions { MaxDegreeOfParallelism = InFlight, CancellationToken = ct },
            async (_, token) => ids.Add(await console.SubmitAsync(body, token))
        );
        var first = ids.Min().ToString(CultureInfo.InvariantCulture);
        await console.UntilAsync(
            $"count(*) = {jobs} and bool_and(container_removed) from attempts where workload_id >= {first}",
            $"{jobs} jobs run, archived and cleaned away",
            TimeSpan.FromMinutes(10),
            ct
        );
        var rate = jobs / Stopwatch.GetElapsedTime(began).TotalSeconds;
        var whole = await console.Sql.ScalarAsync<long>(
            $"""
            select count(*) from workloads w join attempts a on a.workload_id = w.id join log_cursors c on c.attempt_id = a.id
            where w.id >= {first} and w.state = 'Succeeded' and c.complete and c.lines = 1
            """,
            ct
        );
        BenchException.Require(whole == jobs, $"{whole} of {jobs} jobs succeeded with their one line of log archived");
        return rate;
    }
}
