using System.Runtime.CompilerServices;
using System.Text;
using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Streams;

namespace DeepLab.Core.Tests.Streams;

public sealed class LogReaderTests
{
    private const long Attempt = 3;
    private const long Start = 1_800_000_000_000_000_000;
    private readonly ChangeFeed _feed = new();
    private readonly InMemoryLogStore _store;
    private readonly RecentBlocks _recent = new();
    private readonly LogReader _reader;
    private OpenBlock _open = new(Attempt, 0);
    private int _lines;
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public LogReaderTests()
    {
        _store = new InMemoryLogStore(_feed);
        _reader = new LogReader(_store, _recent, _feed, TimeProvider.System);
    }

    [Fact]
    public async Task Any_range_is_read_across_blocks()
    {
        await WriteAsync(20_000);
        Assert.True(_store.Blocks(Attempt).Count > 3);
        foreach (var (from, count) in new[] { (0, 10), (9_999, 7_000), (19_990, 100), (20_000, 5), (0, 20_000) })
        {
            var lines = await _reader.ReadAsync(Attempt, from, count, Ct);
            Assert.Equal(
                Enumerable.Range(from, Math.Min(count, Math.Max(0, 20_000 - from))).Select(Text),
                lines.Select(l => l.Text)
            );
        }
        Assert.Empty(await _reader.ReadAsync(attemptId: 99, 0, 10, Ct));
    }

    [Fact]
    public async Task Twenty_followers_see_every_line_once_and_cost_about_one()
    {
        const int Batches = 60;
        const int Lines = 500;
        using var seenABatch = new SemaphoreSlim(0);
        var followers = Enumerable
            .Range(0, 20)
            .Select(_ =>
                CollectAsync(
                    onLines: (before, now) =>
                    {
                        if (now / Lines > before / Lines)
                        {
                            seenABatch.Release((now / Lines) - (before / Lines));
                        }
                    }
                )
            )
            .ToArray();
        for (var i = 0; i < Batches; i++)
        {
            await WriteAsync(Lines, complete: i == Batches - 1);
            // All keep pace: whoever reads a block before it has grown has other strings than who reads it after
            foreach (var _ in followers)
            {
                await seenABatch.WaitAsync(Ct);
            }
        }
        foreach (var seen in await Task.WhenAll(followers))
        {
            Assert.Equal(Enumerable.Range(0, Batches * Lines).Select(Text), seen.Select(l => l.Text));
        }
        // The same strings, not twenty of each
        var all = await Task.WhenAll(followers);
        Assert.True(
            all.Skip(1).Average(f => f.Zip(all[0]).Count(p => ReferenceEquals(p.First.Text, p.Second.Text)))
                > Batches * Lines * 0.9
        );
        Assert.True(_store.Reads <= Batches * 3, $"{_store.Reads} reads for {Batches} writes and 20 readers");
    }

    [Fact]
    public async Task A_follower_goes_on_from_its_line_and_ends_with_the_log()
    {
        await WriteAsync(100, complete: true);
        Assert.Equal(Enumerable.Range(60, 40).Select(Text), (await CollectAsync(from: 60)).Select(l => l.Text));
        Assert.Empty(await CollectAsync(from: 100));
    }

    [Fact]
    public async Task A_follower_that_missed_the_news_looks_again()
    {
        var quiet = new InMemoryLogStore();
        var reader = new LogReader(quiet, _recent, _feed, TimeProvider.System);
        var open = new OpenBlock(Attempt, 0);
        open.Add(LogStream.Stdout, Start, "one"u8, isGap: false);
        await using var lines = reader.FollowAsync(Attempt, 0, Ct).GetAsyncEnumerator(Ct);
        var next = lines.MoveNextAsync();
        Assert.False(next.IsCompleted);
        await quiet.AppendAsync([open.Snapshot()], new LogCursor(Attempt, Start, 1, 1, 3, 0, true), Ct);
        Assert.True(await next);
        Assert.Equal("one", Assert.Single(lines.Current).Text);
        Assert.False(await lines.MoveNextAsync());
    }

    [Fact]
    public async Task Search_finds_every_hit_in_pages()
    {
        await WriteAsync(20_000);
        var hits = new List<LogLine>();
        long? next = 0;
        while (next is { } from)
        {
            (var page, next) = await _reader.SearchAsync(Attempt, "NUMBER 77", from, 10, Ct);
            Assert.True(page.Count <= 10);
            hits.AddRange(page);
        }
        Assert.Equal(
            Enumerable.Range(0, 20_000).Where(i => Text(i).Contains("number 77")),
            hits.Select(h => (int)h.Number)
        );
        // A match across two lines is none
        Assert.Empty((await _reader.SearchAsync(Attempt, "5line", 0, 10, Ct)).Hits);
        Assert.Equal(2, (await _reader.SearchAsync(Attempt, "größe", 0, 10, Ct)).Hits.Count);
    }

    [Fact]
    public async Task Finds_the_first_line_at_a_time()
    {
        await WriteAsync(20_000);
        var at = DateTimeOffset.UnixEpoch.AddTicks((Start + (15_000L * 1_000)) / 100);
        Assert.Equal(15_000, await _reader.FindLineAtAsync(Attempt, at, Ct));
        Assert.Null(await _reader.FindLineAtAsync(Attempt, at.AddDays(1), Ct));
    }

    [Fact]
    public async Task The_cache_keeps_to_its_bound()
    {
        var small = new RecentBlocks(limitBytes: 2 << 20);
        var reader = new LogReader(_store, small, _feed, TimeProvider.System);
        await WriteAsync(100_000);
        var read = new List<(WeakReference Text, long Bytes)>();
        for (var from = 0; from < 100_000; from += 5_000)
        {
            read.Add(await ReadAndForgetAsync(reader, from));
        }
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        var held = read.Where(r => r.Text.IsAlive).ToArray();
        GC.KeepAlive(small);
        // Weak references to its own strings: the whole process's memory would count what other tests hold.
        Assert.InRange(held.Length, 1, read.Count - 1);
        Assert.InRange(held.Sum(r => r.Bytes), 1, 2 << 20);
        Assert.True(read[^1].Text.IsAlive, "the block used last was let go");
    }

    /// <summary>A line's text and the least that its decoded block weighs. In a frame of its own, so that nothing here keeps it alive.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private async Task<(WeakReference Text, long Bytes)> ReadAndForgetAsync(LogReader reader, int from)
    {
        var line = (await reader.ReadAsync(Attempt, from, 1, Ct))[0];
        Assert.Equal(Text(from), line.Text);
        var block = _store.Blocks(Attempt).Single(b => b.FirstLine <= from && from < b.FirstLine + b.LineCount);
        return (new WeakReference(line.Text), 2L * block.RawBytes);
    }

    private static string Text(int i) => i % 9_999 == 42 ? $"Größe {i}" : $"line of the log, number {i}";

    /// <param name="onLines">how many were seen before and are now</param>
    private async Task<List<LogLine>> CollectAsync(long from = 0, Action<int, int>? onLines = null)
    {
        var seen = new List<LogLine>();
        await foreach (var lines in _reader.FollowAsync(Attempt, from, Ct))
        {
            seen.AddRange(lines);
            onLines?.Invoke(seen.Count - lines.Count, seen.Count);
        }
        return seen;
    }

    private async Task WriteAsync(int lines, bool complete = false)
    {
        var blocks = new List<LogBlock>();
        for (var i = 0; i < lines; i++)
        {
            _open.Add(LogStream.Stdout, Start + (_lines * 1_000L), Encoding.UTF8.GetBytes(Text(_lines)), isGap: false);
            _lines++;
            if (_open.IsFull)
            {
                blocks.Add(_open.Snapshot());
                _open.Next();
            }
        }
        if (_open.LineCount > 0)
        {
            blocks.Add(_open.Snapshot());
        }
        await _store.AppendAsync(blocks, new LogCursor(Attempt, Start, 1, _lines, 0, 0, complete), Ct);
        _recent.Put(blocks);
    }
}
