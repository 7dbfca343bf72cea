using DeepLab.Bench;
using Npgsql;

var benchmarks = new SortedDictionary<string, Func<Run, CancellationToken, Task>>(StringComparer.Ordinal)
{
    ["api"] = ApiBench.RunAsync,
    ["cold"] = ColdBench.RunAsync,
    ["gateway"] = GatewayBench.RunAsync,
    ["idle"] = IdleBench.RunAsync,
    ["launch"] = LaunchBench.RunAsync,
    ["logs"] = LogsBench.RunAsync,
    ["metrics-in"] = MetricsBench.InAsync,
    ["metrics-out"] = MetricsBench.OutAsync,
    ["notebook"] = NotebookBench.RunAsync,
    ["placement"] = PlacementBench.RunAsync,
    ["recover"] = RecoverBench.RunAsync,
    ["submit"] = SubmitBench.RunAsync,
    ["throughput"] = ThroughputBench.RunAsync,
};
if (args.Length == 0 || !benchmarks.TryGetValue(args[0], out var benchmark))
{
    await Console.Error.WriteLineAsync(
        $"Usage: ./lab bench NAME [--option NUMBER]; there is {string.Join(", ", benchmarks.Keys)}."
    );
    return 2;
}
using var interrupted = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    // What a benchmark made is taken away again
    e.Cancel = true;
    interrupted.Cancel();
};
var run = new Run(args[0], Options.Parse(args.AsSpan(1)), new Report(args[0]));
try
{
    run.Report.Say($"{args[0]}: load of this machine at the start {Machine.Load()}, {Environment.ProcessorCount} CPUs");
    await benchmark(run, interrupted.Token);
    await run.Report.EndAsync(interrupted.Token);
    return 0;
}
catch (BenchException e)
{
    await Console.Error.WriteLineAsync($"{args[0]} was not measured: {e.Message}");
    return 1;
}
catch (Exception e) when (e is HttpRequestException or NpgsqlException or IOException)
{
    await Console.Error.WriteLineAsync($"{args[0]} broke off: {e}");
    return 1;
}
