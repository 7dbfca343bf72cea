using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;

namespace DeepLab.Bench;

/// <summary>
/// POST /jobs by four clients, each answer durable: the console is killed after the last one, and every id that it gave
/// must be in the database.
/// </summary>
internal static class SubmitBench
{
    private const int Clients = 4;
    private const double Target = 5;
    private const double TargetP99 = 1;

    public static async Task RunAsync(Run run, CancellationToken ct)
    {
        var each = run.Options.Number("jobs", 250);
        var rounds = run.Options.Number("rounds", 5);
        await using var console = await BenchConsole.StartNewAsync(ct);
        run.Say(await console.Sql.DurabilityAsync(ct));
        var hasSlurm = Machine.Has("sbatch");
        // One job holds a GPU for the while, so that those that ask for all of them wait: the engine stays out of it
        var holder = await console.SubmitAsync(Jobs.Shell("sleep 100000", gpus: 1), ct);
        await console.RunningAsync(holder, ct);
        var gpus = await console.Sql.ScalarAsync<long>("select count(*) from gpus", ct);
        var body = BenchConsole.Body(Jobs.Shell("true", gpus: (int)gpus));
        await console.Sql.ExecuteAsync("create table bare_commits (id bigserial primary key, body text not null)", ct);

        var acknowledged = new ConcurrentBag<long>();
        var (ours, commits, slurm) = (new Calls(), new Calls(), new Calls());
        var warmUp = new Calls();
        await warmUp.RunAsync(Math.Max(1, each / 5), async () => acknowledged.Add(await console.SubmitAsync(body, ct)));
        for (var i = 0; i < rounds; i++)
        {
            await commits.RunAsync(each, () => CommitAsync(console.Sql, ct));
            await ours.RunAsync(each, async () => acknowledged.Add(await console.SubmitAsync(body, ct)));
            if (hasSlurm)
            {
                await slurm.RunAsync(Math.Min(each, 50), () => SbatchAsync(ct));
            }
        }
        await console.KillAsync(ct);
        await AllThereAsync(console.Sql, holder, acknowledged, ct);
        run.Say(
            $"killed after the last answer, all {acknowledged.Count:N0} acknowledged jobs are in the database, queued"
        );

        run.Report.Add($"warm-up, {Clients} clients", "jobs/s", warmUp.Rates);
        run.Report.Add($"POST /jobs, {Clients} clients (yardstick: bare commits)", "1/s", ours.Rates, commits.Rates);
        run.Report.AddFigure("  p50", "ms", Spread.Of(ours.Millis).Median, Spread.Of(commits.Millis).Median);
        run.Report.AddFigure("  p99", "ms", Spread.Of(ours.Millis).P99, Spread.Of(commits.Millis).P99);
        if (!hasSlurm)
        {
            run.Say(
                "sbatch is not installed here, so there is no ratio; a bare INSERT and COMMIT of the body stands beside it."
            );
            run.Report.Judge("submit.p99", null, TargetP99, atMost: true, "p99 over that of sbatch: absent");
            run.Report.Judge("submit", null, Target, atMost: false, "rate over that of sbatch: absent");
            return;
        }
        run.Report.Add($"POST /jobs against sbatch, {Clients} clients", "1/s", ours.Rates, slurm.Rates);
        run.Report.Judge(
            "submit.p99",
            Spread.Of(ours.Millis).P99 / Spread.Of(slurm.Millis).P99,
            TargetP99,
            atMost: true,
            "p99 over that of sbatch"
        );
        run.Report.Judge(
            "submit",
            Spread.Of(ours.Rates).Median / Spread.Of(slurm.Rates).Median,
            Target,
            atMost: false,
            "rate over that of sbatch"
        );
    }

    private static async Task CommitAsync(NpgsqlDataSource database, CancellationToken ct)
    {
        await using var command = database.CreateCommand("insert into bare_commits (body) values (repeat('x', 400))");
        await command.ExecuteNonQueryAsync(ct);
    }

    private static async Task SbatchAsync(CancellationToken ct)
    {
        var (code, output, _) = await Machine.CommandAsync(
            ["sbatch", "--hold", "--output=/dev/null", "--wrap=true"],
            null,
            ct
        );
        BenchException.Require(code == 0, $"sbatch: {output}");
    }

    private static async Task AllThereAsync(
        NpgsqlDataSource database,
        long holder,
        IReadOnlyCollection<long> acknowledged,
        CancellationToken ct
    )
    {
        var distinct = acknowledged.Distinct().ToArray();
        BenchException.Require(distinct.Length == acknowledged.Count, "an id was given twice");
        await using var command = database.CreateCommand(
            "select count(*) from workloads where id = any($1) and state = 'Queued' and id <> $2"
        );
        command.Parameters.AddWithValue(distinct);
        command.Parameters.AddWithValue(holder);
        var there = (long)(await command.ExecuteScalarAsync(ct))!;
        BenchException.Require(
            there == distinct.Length,
            $"{there} of {distinct.Length} acknowledged jobs are in the database"
        );
    }

    /// <summary>Calls by several clients at once: each latency, and the rate of each round.</summary>
    private sealed class Calls
    {
        public ConcurrentBag<double> Millis { get; } = [];
        public List<double> Rates { get; } = [];

        public async Task RunAsync(int each, Func<Task> call)
        {
            var began = Stopwatch.GetTimestamp();
            await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => ClientAsync(each, call)));
            Rates.Add(each * Clients / Stopwatch.GetElapsedTime(began).TotalSeconds);
        }

        private async Task ClientAsync(int each, Func<Task> call)
        {
            for (var i = 0; i < each; i++)
            {
                var began = Stopwatch.GetTimestamp();
                await call();
                Millis.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            }
        }
    }
}
