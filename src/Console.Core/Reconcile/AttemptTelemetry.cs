using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>Starts what is collected of a container: log, use, curves, checkpoints.</summary>
public sealed class TelemetryStarter(
    ILogStore logs,
    RecentBlocks recent,
    EnginePolicy policy,
    ISeriesStore series,
    IMediaStore media,
    SeriesWriter writer,
    CheckpointTools checkpoints,
    TimeProvider time,
    ILoggerFactory loggers
)
{
    internal AttemptTelemetry Start(HostWorker host, AttemptRead read, string containerId, LeaderTerm term)
    {
        var a = read.Attempt;
        return new AttemptTelemetry(
            host.Engine,
            a.Id,
            containerId,
            Collector(),
            new EventFileCollector(
                host.Engine,
                new EventFileTarget(containerId, a.WorkloadId, a.Id, a.ReplicaName, a.Number)
                {
                    Folder = EventFileLaunch.FolderOf(read.Spec, a),
                },
                series,
                writer,
                time,
                loggers.CreateLogger<EventFileCollector>(),
                read.Spec.Metrics is { } metrics
                    ? new LogMetricsReader(logs, new LogPatterns(metrics.Patterns), a.Id).ReadAsync
                    : null,
                media
            ),
            new ContainerSampler(
                host.Engine,
                containerId,
                a.Id,
                writer,
                time,
                loggers.CreateLogger<ContainerSampler>()
            ),
            read.Spec.Checkpoint is null
                ? null
                : new CheckpointWatch(host.Engine, read, containerId, checkpoints, term),
            term.Ended
        );
    }

    /// <summary>Ends the log of an attempt whose container is out of reach for ever; answers whether it has a gap.</summary>
    /// <param name="why">what a line in the log says of it</param>
    internal async Task<bool> CloseLogAsync(long attemptId, string why, CancellationToken ct)
    {
        using var collector = Collector();
        return await collector.CloseAsync(attemptId, why, ct);
    }

    private LogCollector Collector() => new(logs, recent, policy, time, loggers.CreateLogger<LogCollector>());
}

/// <param name="Lines">of the log that were kept</param>
/// <param name="Notices">what a user should know of the curves, as sentences</param>
internal sealed record Collected(long Lines, IReadOnlyList<string> Notices);

/// <summary>The collectors of one attempt. They end with the container, or with the term.</summary>
internal sealed class AttemptTelemetry : IAsyncDisposable
{
    /// <summary>A connection that breaks so often in the same archive is not what breaks it.</summary>
    private const int EndsTried = 5;

    private readonly CancellationTokenSource _stop;
    private readonly LogCollector _log;
    private readonly EventFileCollector _curves;
    private readonly Task<LogCursor> _logRun;
    private readonly Task _curvesRun;
    private readonly Task _samplerRun;
    private readonly Task _watchRun;
    private readonly CheckpointWatch? _watch;
    private int _brokenEnds;

    public AttemptTelemetry(
        IContainerEngine engine,
        long attemptId,
        string containerId,
        LogCollector log,
        EventFileCollector curves,
        ContainerSampler sampler,
        CheckpointWatch? watch,
        CancellationToken ct
    )
    {
        _stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        _log = log;
        _curves = curves;
        _logRun = log.RunAsync(engine, attemptId, containerId, _stop.Token);
        _curvesRun = curves.RunAsync(_stop.Token);
        _samplerRun = sampler.RunAsync(_stop.Token);
        _watch = watch;
        _watchRun = watch?.RunAsync(_stop.Token) ?? Task.CompletedTask;
    }

    /// <summary>The log's collector gave up, which it should not: another one goes on from the stored cursor.</summary>
    public bool IsBroken => _logRun.IsFaulted;

    /// <summary>Something happened to the container.</summary>
    public void Nudge()
    {
        _log.Nudge();
        _watch?.Nudge();
    }

    /// <summary>
    /// Returns when log and curves are read to their end and durable; to be called once the container has ended. Curves that
    /// cannot be read are told and do not hold the container back.
    /// </summary>
    public async Task<Collected> CompleteAsync(CancellationToken ct)
    {
        _log.Nudge();
        _curves.NoteEnd();
        var cursor = await _logRun.WaitAsync(ct);
        // However reading beside the program ended, the end reads what it left
        await _curvesRun.WaitAsync(ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        ct.ThrowIfCancellationRequested();
        List<string> notices = [];
        try
        {
            await _curves.FinishAsync(ct);
        }
        catch (IOException e) when (++_brokenEnds < EndsTried)
        {
            throw new EngineUnreachableException($"the last event files broke off: {e.Message}", e);
        }
        catch (Exception e) when (e is EngineException or IOException)
        {
            notices.Add($"the last event files could not be read: {e.Message}");
        }
        notices.AddRange(_curves.Notices);
        return new Collected(cursor.Lines, notices);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_logRun, _curvesRun, _samplerRun, _watchRun)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _log.Dispose();
        _stop.Dispose();
    }
}
