using System.Collections.Concurrent;
using DeepLab.Core.Engines;

namespace DeepLab.Bench;

/// <summary>From the submission of a job to its program's first instruction, against a bare create and start.</summary>
internal static class LaunchBench
{
    private const double Target = 1.05;
    private const double TargetP99 = 1.15;

    /// <summary>Milliseconds after the submission. The engine tells its events after it has done what they say.</summary>
    private sealed record Launch(
        double Answered,
        double Placed,
        double Created,
        double FirstInstruction,
        double Started
    );

    public static async Task RunAsync(Run run, CancellationToken ct)
    {
        var rounds = run.Options.Number("rounds", 40);
        var warmUp = run.Options.Number("warm-up", 5);
        await using var bare = await BareEngine.MakeAsync(ct);
        await using var probe = await LaunchProbe.MakeAsync(bare, ct);
        run.Say(probe.Description);
        await using var console = await BenchConsole.StartNewAsync(ct);
        run.Say(await console.Sql.DurabilityAsync(ct));

        using var over = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var seen = new ConcurrentDictionary<(string Container, string Action), DateTimeOffset>();
        Task[] watches =
        [
            WatchAsync(bare, bare.InstallId, seen, over.Token),
            WatchAsync(bare, await console.InstallIdAsync(ct), seen, over.Token),
        ];
        var yardstick = new List<Launch>();
        var ours = new List<Launch>();
        for (var i = 0; i < warmUp + rounds; i++)
        {
            yardstick.Add(await BareAsync(bare, probe, seen, ct));
            ours.Add(await OursAsync(bare, console, probe, seen, ct));
        }
        await over.CancelAsync();
        await Task.WhenAll(watches).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        Add(run, $"first {warmUp}, warm-up", ours.Take(warmUp), yardstick.Take(warmUp), l => l.FirstInstruction);
        ours.RemoveRange(0, warmUp);
        yardstick.RemoveRange(0, warmUp);
        Add(run, "submit to first instruction", ours, yardstick, l => l.FirstInstruction);
        var p99 = Percentile(ours);
        var p99Bare = Percentile(yardstick);
        run.Report.AddFigure("  99th percentile", "ms", p99, p99Bare);
        run.Report.Add("  to: POST answered", "ms", ours.Select(l => l.Answered));
        run.Report.Add("  to: leased (transaction begun)", "ms", ours.Select(l => l.Placed));
        Add(run, "  to: container created", ours, yardstick, l => l.Created);
        Add(run, "  to: engine says started", ours, yardstick, l => l.Started);
        Add(run, "  created to first instruction", ours, yardstick, l => l.FirstInstruction - l.Created);

        run.Report.Judge(
            "launch.p99",
            p99 / p99Bare,
            TargetP99,
            atMost: true,
            "99th percentiles, ours over bare create + start"
        );
        run.Report.Judge(
            "launch",
            Median(ours) / Median(yardstick),
            Target,
            atMost: true,
            "medians of submit to first instruction, ours over bare create + start"
        );
    }

    private static async Task<Launch> BareAsync(
        BareEngine bare,
        LaunchProbe probe,
        ConcurrentDictionary<(string, string), DateTimeOffset> seen,
        CancellationToken ct
    )
    {
        var plan = bare.Plan(probe.Spec);
        var (began, at) = (probe.Now(), TimeProvider.System.GetUtcNow());
        var id = await bare.Engine.CreateAsync(plan, ct);
        await bare.Engine.StartAsync(id, ct);
        await bare.EndedAsync(id, ct);
        var stamp = LaunchProbe.Stamp(await bare.TextAsync(id, ct));
        var launch = new Launch(
            0,
            0,
            await SinceAsync(seen, id, "create", at, ct),
            (stamp - began) / 1e6,
            await SinceAsync(seen, id, "start", at, ct)
        );
        await bare.Engine.RemoveAsync(id, force: true, ct);
        return launch;
    }

    private static async Task<Launch> OursAsync(
        BareEngine bare,
        BenchConsole console,
        LaunchProbe probe,
        ConcurrentDictionary<(string, string), DateTimeOffset> seen,
        CancellationToken ct
    )
    {
        var body = BenchConsole.Body(probe.Spec);
        var (began, at) = (probe.Now(), TimeProvider.System.GetUtcNow());
        var job = await console.SubmitAsync(body, ct);
        var answered = (probe.Now() - began) / 1e6;
        await console.SucceededAsync(job, ct);
        var stamp = LaunchProbe.Stamp(await console.TextAsync(job, ct));
        var placed = await console.Sql.ScalarAsync<DateTime>(
            $"select leased_at from attempts where workload_id = {job}",
            ct
        );
        var id = await console.Sql.ScalarAsync<string>(
            $"select container_id from attempts where workload_id = {job}",
            ct
        );
        BenchException.Require(
            await bare.Engine.InspectAsync(id, ct) is null,
            $"the container of job {job} is still there"
        );
        return new Launch(
            answered,
            (placed - at.UtcDateTime).TotalMilliseconds,
            await SinceAsync(seen, id, "create", at, ct),
            (stamp - began) / 1e6,
            await SinceAsync(seen, id, "start", at, ct)
        );
    }

    private static async Task WatchAsync(
        BareEngine bare,
        string installId,
        ConcurrentDictionary<(string, string), DateTimeOffset> seen,
        CancellationToken ct
    )
    {
        await foreach (var e in bare.Engine.EventsAsync(installId, ct))
        {
            seen[(e.ContainerId, e.Action)] = e.At;
        }
    }

    private static async Task<double> SinceAsync(
        ConcurrentDictionary<(string, string), DateTimeOffset> seen,
        string container,
        string action,
        DateTimeOffset from,
        CancellationToken ct
    )
    {
        // The container has ended: its events are here, or on their way
        for (var i = 0; i < 200; i++)
        {
            if (seen.TryGetValue((container, action), out var at))
            {
                return (at - from).TotalMilliseconds;
            }
            await Task.Delay(TimeSpan.FromMilliseconds(10), ct);
        }
        throw new BenchException($"the engine did not tell of {action} of {container}");
    }

    private static void Add(
        Run run,
        string what,
        IEnumerable<Launch> ours,
        IEnumerable<Launch> yardstick,
        Func<Launch, double> figure
    ) => run.Report.Add(what, "ms", ours.Select(figure), yardstick.Select(figure));

    private static double Median(IEnumerable<Launch> launches) =>
        Spread.Of(launches.Select(l => l.FirstInstruction)).Median;

    private static double Percentile(IEnumerable<Launch> launches) =>
        Spread.Of(launches.Select(l => l.FirstInstruction)).P99;
}
