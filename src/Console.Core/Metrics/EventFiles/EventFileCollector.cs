using System.Buffers;
using System.Data.Common;
using DeepLab.Core.Engines;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Metrics;

/// <summary>
/// Reads the event files of one attempt: about every second by one exec while the container runs (less often while nothing
/// comes, and by none before its program has made something in the folder), and what is left through the archive API once it
/// ended; beside them the kept lines of its log, where the job asks for metrics out of it. Each scalar is stored exactly once,
/// whatever breaks in between. Not for several threads: <see cref="RunAsync"/> must have returned before
/// <see cref="FinishAsync"/>.
/// </summary>
public sealed class EventFileCollector(
    IContainerEngine engine,
    EventFileTarget target,
    ISeriesStore store,
    SeriesWriter writer,
    TimeProvider time,
    ILogger<EventFileCollector> logger,
    ReadLogMetrics? log = null,
    IMediaStore? media = null
)
{
    // One exec costs the engine about 80 ms of CPU: a busy curve a twentieth of a core, an idle job a hundredth
    private static readonly TimeSpan s_least = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan s_most = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan s_longestRound = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_longestBackoff = TimeSpan.FromSeconds(30);

    /// <summary>Shells say 126 or 127, and the engine itself where there is no shell.</summary>
    private const int NotExecutable = 126;

    private readonly List<string> _notices = [];
    private EventFileState? _state;
    private bool _onlyLog;
    private bool _isTouched;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What a user should know, as sentences: damaged files, limits that were passed, no shell in the image.</summary>
    public IReadOnlyList<string> Notices => [.. _notices];

    /// <summary>The container has ended: <see cref="RunAsync"/> returns after the look it is at.</summary>
    public void NoteEnd() => _ended.TrySetResult();

    /// <summary>Returns when the container has ended, when it cannot be looked into, or when cancelled (then it throws).</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        var pause = s_least;
        var failures = 0;
        while (!_ended.Task.IsCompleted)
        {
            try
            {
                switch (await RoundAsync(ct))
                {
                    case Round.Ended:
                    case Round.Impossible when log is null:
                        return;
                    case Round.Impossible:
                        _onlyLog = true;
                        pause = s_least;
                        break;
                    case Round.More:
                        pause = TimeSpan.Zero;
                        break;
                    case Round.Moved:
                        pause = s_least;
                        break;
                    default:
                        pause = Min(Max(pause, s_least) * 1.5, s_most);
                        break;
                }
                failures = 0;
            }
            catch (EngineException e) when (e.Kind is EngineErrorKind.NotFound or EngineErrorKind.Conflict)
            {
                if (!await IsRunningAsync(ct))
                {
                    return;
                }
                pause = s_most;
            }
            catch (Exception e) when (IsPassing(e) && !ct.IsCancellationRequested)
            {
                // What is in memory may be stored or not: read it from the store
                _state = null;
                Log.EventFilesLater(logger, target.WorkloadId, target.Replica, target.Attempt, e.Message);
                pause = Min(s_least * Math.Pow(2, ++failures), s_longestBackoff);
            }
            await _ended.Task.WaitAsync(pause, time, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            ct.ThrowIfCancellationRequested();
        }
    }

    /// <summary>
    /// Reads the rest, once the container has ended. Returns when all is durable. Throws what the engine or the store
    /// throws; calling again goes on where it stopped.
    /// </summary>
    public async Task FinishAsync(CancellationToken ct)
    {
        var isDone = false;
        try
        {
            var state = await StateAsync(ct);
            await using var archive = await engine.GetArchiveAsync(target.ContainerId, target.Folder + "/.", ct);
            if (archive is not null)
            {
                await EventFileArchive.ReadAsync(archive, state, ct);
            }
            while (await ReadLogAsync(state, ct))
            {
                await state.SaveAsync(ct);
            }
            await state.SaveAsync(ct);
            isDone = true;
        }
        finally
        {
            if (!isDone)
            {
                _state = null;
            }
        }
    }

    private enum Round
    {
        Idle,
        Moved,
        More,
        Impossible,
        Ended,
    }

    private async Task<Round> RoundAsync(CancellationToken ct)
    {
        var state = await StateAsync(ct);
        var moved = await ReadLogAsync(state, ct);
        if (!_onlyLog && await IsTouchedAsync(ct))
        {
            var round = await FilesAsync(state, ct);
            return round == Round.Idle && moved ? Round.Moved : round;
        }
        await state.SaveAsync(ct);
        return moved ? Round.Moved
            : !_onlyLog || await IsRunningAsync(ct) ? Round.Idle
            : Round.Ended;
    }

    /// <summary>Answers whether there may be more.</summary>
    private async Task<bool> ReadLogAsync(EventFileState state, CancellationToken ct)
    {
        if (log is null)
        {
            return false;
        }
        if (state.LogLines >= LogPiece.MostLines)
        {
            state.Tell($"Metrics are read from the first {LogPiece.MostLines:N0} lines of a log only.");
            return false;
        }
        var before = state.LogLines;
        state.FeedLog(await log(before, ct));
        return state.LogLines > before;
    }

    private async Task<Round> FilesAsync(EventFileState state, CancellationToken ct)
    {
        var output = new ArrayBufferWriter<byte>(4096);
        using var bound = new CancellationTokenSource(s_longestRound, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, bound.Token);
        ExecResult result;
        try
        {
            result = await engine.ExecAsync(
                target.ContainerId,
                EventFileRound.Command(target.Folder, state.Wanted()),
                bytes =>
                {
                    if (output.WrittenCount + bytes.Length > EventFileRound.MaxOutput)
                    {
                        throw new TooMuchException();
                    }
                    output.Write(bytes.Span);
                    return ValueTask.CompletedTask;
                },
                both.Token
            );
        }
        catch (TooMuchException)
        {
            state.Tell(
                "The container's own shell tools do not work as they should; curves are read when it has ended."
            );
            return Round.Impossible;
        }
        catch (EngineException e)
            when (e.Kind is EngineErrorKind.CommandNotFound or EngineErrorKind.CommandNotExecutable)
        {
            return NoShell(state);
        }
        if (result.ExitCode is EventFileRound.NoTools or NotExecutable)
        {
            return NoShell(state);
        }
        if (result.ExitCode != 0)
        {
            // Killed, as when the container ended meanwhile: what came may be cut
            return await IsRunningAsync(ct) ? Round.Idle : Round.Impossible;
        }
        var files = 0;
        foreach (var frame in EventFileRound.Parse(output.WrittenMemory))
        {
            files++;
            state.Feed(frame.Name, frame.Offset, frame.Bytes.Span);
        }
        await state.SaveAsync(ct);
        return files >= EventFileRound.MaxFiles || output.WrittenCount >= EventFileRound.MaxBytes ? Round.More
            : files > 0 ? Round.Moved
            : Round.Idle;
    }

    /// <summary>
    /// A folder that is not there, or in which nothing was made since the console made it, needs no exec to be known empty. It is
    /// made with the first of all times (<see cref="Workloads.CodeTarWriter"/>), so that no clock is asked.
    /// </summary>
    private async Task<bool> IsTouchedAsync(CancellationToken ct) =>
        _isTouched =
            _isTouched
            || await engine.StatAsync(target.ContainerId, target.Folder, ct) is { } stat
                && !(stat.IsFolder && stat.ChangedAt == DateTimeOffset.UnixEpoch);

    private static Round NoShell(EventFileState state)
    {
        state.Tell(
            "The image has no shell with find, wc, tail and head; curves are read when the container has ended."
        );
        return Round.Impossible;
    }

    private async Task<EventFileState> StateAsync(CancellationToken ct)
    {
        if (_state is null)
        {
            var state = new EventFileState(target, writer, time, logger, Keep, media);
            await state.LoadAsync(store, ct);
            _state = state;
        }
        return _state;
    }

    private void Keep(string notice)
    {
        if (!_notices.Contains(notice, StringComparer.Ordinal))
        {
            _notices.Add(notice);
        }
    }

    private async Task<bool> IsRunningAsync(CancellationToken ct)
    {
        try
        {
            var report = await engine.InspectAsync(target.ContainerId, ct);
            return report?.State is ContainerState.Running or ContainerState.Paused;
        }
        catch (EngineUnreachableException)
        {
            return true; // nothing is known: look again later
        }
    }

    private static bool IsPassing(Exception e) =>
        e
            is EngineUnreachableException
                or EngineException
                or DbException
                or IOException
                or TimeoutException
                or InvalidOperationException
        || e is OperationCanceledException;

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;

    private sealed class TooMuchException : Exception;
}
