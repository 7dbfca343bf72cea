using System.Diagnostics;
using System.Text.Json;

namespace DeepLab.Bench;

/// <summary>The list of jobs over a long history and a long queue: its first page, a filter, a search.</summary>
internal static class ApiBench
{
    /// <summary>milliseconds</summary>
    private const double TargetP99 = 25;
    private const double TargetSqueue = 0.1;

    public static async Task RunAsync(Run run, CancellationToken ct)
    {
        var history = run.Options.Number("history", 100_000);
        var queued = run.Options.Number("queued", 10_000);
        var rounds = run.Options.Number("rounds", 200);
        await using var console = await BenchConsole.StartNewAsync(ct);
        await FillAsync(run, console, history, queued, ct);

        // In the middle of the history, so that it is found neither first nor last
        var name = $"train-{history / 2:D7}";
        (string What, string Path, Func<JsonElement, bool> IsRight)[] calls =
        [
            ("first page", "/api/v1/jobs", i => i.GetArrayLength() == 50),
            ("filter: queued", "/api/v1/jobs?state=Queued", i => All(i, "Queued")),
            ("filter: failed", "/api/v1/jobs?state=Failed", i => All(i, "Failed")),
            ("filter: running (few)", "/api/v1/jobs?state=Running", i => i.GetArrayLength() == 0),
            ("search, one hit", $"/api/v1/jobs?search={name}", i => i.GetArrayLength() == 1),
            ("search, no hit", "/api/v1/jobs?search=no-such-name", i => i.GetArrayLength() == 0),
            ("queue, 200 of a page", "/api/v1/jobs?state=Queued&limit=200", i => i.GetArrayLength() == 200),
        ];
        var millis = calls.ToDictionary(c => c.What, _ => new List<double>());
        var sql = new List<double>();
        var warmUp = new List<double>();
        for (var i = -1; i < rounds; i++)
        {
            foreach (var (what, path, isRight) in calls)
            {
                var began = Stopwatch.GetTimestamp();
                var bytes = await console.Http.GetByteArrayAsync(path, ct);
                var took = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
                (i < 0 ? warmUp : millis[what]).Add(took);
                using var json = JsonDocument.Parse(bytes);
                BenchException.Require(
                    isRight(json.RootElement.GetProperty("items")),
                    $"{what}: not what was asked for"
                );
            }
            if (i >= 0)
            {
                sql.Add(await BareQueryAsync(console, ct));
            }
        }
        run.Report.Add("first call of each (warm-up)", "ms", warmUp);
        foreach (var (what, _, _) in calls)
        {
            run.Report.Add(what, "ms", millis[what], what == "first page" ? sql : null);
            run.Report.AddFigure("  p99", "ms", Spread.Of(millis[what]).P99);
        }
        run.Say("the yardstick of the first page is its plain SQL, asked from here");
        await JudgeSqueueAsync(run, Spread.Of(millis["queue, 200 of a page"]).Median * queued / 200, ct);
        var worst = millis.MaxBy(m => Spread.Of(m.Value).P99);
        run.Report.Judge(
            "api",
            Spread.Of(worst.Value).P99 / TargetP99,
            1,
            atMost: true,
            $"the greatest 99th percentile, that of \"{worst.Key}\", over {TargetP99} ms"
        );
    }

    private static async Task FillAsync(Run run, BenchConsole console, int history, int queued, CancellationToken ct)
    {
        var id = await console.SubmitAsync(Jobs.Shell("true"), ct);
        await console.SucceededAsync(id, ct);
        await console.Sql.CopyJobAsync(
            id,
            history,
            """
            jsonb_build_object('name', 'train-' || lpad(n::text, 7, '0'),
              'state', case n % 50 when 0 then 'Failed' when 1 then 'Stopped' else 'Succeeded' end,
              'submitted_at', now() - n * interval '10 seconds', 'ended_at', now() - n * interval '9 seconds')
            """,
            ct
        );
        // They ask for more than any host has, so that the queue stays as it is
        await console.Sql.CopyJobAsync(
            id,
            queued,
            """
            jsonb_build_object('name', 'queued-' || n, 'state', 'Queued', 'reason', 'WaitingForResources', 'gpus_asked', 1000,
              'host_name', null, 'placed_at', null, 'started_at', null, 'ended_at', null,
              'spec_json', jsonb_set(w.spec_json, '{roles,0,resources,gpus}', '1000'))
            """,
            ct
        );
        await console.Sql.TellQueueAsync(ct);
        var began = Stopwatch.GetTimestamp();
        await console.UntilAsync(
            $"(select count(*) from workloads where state = 'Queued' and jsonb_array_length(waits) > 0) = {queued}",
            "a reason for every queued job",
            TimeSpan.FromMinutes(5),
            ct
        );
        run.Say(
            $"{history:N0} jobs in history, {queued:N0} queued; their reasons were written within "
                + $"{Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s, and the loop goes on beside the calls"
        );
    }

    private static bool All(JsonElement items, string state) =>
        items.GetArrayLength() == 50 && items.EnumerateArray().All(i => i.GetProperty("state").GetString() == state);

    private static async Task<double> BareQueryAsync(BenchConsole console, CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        await using var command = console.Sql.CreateCommand(
            """
            select id, name, owner_name, state, reason, message, gpus_asked, gpus_held, host_name, priority,
              submitted_at, queued_at, started_at, ended_at
            from workloads where deleted_at is null order by id desc limit 51
            """
        );
        await using var reader = await command.ExecuteReaderAsync(ct);
        var rows = 0;
        while (await reader.ReadAsync(ct))
        {
            rows++;
        }
        BenchException.Require(rows == 51, $"{rows} rows");
        return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
    }

    /// <param name="wholeQueue">milliseconds to page through the queue</param>
    private static async Task JudgeSqueueAsync(Run run, double wholeQueue, CancellationToken ct)
    {
        if (!Machine.Has("squeue"))
        {
            run.Say("squeue is not installed here: its ratio is absent");
            run.Report.Judge("api.squeue", null, TargetSqueue, atMost: true, "the whole queue over squeue: absent");
            return;
        }
        var times = new List<double>();
        for (var i = 0; i < 5; i++)
        {
            var (code, output, took) = await Machine.CommandAsync(["squeue"], null, ct);
            BenchException.Require(code == 0, $"squeue: {output}");
            times.Add(took.TotalMilliseconds);
        }
        var squeue = Spread.Of(times).Median;
        run.Report.AddFigure("the whole queue, page by page", "ms", wholeQueue, squeue);
        run.Report.Judge("api.squeue", wholeQueue / squeue, TargetSqueue, atMost: true, "the whole queue over squeue");
    }
}
