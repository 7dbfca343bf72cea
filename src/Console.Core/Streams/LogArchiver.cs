using System.Data.Common;
using System.Globalization;
using System.Text;
using DeepLab.Core.Engines;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Streams;

/// <summary>
/// Takes lines and makes them durable in batches, while more lines come: one write is in flight, the next gathers behind
/// it. A store that fails is asked again until it takes the batch; a batch written twice is the same batch.
/// </summary>
internal sealed class LogArchiver : IDisposable
{
    /// <summary>A line is durable at the latest so long after it was read, if the store keeps up.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(200);

    /// <summary>Text that may wait behind a slow store before reading stops.</summary>
    private const int BacklogLimit = 4 << 20;
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    private readonly ILogStore _store;
    private readonly RecentBlocks _recent;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly long _attemptId;
    private readonly OpenBlock _open;
    private readonly List<LogBlock> _full = [];
    private readonly CancellationTokenSource _giveUp = new();
    private Task _write = Task.CompletedTask;
    private LogCursor _cursor;
    private int _unsaved;
    private int _writing;
    private long _unsavedSince;

    private LogArchiver(
        ILogStore store,
        RecentBlocks recent,
        LogCursor cursor,
        OpenBlock open,
        LogTail tail,
        TimeProvider time,
        ILogger log
    )
    {
        (_store, _recent, _cursor, _open, Tail, _time, _log) = (store, recent, cursor, open, tail, time, log);
        _attemptId = cursor.AttemptId;
    }

    public LogCursor Cursor => _cursor;

    /// <summary>Marks of the last lines, stored or about to be.</summary>
    public LogTail Tail { get; }

    /// <summary>Goes on where the store says that the last archiver stood.</summary>
    public static async Task<LogArchiver> OpenAsync(
        ILogStore store,
        RecentBlocks recent,
        long attemptId,
        TimeProvider time,
        ILogger log,
        CancellationToken ct
    )
    {
        var cursor = await store.FindCursorAsync(attemptId, ct) ?? new LogCursor(attemptId, 0, 0, 0, 0, 0, false);
        var last = await store.FindLastBlockAsync(attemptId, ct);
        var tail = new LogTail();
        foreach (var block in last is null ? [] : await WithOneBeforeAsync(store, last, ct))
        {
            Remember(block, tail);
        }
        var open = last is null ? new OpenBlock(attemptId, 0) : OpenBlock.Resume(last);
        if (open.IsFull)
        {
            open.Next();
        }
        return new LogArchiver(store, recent, cursor, open, tail, time, log);
    }

    /// <summary>The last block may hold one line only, too few to know the place again by.</summary>
    private static async Task<IReadOnlyList<LogBlock>> WithOneBeforeAsync(
        ILogStore store,
        LogBlock last,
        CancellationToken ct
    ) =>
        last.FirstLine == 0 || last.LineCount > 64
            ? [last]
            : await store.ReadAsync(last.AttemptId, last.FirstLine - 1, 2, ct);

    private static void Remember(LogBlock block, LogTail tail)
    {
        var (meta, text) = LogBlocks.Unpack(block);
        var row = new LogRow(block.FirstUnixNanos);
        for (var i = 0; i < block.LineCount; i++)
        {
            row.Read(meta);
            if ((row.Flags & LogBlocks.GapFlag) != 0)
            {
                tail.Clear();
                continue;
            }
            var line = new AssembledLine((LogStream)row.Flags, row.UnixNanos, MayBeFragment: false);
            tail.Add(LineMark.Of(line, text.AsSpan(row.TextAt, row.TextLength)));
        }
    }

    public void Add(in AssembledLine line, ReadOnlySpan<byte> text, in LineMark mark)
    {
        Add(line.Stream, line.UnixNanos, text, isGap: false);
        Tail.Add(mark);
        _cursor = _cursor with
        {
            SameStampCount = line.UnixNanos == _cursor.LastUnixNanos ? _cursor.SameStampCount + 1 : 1,
            LastUnixNanos = line.UnixNanos,
            Lines = _cursor.Lines + 1,
            Bytes = _cursor.Bytes + text.Length,
        };
    }

    /// <summary>Lines from before a gap are on no engine any more: nothing after it can be known by them.</summary>
    public void AddGap(string sentence, long unixNanos)
    {
        Add(LogStream.Stderr, unixNanos, Encoding.UTF8.GetBytes(sentence), isGap: true);
        Tail.Clear();
        _cursor = _cursor with { Gaps = _cursor.Gaps + 1 };
        Log.Gap(_log, _attemptId, sentence);
    }

    private void Add(LogStream stream, long unixNanos, ReadOnlySpan<byte> text, bool isGap)
    {
        if (_unsaved == 0)
        {
            _unsavedSince = _time.GetTimestamp();
        }
        _open.Add(stream, unixNanos, text, isGap);
        _unsaved += text.Length + 1;
        if (_open.IsFull)
        {
            _full.Add(_open.Snapshot());
            _open.Next();
        }
    }

    /// <summary>Time until the oldest line that waits should be written; null where none waits.</summary>
    public TimeSpan? DueIn =>
        _unsaved == 0 ? null
        : _time.GetElapsedTime(_unsavedSince) is var waited && waited < Patience ? Patience - waited
        : TimeSpan.Zero;

    /// <summary>A full block waits, and the store is free, or too much waits for it.</summary>
    public bool MustFlush => _full.Count > 0 && (_write.IsCompleted || _unsaved >= BacklogLimit);

    /// <summary>The write in flight.</summary>
    public Task Writing => _write;

    /// <summary>
    /// Begins to write what waits; returns at once unless too much waits behind a write that is not done.
    /// </summary>
    public async ValueTask FlushAsync(CancellationToken ct)
    {
        if (_unsaved == 0 || (!_write.IsCompleted && _unsaved < BacklogLimit))
        {
            return;
        }
        if (!_write.IsCompleted)
        {
            Log.StoreIsSlow(_log, _attemptId, _unsaved);
        }
        await _write.WaitAsync(ct);
        Begin();
    }

    /// <summary>Returns when every line is durable, and with them that the log is complete.</summary>
    public async Task<LogCursor> CompleteAsync(CancellationToken ct)
    {
        _cursor = _cursor with { Complete = true };
        await _write.WaitAsync(ct);
        Begin();
        await _write.WaitAsync(ct);
        return _cursor;
    }

    /// <summary>Makes durable what it can within <paramref name="bound"/>; the next archiver fetches the rest again.</summary>
    public async Task CloseAsync(TimeSpan bound)
    {
        _giveUp.CancelAfter(bound);
        try
        {
            await _write;
            if (_unsaved > 0)
            {
                Begin();
                await _write;
            }
        }
        catch (OperationCanceledException e)
        {
            Log.ClosedEarly(_log, _attemptId, e);
        }
    }

    public void Dispose() => _giveUp.Dispose();

    private void Begin()
    {
        var blocks = new List<LogBlock>(_full);
        _full.Clear();
        if (_open.LineCount > 0)
        {
            blocks.Add(_open.Snapshot());
        }
        (_writing, _unsaved) = (_unsaved, 0);
        _write = WriteAsync(blocks, _cursor);
    }

    private async Task WriteAsync(List<LogBlock> blocks, LogCursor cursor)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                await _store.AppendAsync(blocks, cursor, _giveUp.Token);
                _writing = 0;
                _recent.Put(blocks);
                return;
            }
            catch (Exception e) when (e is DbException or TimeoutException or IOException)
            {
                Log.StoreFails(_log, _attemptId, _writing, e);
                await Task.Delay(Backoff.After(tries, LongestPause), _time, _giveUp.Token);
            }
        }
    }
}
