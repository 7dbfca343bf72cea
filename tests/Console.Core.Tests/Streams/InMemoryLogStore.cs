using System.Collections.Concurrent;
using DeepLab.Core.Feeds;
using DeepLab.Core.Streams;

namespace DeepLab.Core.Tests.Streams;

/// <summary>The store's contract in memory, with a count of what it was asked and failures on order.</summary>
public sealed class InMemoryLogStore(ChangeFeed? feed = null) : ILogStore
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, SortedList<long, LogBlock>> _blocks = [];
    private readonly Dictionary<long, LogCursor> _cursors = [];

    public ConcurrentQueue<Exception> Failures { get; } = new();

    /// <summary>The next append is done, but its caller hears a failure.</summary>
    public bool LoseNextReply { get; set; }

    /// <summary>Awaited before each append is done.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;
    public int Appends { get; private set; }
    public int Reads { get; private set; }
    public int CursorReads { get; private set; }

    public Task<LogCursor?> FindCursorAsync(long attemptId, CancellationToken ct)
    {
        lock (_gate)
        {
            CursorReads++;
            return Task.FromResult(_cursors.GetValueOrDefault(attemptId));
        }
    }

    public Task<LogBlock?> FindLastBlockAsync(long attemptId, CancellationToken ct)
    {
        lock (_gate)
        {
            return Task.FromResult(_blocks.TryGetValue(attemptId, out var b) ? b.Values[^1] : null);
        }
    }

    public async Task AppendAsync(IReadOnlyList<LogBlock> blocks, LogCursor cursor, CancellationToken ct)
    {
        await Gate.WaitAsync(ct);
        if (Failures.TryDequeue(out var failure))
        {
            throw failure;
        }
        lock (_gate)
        {
            Appends++;
            foreach (var b in blocks)
            {
                if (!_blocks.TryGetValue(b.AttemptId, out var list))
                {
                    _blocks[b.AttemptId] = list = [];
                }
                list[b.FirstLine] = b;
            }
            _cursors[cursor.AttemptId] = cursor;
        }
        feed?.Publish(new Change(ChangeKind.Log, cursor.AttemptId));
        if (LoseNextReply)
        {
            LoseNextReply = false;
            throw new IOException("The reply was lost.");
        }
    }

    public Task<IReadOnlyList<LogBlock>> ReadAsync(long attemptId, long fromLine, int limit, CancellationToken ct)
    {
        lock (_gate)
        {
            Reads++;
            IReadOnlyList<LogBlock> found = _blocks.TryGetValue(attemptId, out var list)
                ? [.. list.Values.Where(b => b.FirstLine + b.LineCount > fromLine).Take(limit)]
                : [];
            return Task.FromResult(found);
        }
    }

    public Task<long?> FindLineAtAsync(long attemptId, long unixNanos, CancellationToken ct)
    {
        lock (_gate)
        {
            var lines = _blocks.TryGetValue(attemptId, out var list) ? list.Values.SelectMany(LogBlocks.Decode) : [];
            return Task.FromResult(
                lines.Where(l => l.UnixNanos >= unixNanos).Select(l => (long?)l.Number).FirstOrDefault()
            );
        }
    }

    /// <summary>Everything that is kept of a log; fails where the numbers have a hole or the cursor counts otherwise.</summary>
    public LogLine[] Lines(long attemptId)
    {
        lock (_gate)
        {
            var lines = _blocks.TryGetValue(attemptId, out var list)
                ? list.Values.SelectMany(LogBlocks.Decode).ToArray()
                : [];
            Assert.Equal(Enumerable.Range(0, lines.Length).Select(i => (long)i), lines.Select(l => l.Number));
            var cursor = _cursors[attemptId];
            Assert.Equal(lines.Count(l => !l.IsGap), cursor.Lines);
            Assert.Equal(lines.Count(l => l.IsGap), cursor.Gaps);
            Assert.Equal(lines.Length, cursor.Next);
            return lines;
        }
    }

    public IReadOnlyList<LogBlock> Blocks(long attemptId)
    {
        lock (_gate)
        {
            return [.. _blocks[attemptId].Values];
        }
    }
}
