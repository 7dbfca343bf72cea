using System.Data.Common;
using System.Globalization;
using DeepLab.Core.Engines;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Streams;

/// <summary>
/// Brings the log of one attempt's container into the archive, whatever happens to engine, store or console meanwhile: it
/// goes on from the stored cursor, follows for as long as following is exact, and reads snapshots where it is not. One
/// instance an attempt; only the leader runs it.
/// </summary>
public sealed class LogCollector(
    ILogStore store,
    RecentBlocks recent,
    EnginePolicy policy,
    TimeProvider time,
    ILogger<LogCollector> log
) : IDisposable
{
    /// <summary>A container that started so shortly before is followed from its first line without another look.</summary>
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ClosingTime = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan NotStartedPause = TimeSpan.FromMilliseconds(500);

    /// <summary>A stream that ends so soon, so often, is not worth opening at full speed.</summary>
    private static readonly TimeSpan QuickEnd = TimeSpan.FromMilliseconds(50);
    private const int QuickEndsAllowed = 4;

    /// <summary>An ended container whose log cannot be read so often never will be.</summary>
    private const int TriesAfterEnd = 8;

    private readonly CancellationTokenSource _abandoned = new();
    private readonly SemaphoreSlim _nudges = new(0, 1);

    /// <summary>Something happened to the container (its die event came): do not sleep on.</summary>
    public void Nudge()
    {
        try
        {
            _nudges.Release();
        }
        catch (Exception e) when (e is SemaphoreFullException or ObjectDisposedException)
        {
            // A nudge is pending already, or the collector is done: whoever nudges cannot know
        }
    }

    /// <summary>The container will never be read to its end (its host is lost): close the archive with a gap.</summary>
    public void Abandon() => _abandoned.Cancel();

    /// <summary>
    /// Returns when the container has ended, or is gone, and its log is complete and durable; then the container may go.
    /// Waits through any absence of engine and store. Cancelled, it stores what it has within three seconds.
    /// </summary>
    /// <exception cref="OperationCanceledException">The log is not complete; another run goes on from the cursor.</exception>
    public async Task<LogCursor> RunAsync(
        IContainerEngine engine,
        long attemptId,
        string containerId,
        CancellationToken ct
    )
    {
        using var archive = await OpenAsync(attemptId, ct);
        if (archive.Cursor.Complete)
        {
            return archive.Cursor;
        }
        var done = false;
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, _abandoned.Token);
            try
            {
                await CollectAsync(engine, archive, containerId, either.Token);
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                AddClosingGap(archive, "the container was given up before its log was read to its end");
            }
            var cursor = await archive.CompleteAsync(ct);
            done = true;
            Log.Complete(log, attemptId, cursor.Lines);
            return cursor;
        }
        finally
        {
            if (!done)
            {
                await archive.CloseAsync(ClosingTime);
            }
        }
    }

    /// <summary>
    /// Ends the log of an attempt whose container nobody will read any more; where it was not read to its end, with a gap that
    /// says why. Answers whether there is one.
    /// </summary>
    public async Task<bool> CloseAsync(long attemptId, string why, CancellationToken ct)
    {
        using var archive = await OpenAsync(attemptId, ct);
        if (archive.Cursor.Complete)
        {
            return archive.Cursor.Gaps > 0;
        }
        AddClosingGap(archive, why);
        await archive.CompleteAsync(ct);
        return true;
    }

    private async Task<LogArchiver> OpenAsync(long attemptId, CancellationToken ct)
    {
        for (var failures = 0; ; failures++)
        {
            try
            {
                return await LogArchiver.OpenAsync(store, recent, attemptId, time, log, ct);
            }
            catch (Exception e) when (e is DbException or TimeoutException or IOException)
            {
                Log.StoreFails(log, attemptId, 0, e);
                await Task.Delay(Backoff.After(failures, LongestPause), time, ct);
            }
        }
    }

    private async Task CollectAsync(
        IContainerEngine engine,
        LogArchiver archive,
        string containerId,
        CancellationToken ct
    )
    {
        var watch = new RotationWatch(policy.LogMaxSize);
        watch.Count(archive.Cursor);
        var reading = new LogReading(engine, containerId, archive, watch, time);
        var failures = 0;
        var quickEnds = 0;
        var isOver = false;
        while (true)
        {
            try
            {
                var report = await engine.InspectAsync(containerId, ct);
                if (report is null)
                {
                    AddClosingGap(archive, "the container was gone before its log was read to its end");
                    return;
                }
                isOver = IsOver(report);
                await ReadAsync(report, isOver);
                if (isOver)
                {
                    return;
                }
                failures = 0;
            }
            catch (EngineUnreachableException e)
            {
                Log.EngineAway(log, archive.Cursor.AttemptId, e.Message);
                await PauseAsync(archive, Backoff.After(failures++, LongestPause), ct);
            }
            catch (EngineException e) when (!isOver || failures < TriesAfterEnd)
            {
                // Gone, perhaps: the next look says so
                Log.EngineAway(log, archive.Cursor.AttemptId, e.Message);
                await PauseAsync(archive, Backoff.After(failures++, LongestPause), ct);
            }
            catch (EngineException e)
            {
                AddClosingGap(archive, $"the engine could not read the rest of this log: {e.Message}");
                return;
            }
        }

        async Task ReadAsync(ContainerReport report, bool ended)
        {
            if (report.State == ContainerState.Created && !ended)
            {
                await PauseAsync(archive, NotStartedPause, ct);
                return;
            }
            var isFresh = archive.Cursor.Next == 0 && (time.GetUtcNow() - report.StartedAt)?.Duration() < Fresh;
            if (ended || !isFresh || !watch.MayFollow)
            {
                await reading.CatchUpAsync(ended, ct);
            }
            if (!ended && watch.MayFollow)
            {
                var from = time.GetTimestamp();
                await reading.FollowAsync(ct);
                // Between the end of the stream and the end of the container lie milliseconds, and no more
                quickEnds = time.GetElapsedTime(from) < QuickEnd ? quickEnds + 1 : 0;
                if (quickEnds > QuickEndsAllowed)
                {
                    await PauseAsync(archive, QuickEnd, ct);
                }
            }
            else if (!ended && reading.NewLines < BusyLines)
            {
                await PauseAsync(archive, PollEvery(policy), ct);
            }
        }
    }

    /// <summary>A snapshot that brought so many lines is followed by the next without a pause.</summary>
    private const int BusyLines = 500;

    /// <summary>Before an engine at full speed (64 MB/s) can fill all the files it keeps.</summary>
    private static TimeSpan PollEvery(EnginePolicy policy) =>
        TimeSpan.FromMilliseconds(Math.Clamp(policy.LogMaxSize * policy.LogMaxFiles / 64_000, 20, 200));

    /// <summary>A start that failed leaves a container that is only created, with an exit code.</summary>
    private static bool IsOver(ContainerReport r) =>
        r.State is ContainerState.Exited or ContainerState.Dead or ContainerState.Removing
        || (r.State == ContainerState.Created && r.ExitCode != 0);

    private void AddClosingGap(LogArchiver archive, string why)
    {
        var last = archive.Cursor.LastUnixNanos;
        var now = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
        archive.AddGap(
            string.Create(CultureInfo.InvariantCulture, $"… lines of this log may be missing: {why}"),
            last == 0 ? now : last
        );
    }

    private async Task PauseAsync(LogArchiver archive, TimeSpan pause, CancellationToken ct)
    {
        await archive.FlushAsync(ct);
        using var timeout = new CancellationTokenSource(pause, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        try
        {
            await _nudges.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            // Slept through
        }
    }

    public void Dispose()
    {
        _abandoned.Dispose();
        _nudges.Dispose();
    }
}
