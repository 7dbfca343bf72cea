using System.Diagnostics;

namespace DeepLab.Bench;

/// <summary>What a console costs that has nothing to do: with no job, and with replicas that run and say nothing.</summary>
internal static class IdleBench
{
    /// <summary>percent of a core</summary>
    private const double TargetCpu = 5;

    /// <summary>bytes</summary>
    private const double TargetMemory = 1L << 30;

    public static async Task RunAsync(Run run, CancellationToken ct)
    {
        var seconds = run.Options.Number("seconds", 30);
        var replicas = run.Options.Number("replicas", 100);
        var fake = run.Options.Number("fake", 1000);
        await using var console = await BenchConsole.StartNewAsync(ct);
        var engine = await Machine.EnginePidAsync(ct);
        run.Say(
            $"{seconds} s of quiet each, after 10 s in which the console settles; the yardstick is the engine's own CPU meanwhile"
        );

        var (empty, emptyEngine, emptyMemory) = await WatchAsync(console, engine, seconds, ct);
        var job = await console.SubmitAsync(
            Jobs.Shell("sleep 100000", replicas: replicas, cpus: 0.01, memoryMib: 6),
            ct
        );
        await console.UntilAsync(
            $"state = 'Running' from workloads where id = {job}",
            $"{replicas} replicas running",
            TimeSpan.FromMinutes(3),
            ct
        );
        var (busy, busyEngine, busyMemory) = await WatchAsync(console, engine, seconds, ct);
        var running = await console.Sql.ScalarAsync<long>("select count(*) from attempts where state = 'Running'", ct);
        BenchException.Require(running == replicas, $"{running} of {replicas} replicas run at the end");

        var (many, manyMemory) = await ManyAsync(fake, seconds, ct);

        run.Report.AddFigure("CPU, no job", "% of a core", empty, emptyEngine);
        run.Report.AddFigure("resident memory, no job", "MiB", emptyMemory / (1 << 20));
        run.Report.AddFigure($"CPU, {replicas} replicas", "% of a core", busy, busyEngine);
        run.Report.AddFigure($"resident memory, {replicas} replicas", "MiB", busyMemory / (1 << 20));
        run.Report.AddFigure($"CPU, {fake} replicas on an engine in memory (loop alone)", "% of a core", many);
        run.Report.AddFigure($"resident memory, {fake} replicas on an engine in memory", "MiB", manyMemory / (1 << 20));
        run.Report.Judge(
            "idle.fake",
            many / TargetCpu,
            1,
            atMost: true,
            $"CPU of the loop with {fake} replicas on an engine in memory over {TargetCpu} % of a core"
        );
        run.Report.Judge(
            "idle.memory",
            busyMemory / TargetMemory,
            1,
            atMost: true,
            $"memory with {replicas} replicas over 1 GiB"
        );
        run.Report.Judge(
            "idle",
            busy / TargetCpu,
            1,
            atMost: true,
            $"CPU with {replicas} replicas over {TargetCpu} % of a core"
        );
    }

    /// <summary>The core and its loop in this process, on an engine in memory: more replicas than a machine could run.</summary>
    private static async Task<(double Cpu, double Memory)> ManyAsync(int replicas, int seconds, CancellationToken ct)
    {
        await using var lab = await FakeLab.StartAsync(ct);
        await lab.RunAsync(replicas, ct);
        await Task.Delay(TimeSpan.FromSeconds(10), ct);
        var began = Stopwatch.GetTimestamp();
        var cpu = Machine.CpuSeconds(Environment.ProcessId);
        await Task.Delay(TimeSpan.FromSeconds(seconds), ct);
        var used = Machine.CpuSeconds(Environment.ProcessId) - cpu;
        return (
            100 * used / Stopwatch.GetElapsedTime(began).TotalSeconds,
            Machine.ResidentBytes(Environment.ProcessId)
        );
    }

    private static async Task<(double Cpu, double EngineCpu, double Memory)> WatchAsync(
        BenchConsole console,
        int engine,
        int seconds,
        CancellationToken ct
    )
    {
        await Task.Delay(TimeSpan.FromSeconds(10), ct);
        var began = Stopwatch.GetTimestamp();
        var (cpu, engineCpu) = (Machine.CpuSeconds(console.Pid), Machine.CpuSeconds(engine));
        await Task.Delay(TimeSpan.FromSeconds(seconds), ct);
        var took = Stopwatch.GetElapsedTime(began).TotalSeconds;
        return (
            100 * (Machine.CpuSeconds(console.Pid) - cpu) / took,
            100 * (Machine.CpuSeconds(engine) - engineCpu) / took,
            Machine.ResidentBytes(console.Pid)
        );
    }
}
