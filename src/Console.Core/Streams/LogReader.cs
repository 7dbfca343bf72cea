using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using DeepLab.Core.Feeds;

namespace DeepLab.Core.Streams;

/// <summary>
/// Reads kept lines; following waits for the archive to grow, so live and archived reading are one thing and there is
/// no seam between them. Blocks just read or written are cached, so that many readers of one log cost one.
/// </summary>
public sealed class LogReader(ILogStore store, RecentBlocks recent, ChangeFeed feed, TimeProvider time)
{
    /// <summary>Blocks fetched at once by who reads on: about 2 MiB of text.</summary>
    private const int FetchAhead = 16;

    /// <summary>A change may be missed where its carrier was away: look again after this.</summary>
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(2);
    private readonly ConcurrentDictionary<long, FollowedLog> _followed = new();

    /// <summary>One fetch of a log at a time: who comes second finds the blocks of the first.</summary>
    private readonly SemaphoreSlim[] _fetching = [.. Enumerable.Range(0, 64).Select(_ => new SemaphoreSlim(1))];

    /// <summary>Lines stored so far and whether more may come.</summary>
    public Task<LogCursor?> FindCursorAsync(long attemptId, CancellationToken ct) =>
        store.FindCursorAsync(attemptId, ct);

    public async Task<IReadOnlyList<LogLine>> ReadAsync(long attemptId, long fromLine, int count, CancellationToken ct)
    {
        var read = new List<LogLine>();
        while (read.Count < count)
        {
            var missing = count - read.Count;
            var lines = await NextAsync(attemptId, fromLine, missing, ct);
            if (lines.Count == 0)
            {
                break;
            }
            read.AddRange(lines.Count > missing ? lines[..missing] : lines);
            fromLine = read[^1].Number + 1;
        }
        return read;
    }

    /// <summary>Batches of lines from <paramref name="fromLine"/> on; ends when the log is complete and was read to its end.</summary>
    public async IAsyncEnumerable<IReadOnlyList<LogLine>> FollowAsync(
        long attemptId,
        long fromLine,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        // Subscribed before the first look: what comes after it wakes us
        using var changes = feed.Subscribe(c => c.Kind == ChangeKind.Log && c.Id == attemptId);
        var log = Enter(attemptId);
        try
        {
            while (true)
            {
                var cursor = await log.CursorAsync(store, time, ct);
                while (cursor is not null && fromLine < cursor.Next)
                {
                    var lines = await NextAsync(attemptId, fromLine, int.MaxValue, ct);
                    if (lines.Count == 0)
                    {
                        break;
                    }
                    fromLine = lines[^1].Number + 1;
                    yield return lines;
                }
                if (cursor is { Complete: true })
                {
                    yield break;
                }
                await changes.NextAsync(LookAgain, time, ct);
            }
        }
        finally
        {
            Leave(log);
        }
    }

    /// <summary>Lines that contain the text (case-insensitive), from <paramref name="fromLine"/> on.</summary>
    /// <returns>the hits, and the line to go on from; null where the end was reached</returns>
    public Task<(IReadOnlyList<LogLine> Hits, long? Next)> SearchAsync(
        long attemptId,
        string text,
        long fromLine,
        int limit,
        CancellationToken ct
    ) => LogSearch.RunAsync(store, attemptId, text, fromLine, limit, ct);

    /// <summary>First line at or after a time; null where the log has none so late.</summary>
    public Task<long?> FindLineAtAsync(long attemptId, DateTimeOffset at, CancellationToken ct) =>
        store.FindLineAtAsync(attemptId, (at - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick, ct);

    /// <summary>The rest of the block that holds the line, or of the next one there is; empty at the end.</summary>
    private async Task<ArraySegment<LogLine>> NextAsync(long attemptId, long line, int wanted, CancellationToken ct)
    {
        if (Find(attemptId, line) is { Count: > 0 } found)
        {
            return found;
        }
        var gate = _fetching[attemptId % _fetching.Length];
        await gate.WaitAsync(ct);
        try
        {
            if (Find(attemptId, line) is { Count: > 0 } meanwhile)
            {
                return meanwhile;
            }
            // Blocks of ordinary text hold more lines than this
            var limit = Math.Clamp(wanted / 500, 1, FetchAhead);
            var blocks = await store.ReadAsync(attemptId, line, limit, ct);
            recent.Put(blocks);
            foreach (var block in blocks)
            {
                if (block.FirstLine + block.LineCount > line)
                {
                    var from = Math.Max(line, block.FirstLine);
                    return Find(attemptId, from) is { Count: > 0 } cached
                        ? cached
                        : LogBlocks.Decode(block).AsSegment(from - block.FirstLine);
                }
            }
            return [];
        }
        finally
        {
            gate.Release();
        }
    }

    private ArraySegment<LogLine> Find(long attemptId, long line) =>
        recent.TryFind(attemptId, line, out var lines) ? lines.AsSegment(line - lines[0].Number) : [];

    private FollowedLog Enter(long attemptId)
    {
        while (true)
        {
            var log = _followed.GetOrAdd(attemptId, static id => new FollowedLog(id));
            if (log.TryEnter())
            {
                return log;
            }
            _followed.TryRemove(KeyValuePair.Create(attemptId, log));
        }
    }

    private void Leave(FollowedLog log)
    {
        if (log.Leave())
        {
            _followed.TryRemove(KeyValuePair.Create(log.AttemptId, log));
            log.Dispose();
        }
    }
}

file static class Segments
{
    public static ArraySegment<LogLine> AsSegment(this LogLine[] lines, long from) =>
        new(lines, (int)from, lines.Length - (int)from);
}
