using System.Diagnostics;
using DeepLab.Core.Engines;

namespace DeepLab.Bench;

/// <summary>
/// A console is killed with replicas running and started again: from the moment it listens until it knows its host again
/// and has looked at its queue, where a job came in meanwhile.
/// </summary>
internal static class RecoverBench
{
    /// <summary>seconds</summary>
    private const double Target = 2;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    public static async Task RunAsync(Run run, CancellationToken ct)
    {
        var replicas = run.Options.Number("replicas", 20);
        var rounds = run.Options.Number("rounds", 5);
        await using var bare = await BareEngine.MakeAsync(ct);
        await using var console = await BenchConsole.StartNewAsync(ct);
        var template = await console.SubmitAsync(Jobs.Shell("true", cpus: 0.05), ct);
        await console.SucceededAsync(template, ct);
        var job = await console.SubmitAsync(
            Jobs.Shell("sleep 100000", replicas: replicas, cpus: 0.05, memoryMib: 16),
            ct
        );
        await console.UntilAsync(
            $"state = 'Running' from workloads where id = {job}",
            $"{replicas} replicas running",
            TimeSpan.FromMinutes(3),
            ct
        );
        var before = await ContainersAsync(bare, console, job, ct);
        BenchException.Require(before.Count == replicas, $"{before.Count} of {replicas} containers");

        var (listens, connected, passed) = (new List<double>(), new List<double>(), new List<double>());
        for (var i = 0; i < rounds; i++)
        {
            await console.KillAsync(ct);
            await console.Sql.CopyJobAsync(template, 1, Queued, ct);
            var queued = await console.Sql.ScalarAsync<long>("select max(id) from workloads", ct);
            var began = Stopwatch.GetTimestamp();
            await console.StartAsync(ct);
            var listening = await console.Output.WhenAsync("Now listening on", s_patience, ct);
            var host = await console.Output.WhenAsync("connected to engine", s_patience, ct);
            var placed = await console.UntilAsync(
                $"placed_at is not null from workloads where id = {queued}",
                "the first pass",
                s_patience,
                ct
            );
            listens.Add(Stopwatch.GetElapsedTime(began, listening).TotalSeconds);
            // Before it listens counts as at once
            connected.Add(Math.Max(0, (host - listening) / (double)Stopwatch.Frequency));
            passed.Add(Math.Max(0, (placed - listening) / (double)Stopwatch.Frequency));
            await console.SucceededAsync(queued, ct);
            var after = await ContainersAsync(bare, console, job, ct);
            BenchException.Require(after.SetEquals(before), "the replicas' containers are not the same as before");
            var attempts = await console.Sql.ScalarAsync<long>(
                $"select count(*) from attempts where workload_id = {job} and state = 'Running'",
                ct
            );
            BenchException.Require(attempts == replicas, $"{attempts} of {replicas} attempts run");
        }
        run.Say($"killed and started {rounds} times with {replicas} replicas running: the same containers run on");
        run.Report.Add("started to listening", "s", listens);
        run.Report.Add("listening to host connected", "s", connected);
        run.Report.Add("listening to first pass", "s", passed);
        var slower = Math.Max(Spread.Of(connected).Median, Spread.Of(passed).Median);
        run.Report.Judge(
            "recover",
            slower / Target,
            1,
            atMost: true,
            $"the later of connected and first pass over {Target} s"
        );
    }

    private const string Queued = """
        jsonb_build_object('state', 'Queued', 'reason', 'WaitingForResources', 'submitted_at', now(), 'queued_at', now(),
          'host_name', null, 'placed_at', null, 'started_at', null, 'ended_at', null)
        """;

    private static async Task<HashSet<string>> ContainersAsync(
        BareEngine bare,
        BenchConsole console,
        long job,
        CancellationToken ct
    )
    {
        var all = await bare.Engine.ListAsync(await console.InstallIdAsync(ct), ct);
        return
        [
            .. all.Where(c =>
                    c.State == ContainerState.Running && c.Labels.GetValueOrDefault(Labels.Workload) == job.ToString()
                )
                .Select(c => c.Id),
        ];
    }
}
