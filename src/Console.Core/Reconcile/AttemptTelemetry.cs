using DeepLab.Core.Engines;
using DeepLab.Core.Streams;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>Starts what is collected of a running container: log, use, curves.</summary>
public sealed class TelemetryStarter(
    ILogStore logs,
    RecentBlocks recent,
    EnginePolicy policy,
    TimeProvider time,
    ILogger<LogCollector> logger
)
{
    internal AttemptTelemetry Start(
        HostWorker host,
        AttemptRead read,
        string containerId,
        LeaderTerm term
    ) => new(new LogCollector(logs, recent, policy, time, logger), host.Engine, read.Attempt.Id, containerId, term.Ended);
}

/// <summary>The collectors of one attempt. They end with the container, or with the term.</summary>
internal sealed class AttemptTelemetry : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop;
    private readonly LogCollector _log;
    private readonly Task<LogCursor> _logRun;

    public AttemptTelemetry(
        LogCollector log,
        IContainerEngine engine,
        long attemptId,
        string containerId,
        CancellationToken ct
    )
    {
        _stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        _log = log;
        _logRun = log.RunAsync(engine, attemptId, containerId, _stop.Token);
    }

    /// <summary>Something happened to the container.</summary>
    public void Nudge() => _log.Nudge();

    /// <summary>Returns when the log is read to its end and durable; answers the lines kept.</summary>
    public async Task<long> CompleteAsync(CancellationToken ct)
    {
        _log.Nudge();
        return (await _logRun.WaitAsync(ct)).Lines;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await ((Task)_logRun).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _log.Dispose();
        _stop.Dispose();
    }
}
