using System.Diagnostics;

namespace DeepLab.Bench;

/// <summary>
/// Logs in and out: collecting what a program wrote until it is durable, against `docker logs`; and following it live
/// through the console's door, against one `docker logs -f`.
/// </summary>
internal static class LogsBench
{
    private const double Target = 0.95;
    private const double TargetCpu = 0.5;
    private const double TargetOneReader = 0.95;
    private const double TargetManyReaders = 0.9;
    private const double TargetEngineCpu = 1.05;
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    public static async Task RunAsync(Run run, CancellationToken ct)
    {
        var lines = run.Options.Number("lines", 300_000);
        var rounds = run.Options.Number("rounds", 5);
        var readers = run.Options.Number("readers", 20, 2);
        await using var bare = await BareEngine.MakeAsync(ct);
        await using var console = await BenchConsole.StartNewAsync(ct);
        var enginePid = await Machine.EnginePidAsync(ct);
        run.Say(await console.Sql.DurabilityAsync(ct));
        run.Say($"{lines:N0} lines of one length a log; each is counted where it arrives");
        await CollectAsync(run, bare, console, enginePid, lines, rounds, ct);
        await FollowAsync(run, bare, console, enginePid, lines, rounds, readers, ct);
    }

    /// <summary>
    /// The console is held by SIGSTOP while the program writes, so that the program's own speed limits nobody; then it is let
    /// go, and collects what `docker logs` reads in the same round.
    /// </summary>
    private static async Task CollectAsync(
        Run run,
        BareEngine bare,
        BenchConsole console,
        int enginePid,
        int lines,
        int rounds,
        CancellationToken ct
    )
    {
        var (yardstick, ours, cpu, engineCpu) = (
            new List<double>(),
            new List<double>(),
            new List<double>(),
            new List<double>()
        );
        for (var i = 0; i <= rounds; i++)
        {
            var id = await bare.RunAsync(Jobs.Lines(lines, 0), ct);
            await bare.EndedAsync(id, ct);
            var asked = Stopwatch.GetTimestamp();
            var read = await bare.ReadLogAsync(id, follow: false, ct);
            yardstick.Add(read.Lines / Stopwatch.GetElapsedTime(asked, read.Last).TotalSeconds);
            Whole(read, lines);
            await bare.Engine.RemoveAsync(id, force: true, ct);

            var job = await console.SubmitAsync(Jobs.Lines(lines, 2), ct);
            await console.RunningAsync(job, ct);
            var attempt = await console.Sql.ScalarAsync<long>($"select id from attempts where workload_id = {job}", ct);
            id = await console.Sql.ScalarAsync<string>($"select container_id from attempts where id = {attempt}", ct);
            await console.SignalAsync("STOP", ct);
            await bare.EndedAsync(id, ct);
            var (consoleBefore, engineBefore) = (Machine.CpuSeconds(console.Pid), Machine.CpuSeconds(enginePid));
            var released = Stopwatch.GetTimestamp();
            await console.SignalAsync("CONT", ct);
            var durable = await console.UntilAsync(
                $"exists (select from log_cursors where attempt_id = {attempt} and lines >= {lines})",
                "the last line durable",
                s_patience,
                ct
            );
            ours.Add(lines / Stopwatch.GetElapsedTime(released, durable).TotalSeconds);
            cpu.Add(Machine.CpuSeconds(console.Pid) - consoleBefore);
            engineCpu.Add(Machine.CpuSeconds(enginePid) - engineBefore);
            await console.SucceededAsync(job, ct);
            Whole(await console.FollowAsync(job, ct), lines);
        }
        run.Report.AddFigure("collected, first round (warm-up)", "lines/s", ours[0], yardstick[0]);
        run.Report.Add("collected until durable", "lines/s", ours.Skip(1), yardstick.Skip(1));
        run.Report.Add("  CPU of console, of engine", "s", cpu.Skip(1), engineCpu.Skip(1));
        run.Report.Judge(
            "logs.in-cpu",
            Median(cpu.Skip(1)) / Median(engineCpu.Skip(1)),
            TargetCpu,
            atMost: true,
            "CPU seconds of the console over the engine's, while the log was collected"
        );
        run.Report.Judge(
            "logs",
            Median(ours.Skip(1)) / Median(yardstick.Skip(1)),
            Target,
            atMost: false,
            "lines per second until durable, over `docker logs` read to nowhere"
        );
    }

    private static async Task FollowAsync(
        Run run,
        BareEngine bare,
        BenchConsole console,
        int enginePid,
        int lines,
        int rounds,
        int readers,
        CancellationToken ct
    )
    {
        var (follower, one, many) = (new List<double>(), new List<double>(), new List<double>());
        var (followerCpu, oneCpu, manyCpu, consoleCpu) = (
            new List<double>(),
            new List<double>(),
            new List<double>(),
            new List<double>()
        );
        for (var i = 0; i < rounds; i++)
        {
            var before = Machine.CpuSeconds(enginePid);
            var id = await bare.RunAsync(Jobs.Lines(lines, 1), ct);
            var read = await bare.ReadLogAsync(id, follow: true, ct);
            follower.Add(read.LinesPerSecond);
            followerCpu.Add(Machine.CpuSeconds(enginePid) - before);
            Whole(read, lines);
            await bare.EndedAsync(id, ct);
            await bare.Engine.RemoveAsync(id, force: true, ct);

            foreach (var (count, rates, cpu) in new[] { (1, one, oneCpu), (readers, many, manyCpu) })
            {
                before = Machine.CpuSeconds(enginePid);
                var consoleBefore = Machine.CpuSeconds(console.Pid);
                var job = await console.SubmitAsync(Jobs.Lines(lines, 1), ct);
                await console.RunningAsync(job, ct);
                var readings = await Task.WhenAll(Enumerable.Range(0, count).Select(_ => console.FollowAsync(job, ct)));
                cpu.Add(Machine.CpuSeconds(enginePid) - before);
                if (count > 1)
                {
                    consoleCpu.Add(Machine.CpuSeconds(console.Pid) - consoleBefore);
                }
                Array.ForEach(readings, r => Whole(r, lines));
                // The slowest reader speaks for all
                rates.Add(readings.Min(r => r.LinesPerSecond));
                await console.SucceededAsync(job, ct);
            }
        }
        run.Report.Add("followed live, 1 reader", "lines/s", one, follower);
        run.Report.Add($"followed live, slowest of {readers}", "lines/s", many, follower);
        run.Report.Add("  CPU of engine, 1 reader", "s", oneCpu, followerCpu);
        run.Report.Add($"  CPU of engine, {readers} readers", "s", manyCpu, followerCpu);
        run.Report.Add($"  CPU of console, {readers} readers", "s", consoleCpu);
        var yardstick = Median(follower);
        run.Report.Judge(
            "logs.out-1",
            Median(one) / yardstick,
            TargetOneReader,
            atMost: false,
            "1 reader over one `docker logs -f`"
        );
        run.Report.Judge(
            $"logs.out-{readers}",
            Median(many) / yardstick,
            TargetManyReaders,
            atMost: false,
            $"the slowest of {readers} readers over one `docker logs -f`"
        );
        run.Report.Judge(
            "logs.out-engine-cpu",
            Median(manyCpu) / Median(followerCpu),
            TargetEngineCpu,
            atMost: true,
            $"CPU seconds of the engine with {readers} readers at the console, over those with one `docker logs -f`"
        );
    }

    private static void Whole(Reading reading, int lines) =>
        BenchException.Require(reading.Lines == lines, $"{reading.Lines:N0} of {lines:N0} lines came");

    private static double Median(IEnumerable<double> values) => Spread.Of(values).Median;
}
