using DeepLab.Core.Engines;

namespace DeepLab.Core.Streams;

/// <summary>
/// The ways to read one container's log. <see cref="CatchUpAsync"/> reads snapshots: exact in any case, since the engine
/// opens all its files at one moment. <see cref="FollowAsync"/> reads on as lines come: quick, and exact as long as the
/// engine's file does not rotate.
/// </summary>
internal sealed class LogReading(
    IContainerEngine engine,
    string containerId,
    LogArchiver archive,
    RotationWatch watch,
    TimeProvider time
)
{
    private const int LeastTail = 64;
    private const int GreatestTail = 100_000;
    private const int Growth = 8;

    /// <summary>Frames between two looks at the clock.</summary>
    private const int Stride = 64;

    /// <summary>The engine reads a tail backwards through the file: no more than about this much each time.</summary>
    private const long TailBytes = 1 << 20;
    private static readonly TimeSpan Undecided = TimeSpan.FromSeconds(2);
    private int _tail = LeastTail;

    /// <summary>Lines that the last snapshot brought.</summary>
    public int NewLines { get; private set; }

    /// <summary>Archives everything that the engine keeps at this moment.</summary>
    /// <param name="isEnd">the container has ended</param>
    public async Task CatchUpAsync(bool isEnd, CancellationToken ct)
    {
        if (archive.Tail.Count > 0)
        {
            for (var tail = _tail; tail <= GreatestTail; tail *= Growth)
            {
                if (await ReadAsync(new LogQuery(Follow: false, Tail: tail), isEnd, ct) == Splice.Joined)
                {
                    _tail = Math.Clamp(NewLines * 2, LeastTail, GreatestTail);
                    return;
                }
            }
            var since = archive.Tail[0].UnixNanos - LogSplice.CrossingNanos;
            if (await ReadAsync(new LogQuery(Follow: false, SinceUnixNanos: since), isEnd, ct) == Splice.Joined)
            {
                return;
            }
        }
        // Nothing stored, or a gap was stored and nothing behind it
        long? from = archive.Tail.Count == 0 && archive.Cursor.Next > 0 ? archive.Cursor.LastUnixNanos + 1 : null;
        await ReadAsync(new LogQuery(Follow: false, SinceUnixNanos: from), isEnd, ct);
    }

    /// <summary>Archives lines as they come. Returns when the stream ends or may no longer be trusted.</summary>
    public async Task FollowAsync(CancellationToken ct)
    {
        int? tail = archive.Tail.Count == 0 ? null : _tail;
        if (tail is null && archive.Cursor.Next > 0)
        {
            return;
        }
        if (await ReadAsync(new LogQuery(Follow: true, Tail: tail), isEnd: false, ct) == Splice.TooShort)
        {
            _tail = Math.Min(_tail * Growth, GreatestTail);
        }
    }

    private async Task<Splice> ReadAsync(LogQuery query, bool isEnd, CancellationToken ct)
    {
        var splice = new LogSplice(
            archive,
            watch,
            fromStart: query is { Tail: null, SinceUnixNanos: null },
            reachesBack: query.Tail is null
        );
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        await using var frames = engine.LogsAsync(containerId, query, stop.Token).GetAsyncEnumerator(stop.Token);
        while (true)
        {
            bool more;
            var next = frames.MoveNextAsync();
            if (next.IsCompleted)
            {
                more = await next;
            }
            else
            {
                var pending = next.AsTask();
                if (!await WaitAsync(pending, query.Follow && !splice.IsJoined, ct))
                {
                    await stop.CancelAsync();
                    await ((Task)pending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    return Splice.TooShort;
                }
                more = await pending;
            }
            if (!more)
            {
                break;
            }
            if (splice.Take(frames.Current) is { } instead)
            {
                return instead;
            }
            if (query.Follow && !splice.IsJoined && splice.Frames >= query.Tail)
            {
                return Splice.TooShort;
            }
            if (archive.MustFlush)
            {
                await archive.FlushAsync(ct);
            }
            if (splice.Frames % Stride == 0)
            {
                if (archive.DueIn == TimeSpan.Zero)
                {
                    await archive.FlushAsync(ct);
                }
                if (query.Follow && !await MayGoOnAsync(frames.Current.UnixNanos, ct))
                {
                    return Splice.Joined;
                }
            }
        }
        NewLines = splice.NewLines;
        return query.Follow ? Splice.Joined : splice.End(isAll: splice.Frames < query.Tail, isEnd);
    }

    /// <summary>
    /// Whoever reads slower than a program wrote lags behind, and may think that it writes still: the newest line of all, which
    /// costs the engine a millisecond, tells how long it did.
    /// </summary>
    private async ValueTask<bool> MayGoOnAsync(long frameUnixNanos, CancellationToken ct)
    {
        if (!watch.MayFollow)
        {
            return false;
        }
        if (watch.IsSafe(frameUnixNanos, time.GetUtcNow()))
        {
            return true;
        }
        var asked = time.GetUtcNow();
        await foreach (var newest in engine.LogsAsync(containerId, new LogQuery(Follow: false, Tail: 1), ct))
        {
            watch.Newest(newest.UnixNanos, asked);
        }
        return watch.IsSafe(frameUnixNanos, time.GetUtcNow());
    }

    /// <summary>Waits for the next frame, and meanwhile stores what is due. False where patience ran out.</summary>
    private async Task<bool> WaitAsync(Task<bool> frame, bool isUndecided, CancellationToken ct)
    {
        var from = time.GetTimestamp();
        while (!frame.IsCompleted)
        {
            var patience = Undecided - time.GetElapsedTime(from);
            if (isUndecided && patience <= TimeSpan.Zero)
            {
                return false;
            }
            if (archive.DueIn == TimeSpan.Zero)
            {
                await Task.WhenAny(frame, archive.Writing);
                await archive.FlushAsync(ct);
            }
            else if ((archive.DueIn ?? (isUndecided ? patience : null)) is { } pause)
            {
                await Task.WhenAny(frame, Task.Delay(pause, time, CancellationToken.None));
            }
            else
            {
                await Task.WhenAny(frame);
            }
        }
        return true;
    }
}
