using System.Diagnostics;
using System.Globalization;
using DeepLab.Core.Metrics;
using DeepLab.Core.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using NpgsqlTypes;

namespace DeepLab.Bench;

/// <summary>
/// Curves into the database and out of it, in packed blocks as the console keeps them, against a row for each point in a
/// table of the same database, keyed by job, series and step. Both get the same points in the same batches, each a
/// transaction, as many series grow at once.
/// </summary>
internal static class MetricsBench
{
    private const double TargetIn = 10;
    private const double TargetDisk = 0.1;
    private const double TargetTail = 0.1;
    private const double TargetChart = 0.05;
    private const int Series = 100;
    private const int PointsOfABatch = 100;
    private const int Buckets = 500;
    private const int Tail = 1000;
    private const string Source = "worker-0/1";
    private static readonly long s_began = new DateTimeOffset(
        2026,
        1,
        1,
        0,
        0,
        0,
        TimeSpan.Zero
    ).ToUnixTimeMilliseconds();

    public static async Task InAsync(Run run, CancellationToken ct)
    {
        await using var bench = await MeasureInAsync(run, ct);
        var blocks = await bench.SizeAsync("series_blocks", ct) + await bench.SizeAsync("series_rows", ct);
        var rows = await bench.SizeAsync("bench_points", ct);
        await SayWhereWritesGoAsync(run, bench, ct);
        run.Report.AddFigure("disk, tables and their indexes", "MiB", blocks / (1 << 20), rows / (1 << 20));
        run.Report.Judge(
            "metrics-in.disk",
            blocks / rows,
            TargetDisk,
            atMost: true,
            "bytes on disk over the row table's"
        );
        run.Report.Judge(
            "metrics-in",
            Spread.Of(bench.Ours.Skip(1)).Median / Spread.Of(bench.Yardstick.Skip(1)).Median,
            TargetIn,
            atMost: false,
            "points durable a second over COPY into a row a point"
        );
    }

    public static async Task OutAsync(Run run, CancellationToken ct)
    {
        var reads = run.Options.Number("reads", 200);
        await using var bench = await MeasureInAsync(run, ct);
        await bench.Database.ExecuteAsync("vacuum analyze bench_points", ct);
        await bench.Database.ExecuteAsync("vacuum analyze series_blocks", ct);
        await bench.Database.ExecuteAsync("vacuum analyze series_rows", ct);
        var reader = new SeriesReader(bench.Store);
        var random = new Random(1);
        var (tail, tailRows, chart, chartRows) = (
            new List<double>(),
            new List<double>(),
            new List<double>(),
            new List<double>()
        );
        for (var i = 0; i < reads; i++)
        {
            var (job, series) = (random.Next(bench.Jobs), random.Next(Series));
            var info = bench.Infos[job][Key(job, series)];
            var after = At(bench.Points - Tail - 1);
            var began = Stopwatch.GetTimestamp();
            var last = await reader.TailAsync(info.Id, after, bench.Points - Tail - 1, Tail, ct);
            tail.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);

            began = Stopwatch.GetTimestamp();
            var lastRows = await bench.LastRowsAsync(job, series, ct);
            tailRows.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            BenchException.Require(
                last.Select(p => (p.Step, p.Value)).SequenceEqual(lastRows),
                "the last points are not those of the rows"
            );

            began = Stopwatch.GetTimestamp();
            var drawn = await reader.ChartAsync(info, 0, long.MaxValue, Buckets, byStep: true, ct);
            chart.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);

            began = Stopwatch.GetTimestamp();
            var (least, greatest, buckets) = await bench.ChartRowsAsync(job, series, ct);
            chartRows.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            BenchException.Require(
                drawn.Points.Min(p => p.Min) == least && drawn.Points.Max(p => p.Max) == greatest,
                "the chart's least and greatest are not those of the rows"
            );
            BenchException.Require(
                drawn.Points.Count is > Buckets / 2 and <= Buckets && buckets is > Buckets / 2 and <= Buckets,
                $"{drawn.Points.Count} and {buckets} buckets"
            );
        }
        await SayWhereReadsGoAsync(run, bench, random, reads, ct);
        run.Say($"{bench.Jobs * Series * (long)bench.Points:N0} points in all; each read of a series chosen at random");
        run.Report.Add($"last {Tail:N0} points", "ms", tail, tailRows);
        run.Report.Add($"{bench.Points:N0} points in {Buckets} buckets", "ms", chart, chartRows);
        run.Say(
            "the painted chart and the live point's way to the pixel are measured in a browser, by ChartSpeedTests"
        );
        run.Report.Judge(
            "metrics-out.tail",
            Spread.Of(tail).Median / Spread.Of(tailRows).Median,
            TargetTail,
            atMost: true,
            $"milliseconds for the last {Tail:N0} points over those of the row table"
        );
        run.Report.Judge(
            "metrics-out",
            Spread.Of(chart).Median / Spread.Of(chartRows).Median,
            TargetChart,
            atMost: true,
            $"milliseconds for a whole series in {Buckets} buckets over those of the row table"
        );
    }

    /// <summary>Of a batch: what no writer of durable batches is spared, what this process computes, and all of it.</summary>
    private static async Task SayWhereWritesGoAsync(Run run, Filled bench, CancellationToken ct)
    {
        const int Commits = 100;
        await bench.Database.ExecuteAsync("create table bench_commits (n int)", ct);
        var commits = new List<double>();
        for (var i = 0; i < Commits; i++)
        {
            var began = Stopwatch.GetTimestamp();
            await bench.Database.ExecuteAsync("insert into bench_commits values (1)", ct);
            commits.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }
        double Batch(IEnumerable<double> perSecond) =>
            Series * PointsOfABatch * 1000.0 / Spread.Of(perSecond.Skip(1)).Median;
        var own = Spread.Of(bench.OwnCpu.Skip(1)).Median;
        run.Say(
            string.Create(
                CultureInfo.InvariantCulture,
                $"a batch of {Series * PointsOfABatch:N0} points: {Batch(bench.Ours):0.00} ms, of which this process computes {own:0.00} ms and one durable transaction takes {Spread.Of(commits).Median:0.00} ms; by COPY {Batch(bench.Yardstick):0.00} ms"
            )
        );
    }

    /// <summary>Of a read of the last points: the way to the database and back, the blocks as they are kept, and their unpacking.</summary>
    private static async Task SayWhereReadsGoAsync(
        Run run,
        Filled bench,
        Random random,
        int reads,
        CancellationToken ct
    )
    {
        var (empty, packed, unpacked) = (new List<double>(), new List<double>(), new List<double>());
        for (var i = 0; i < reads; i++)
        {
            var info = bench.Infos[random.Next(bench.Jobs)].Values.ElementAt(random.Next(Series));
            var began = Stopwatch.GetTimestamp();
            await bench.Database.ScalarAsync<int>("select 1", ct);
            empty.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);

            began = Stopwatch.GetTimestamp();
            var read = await bench.Store.ReadAsync(
                info.Id,
                0,
                At(bench.Points - Tail - 1),
                long.MaxValue,
                SeriesDetail.Points,
                Tail / SeriesBlocks.RawPoints + 2,
                ct
            );
            packed.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);

            began = Stopwatch.GetTimestamp();
            var points = read.Blocks.Sum(b => SeriesBlocks.Unpack(b).Count);
            unpacked.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            BenchException.Require(points + read.Open.Count >= Tail, "too few points were read");
        }
        run.Say(
            string.Create(
                CultureInfo.InvariantCulture,
                $"of a read of the last points: an empty answer of the database {Spread.Of(empty).Median:0.000} ms, the blocks as they are kept {Spread.Of(packed).Median:0.000} ms, their unpacking {Spread.Of(unpacked).Median:0.000} ms"
            )
        );
    }

    /// <summary>One job a round, of <see cref="Series"/> series; the first round warms up.</summary>
    private static async Task<Filled> MeasureInAsync(Run run, CancellationToken ct)
    {
        var rounds = run.Options.Number("rounds", 5);
        var points = run.Options.Number("points", 10_000, 2 * Tail);
        var filled = await Filled.StartAsync(rounds + 1, points, ct);
        try
        {
            run.Say(await filled.Database.DurabilityAsync(ct));
            run.Say(
                $"{Series} series of {points:N0} points a round, {PointsOfABatch} of each in a batch; values as a program writes them, 32 bits"
            );
            for (var job = 0; job <= rounds; job++)
            {
                await filled.RoundAsync(job, ct);
            }
            run.Report.AddFigure("points durable, first round (warm-up)", "1/s", filled.Ours[0], filled.Yardstick[0]);
            run.Report.Add("points durable", "1/s", filled.Ours.Skip(1), filled.Yardstick.Skip(1));
            return filled;
        }
        catch
        {
            await filled.DisposeAsync();
            throw;
        }
    }

    private static SeriesKey Key(int job, int series) =>
        new(
            SeriesOwner.Job,
            // Above any job that the console itself has
            (1_000_000 + job).ToString(CultureInfo.InvariantCulture),
            string.Create(CultureInfo.InvariantCulture, $"loss/{series:D3}"),
            Source
        );

    private static long At(int step) => s_began + (step * 37L);

    /// <summary>A loss that falls, with the noise of its batches.</summary>
    private static double ValueOf(int job, int series, int step)
    {
        var noise =
            ((uint)step * 2_654_435_761u ^ (uint)series * 40_503u ^ (uint)job * 2_246_822_519u) / (double)uint.MaxValue;
        return (float)((2.5 * Math.Exp(-step / 3000.0)) + 0.05 + (0.02 * noise));
    }

    private sealed class Filled(BenchConsole console, int jobs, int points) : IAsyncDisposable
    {
        private readonly SeriesWriter _writer = new(
            new PostgresSeriesStore(console.Sql),
            TimeProvider.System,
            NullLogger<SeriesWriter>.Instance
        );

        public int Jobs => jobs;
        public int Points => points;
        public NpgsqlDataSource Database => console.Sql;
        public PostgresSeriesStore Store { get; } = new(console.Sql);
        public List<double> Ours { get; } = [];
        public List<double> Yardstick { get; } = [];

        /// <summary>Processor time of this process, milliseconds a batch, for <see cref="Ours"/>.</summary>
        public List<double> OwnCpu { get; } = [];
        public List<Dictionary<SeriesKey, SeriesInfo>> Infos { get; } = [];

        public static async Task<Filled> StartAsync(int jobs, int points, CancellationToken ct)
        {
            var console = await BenchConsole.StartNewAsync(ct);
            await console.Sql.ExecuteAsync(
                """
                create table bench_points (job int, series int, step bigint, unix_millis bigint, value double precision,
                  primary key (job, series, step))
                """,
                ct
            );
            return new Filled(console, jobs, points);
        }

        public async Task RoundAsync(int job, CancellationToken ct)
        {
            var batches = Enumerable
                .Range(0, points / PointsOfABatch)
                .Select(b => b * PointsOfABatch)
                .Select(first =>
                    (
                        from s in Enumerable.Range(0, Series)
                        from step in Enumerable.Range(first, PointsOfABatch)
                        select (Series: s, Point: new SeriesPoint(step, At(step), ValueOf(job, s, step)))
                    ).ToArray()
                )
                .ToArray();
            var keys = Enumerable.Range(0, Series).Select(s => Key(job, s)).ToArray();
            var given = batches.Select(b => b.Select(p => (keys[p.Series], p.Point)).ToArray()).ToArray();
            var computed = Environment.CpuUsage.TotalTime;
            var began = Stopwatch.GetTimestamp();
            foreach (var batch in given)
            {
                await _writer.WriteCurvesAsync(1_000_000 + job, batch, "bench", ct);
            }
            Ours.Add(points * (double)Series / Stopwatch.GetElapsedTime(began).TotalSeconds);
            OwnCpu.Add((Environment.CpuUsage.TotalTime - computed).TotalMilliseconds / given.Length);
            var infos = await Store.ListAsync(SeriesOwner.Job, keys[0].OwnerId, ct);
            BenchException.Require(
                infos.Count == Series && infos.All(i => i.Points == points),
                "not every point is in the blocks"
            );
            Infos.Add(infos.ToDictionary(i => i.Key));

            began = Stopwatch.GetTimestamp();
            await using var connection = await Database.OpenConnectionAsync(ct);
            foreach (var batch in batches)
            {
                await using var copy = await connection.BeginBinaryImportAsync(
                    "copy bench_points (job, series, step, unix_millis, value) from stdin (format binary)",
                    ct
                );
                foreach (var (series, point) in batch)
                {
                    await copy.StartRowAsync(ct);
                    await copy.WriteAsync(job, NpgsqlDbType.Integer, ct);
                    await copy.WriteAsync(series, NpgsqlDbType.Integer, ct);
                    await copy.WriteAsync(point.Step, NpgsqlDbType.Bigint, ct);
                    await copy.WriteAsync(point.UnixMillis, NpgsqlDbType.Bigint, ct);
                    await copy.WriteAsync(point.Value, NpgsqlDbType.Double, ct);
                }
                await copy.CompleteAsync(ct);
            }
            Yardstick.Add(points * (double)Series / Stopwatch.GetElapsedTime(began).TotalSeconds);
        }

        public async Task<double> SizeAsync(string table, CancellationToken ct) =>
            await Database.ScalarAsync<long>($"select pg_total_relation_size('{table}')", ct);

        public async Task<List<(long Step, double Value)>> LastRowsAsync(int job, int series, CancellationToken ct)
        {
            await using var command = Database.CreateCommand(
                """
                select step, unix_millis, value from (
                  select * from bench_points where job = $1 and series = $2 order by step desc limit $3) p
                order by step
                """
            );
            command.Parameters.Add(new() { Value = job });
            command.Parameters.Add(new() { Value = series });
            command.Parameters.Add(new() { Value = Tail });
            var rows = new List<(long, double)>(Tail);
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
            {
                rows.Add((reader.GetInt64(0), reader.GetDouble(2)));
            }
            return rows;
        }

        public async Task<(double Least, double Greatest, int Buckets)> ChartRowsAsync(
            int job,
            int series,
            CancellationToken ct
        )
        {
            await using var command = Database.CreateCommand(
                """
                select max(step), max(unix_millis), min(value), avg(value), max(value) from bench_points
                where job = $1 and series = $2 group by step * $3 / $4 order by 1
                """
            );
            command.Parameters.Add(new() { Value = job });
            command.Parameters.Add(new() { Value = series });
            command.Parameters.Add(new() { Value = (long)Buckets });
            command.Parameters.Add(new() { Value = (long)points });
            var (least, greatest, buckets) = (double.MaxValue, double.MinValue, 0);
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
            {
                buckets++;
                least = Math.Min(least, reader.GetDouble(2));
                greatest = Math.Max(greatest, reader.GetDouble(4));
            }
            return (least, greatest, buckets);
        }

        public async ValueTask DisposeAsync()
        {
            _writer.Dispose();
            await console.DisposeAsync();
        }
    }
}
