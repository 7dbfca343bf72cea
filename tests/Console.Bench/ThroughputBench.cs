using System.Diagnostics;
using System.Globalization;

namespace DeepLab.Bench;

/// <summary>
/// Many short jobs through their whole life (submitted over REST, leased, run, log archived, container removed), against
/// the same containers bare: created, started, awaited, log read, removed, four in flight. Then the same engine as a Swarm of
/// one, whose replicated job keeps four in flight too, and keeps no log.
/// </summary>
internal static class ThroughputBench
{
    private const int InFlight = 4;
    private const double Target = 0.95;
    private const double TargetSwarm = 1.1;
    private static readonly Core.Workloads.JobSpec s_spec = Jobs.Shell("echo done", cpus: 0.1, memoryMib: 16);

    public static async Task RunAsync(Run run, CancellationToken ct)
    {
        var jobs = run.Options.Number("jobs", 100);
        var rounds = run.Options.Number("rounds", 5);
        await using var bare = await BareEngine.MakeAsync(ct);
        run.Say($"{jobs} jobs a round, each a container that writes one line and ends");
        var (ours, yardstick) = (new List<double>(), new List<double>());
        await using (var console = await BenchConsole.StartNewAsync(ct))
        {
            run.Say(await console.Sql.DurabilityAsync(ct));
            await OursAsync(console, s_spec, jobs / 5, ct);
            for (var i = 0; i < rounds; i++)
            {
                yardstick.Add(await BareAsync(bare, s_spec, jobs, ct));
                ours.Add(await OursAsync(console, s_spec, jobs, ct));
            }
        }
        var swarm = await SwarmAsync(jobs, rounds, ct);
        run.Report.Add("whole lives a second, bare", "1/s", ours, yardstick);
        run.Report.Add("whole lives a second, Swarm", "1/s", ours, swarm);
        run.Say($"Slurm: {(Machine.Has("sbatch") ? "installed, and not measured here" : "not installed: absent")}");
        run.Report.Judge(
            "throughput.swarm",
            Spread.Of(ours).Median / Spread.Of(swarm).Median,
            TargetSwarm,
            atMost: false,
            "rate over that of Swarm's replicated jobs, four in flight"
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

    /// <summary>
    /// From the service's creation until its last container has ended: Swarm leaves them to its user, whose removal is not
    /// timed. The engine leaves the Swarm again afterwards.
    /// </summary>
    private static async Task<List<double>> SwarmAsync(int jobs, int rounds, CancellationToken ct)
    {
        var count = jobs.ToString(CultureInfo.InvariantCulture);
        var atOnce = InFlight.ToString(CultureInfo.InvariantCulture);
        string[] create =
        [
            "service create --quiet --name bench --mode replicated-job --no-resolve-image --restart-condition none",
            $"--replicas {count} --max-concurrent {atOnce} --limit-cpu 0.1 --limit-memory 16M",
        ];
        var rates = new List<double>();
        // A run that was killed has left it in one: the engine is the benchmarks' own
        if (await DockerAsync(["info", "--format", "{{.Swarm.LocalNodeState}}"], ct) != "inactive")
        {
            await DockerAsync(["swarm", "leave", "--force"], ct);
        }
        await DockerAsync(["swarm", "init", "--advertise-addr", "127.0.0.1"], ct);
        try
        {
            for (var i = 0; i < rounds; i++)
            {
                var began = Stopwatch.GetTimestamp();
                await DockerAsync([.. create.SelectMany(c => c.Split(' ')), Jobs.Image, "sh", "-c", "echo done"], ct);
                rates.Add(jobs / Stopwatch.GetElapsedTime(began).TotalSeconds);
                await DockerAsync(["service", "rm", "bench"], ct);
                var ended = await DockerAsync(["ps", "-aq", "--filter", "name=bench.", "--filter", "status=exited"], ct);
                var containers = ended.Split('\n', StringSplitOptions.RemoveEmptyEntries);
                BenchException.Require(containers.Length == jobs, $"{containers.Length} of {jobs} tasks ended");
                await DockerAsync(["rm", .. containers], ct);
            }
        }
        finally
        {
            await DockerAsync(["swarm", "leave", "--force"], CancellationToken.None);
        }
        return rates;
    }

    private static async Task<string> DockerAsync(string[] arguments, CancellationToken ct)
    {
        var (code, output, _) = await Machine.CommandAsync(["docker", "-H", Setting.Engine, .. arguments], null, ct);
        BenchException.Require(code == 0, $"docker {string.Join(' ', arguments)} answered {code}: {output}");
        return output.Trim();
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
