using System.Text;
using DeepLab.Core.Engines;
using DeepLab.Core.Streams;
using DeepLab.Core.Tests.Engines;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace DeepLab.Core.Tests.Streams;

public sealed class LogCollectorTests
{
    private const long Attempt = 11;
    private readonly FakeEngine _engine = new(TimeProvider.System);
    private readonly InMemoryLogStore _store = new();
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public LogCollectorTests() =>
        _engine.Images["i"] = new ImageInfo("sha256:1", "i", 1, new Dictionary<string, string>());

    [Fact]
    public async Task A_log_is_followed_and_is_complete_when_its_container_has_ended()
    {
        var c = await StartAsync();
        var run = RunAsync();
        Write(c, 0, 100);
        await StoredAsync(100);
        Write(c, 100, 1_000);
        _engine.End(c.Id, 0);
        var cursor = await run;
        Assert.True(cursor.Complete);
        AssertExact(1_000);
        Assert.Equal(cursor, await _store.FindCursorAsync(Attempt, Ct));
    }

    [Fact]
    public async Task A_container_that_ended_before_anybody_looked_is_read_whole()
    {
        var c = await StartAsync();
        Write(c, 0, 5_000);
        _engine.End(c.Id, 1);
        await RunAsync();
        AssertExact(5_000);
    }

    [Fact]
    public async Task A_start_that_failed_has_an_empty_complete_log()
    {
        var id = await _engine.CreateAsync(Plan(), Ct);
        _engine[id].FailToStart(127, "executable file not found");
        Assert.True((await RunAsync()).Complete);
        Assert.Empty(_store.Lines(Attempt));
    }

    [Fact]
    public async Task Long_lines_crossing_streams_and_a_missing_newline_come_out_whole()
    {
        var c = await StartAsync();
        c.WriteFrame("out 1, "u8.ToArray(), endsLine: false);
        c.WriteFrame("err 1, "u8.ToArray(), LogStream.Stderr, endsLine: false);
        c.Write("out 2\r");
        c.Write("err 2", LogStream.Stderr);
        c.Write("", LogStream.Stderr);
        c.Write("bar 10%\rbar 20%");
        c.WriteFrame(new byte[(1 << 20) + 5], endsLine: false);
        c.Write("more");
        c.WriteFrame("no newline"u8.ToArray(), endsLine: false);
        c.WriteFrame("nor here"u8.ToArray(), LogStream.Stderr, endsLine: false);
        _engine.End(c.Id, 0);
        await RunAsync();
        var lines = _store.Lines(Attempt);
        Assert.Equal(["out 1, out 2", "err 1, err 2", "", "bar 10%\rbar 20%"], lines[..4].Select(l => l.Text));
        Assert.Equal(
            [LogStream.Stdout, LogStream.Stderr, LogStream.Stderr, LogStream.Stdout],
            lines[..4].Select(l => l.Stream)
        );
        Assert.Equal(new string('\0', 1 << 20) + " … [cut here: 9 more bytes of this line]", lines[4].Text);
        Assert.Equal(["no newline", "nor here"], lines[5..].Select(l => l.Text));
    }

    [Fact]
    public async Task Lines_whose_times_cross_are_neither_lost_nor_doubled_on_resuming()
    {
        var c = await StartAsync();
        for (var i = 0; i < 50; i++)
        {
            c.Write(
                $"line {i}",
                i % 2 == 0 ? LogStream.Stdout : LogStream.Stderr,
                at: 1_000_000_000 + ((i % 2) * -700)
            );
        }
        using (var stop = new CancellationTokenSource())
        {
            var first = RunAsync(stop.Token);
            await StoredAsync(50);
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        }
        // Later in the file, earlier by its time
        c.Write("line 50", LogStream.Stderr, at: 1_000_000_000 - 900);
        c.Write("line 51", at: 1_000_000_000);
        _engine.End(c.Id, 0);
        await RunAsync();
        AssertExact(52);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task Through_broken_streams_absences_and_new_collectors_every_line_is_there_once(int seed)
    {
        var random = new Random(seed);
        var c = await StartAsync();
        var written = 0;
        var stop = new CancellationTokenSource();
        var run = RunAsync(stop.Token);
        for (var round = 0; round < 40; round++)
        {
            var until = written + random.Next(1, 400);
            for (; written < until; written++)
            {
                var stream = random.Next(3) == 0 ? LogStream.Stderr : LogStream.Stdout;
                if (random.Next(20) == 0)
                {
                    c.WriteFrame(Encoding.UTF8.GetBytes($"line {written}")[..5], stream, endsLine: false);
                    c.WriteFrame(Encoding.UTF8.GetBytes($"{written}"), stream);
                }
                else
                {
                    c.Write($"line {written}", stream);
                }
            }
            switch (random.Next(6))
            {
                case 0:
                    _engine.BreakStreams();
                    break;
                case 1:
                    _engine.GoAway();
                    await Task.Delay(random.Next(30), Ct);
                    _engine.Return();
                    break;
                case 2:
                    await stop.CancelAsync();
                    await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
                    stop = new CancellationTokenSource();
                    run = RunAsync(stop.Token);
                    break;
                case 3:
                    _store.Failures.Enqueue(new IOException("no database"));
                    break;
                case 4:
                    _store.LoseNextReply = true;
                    break;
                default:
                    await Task.Delay(random.Next(20), Ct);
                    break;
            }
        }
        _engine.End(c.Id, 0);
        await run;
        AssertExact(written);
    }

    [Theory]
    [InlineData(64 << 10)]
    [InlineData(256 << 20)]
    public async Task Lines_that_the_engine_dropped_are_shown_as_a_gap(long maxSize)
    {
        var c = await StartAsync();
        Write(c, 0, 100);
        using (var stop = new CancellationTokenSource())
        {
            var first = RunAsync(stop.Token, maxSize);
            await StoredAsync(100);
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        }
        Write(c, 100, 300);
        c.Drop(150);
        _engine.End(c.Id, 0);
        var cursor = await RunAsync(Ct, maxSize);
        Assert.Equal(1, cursor.Gaps);
        Assert.Equal(250, cursor.Lines);
        var lines = _store.Lines(Attempt);
        Assert.True(lines[100].IsGap);
        Assert.Contains("dropped by the engine", lines[100].Text);
        Assert.Equal("line 150", lines[101].Text);
        Assert.Equal("line 299", lines[^1].Text);
    }

    [Fact]
    public async Task A_log_that_rotates_all_the_time_is_exact_as_long_as_the_engine_keeps_enough()
    {
        var c = await StartAsync();
        // At most 20,000 are written past what is stored; only a line that is stored and still kept proves that none is missing
        c.KeepsEntries = 21_000;
        var run = RunAsync(Ct, maxSize: 64 << 10);
        for (var i = 0; i < 100; i++)
        {
            Write(c, i * 1_000, (i + 1) * 1_000);
            if (i % 10 == 9)
            {
                await StoredAsync((i - 9) * 1_000);
            }
        }
        _engine.End(c.Id, 0);
        Assert.Equal(0, (await run).Gaps);
        AssertExact(100_000);
    }

    [Fact]
    public async Task A_reader_who_lags_behind_a_program_that_wrote_its_last_line_reads_on_where_it_is()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var c = await StartAsync();
        Write(c, 0, 64);
        var run = RunAsync(Ct, time: time);
        await StoredAsync(64, time);
        // As much as an engine could write in this time would have rotated its file twice
        time.Advance(TimeSpan.FromSeconds(10));

        Write(c, 64, 6_464);
        await StoredAsync(6_464, time);
        Assert.Empty(_engine.Calls.Where(x => x.Verb == "LogsAsync").Skip(2));

        _engine.End(c.Id, 0);
        await run;
        AssertExact(6_464);
    }

    [Fact]
    public async Task A_container_that_vanished_completes_with_a_gap()
    {
        var c = await StartAsync();
        Write(c, 0, 10);
        var run = RunAsync();
        await StoredAsync(10);
        _engine.Vanish(c.Id);
        var cursor = await run;
        Assert.True(cursor.Complete);
        Assert.Equal(1, cursor.Gaps);
        Assert.True(_store.Lines(Attempt)[^1].IsGap);
    }

    [Fact]
    public async Task A_collector_told_that_the_host_is_lost_completes_with_a_gap()
    {
        var c = await StartAsync();
        Write(c, 0, 10);
        using var collector = Make(256 << 20);
        var run = collector.RunAsync(_engine, Attempt, c.Id, Ct);
        await StoredAsync(10);
        _engine.GoAway();
        collector.Abandon();
        Assert.True((await run).Complete);
        Assert.Equal(1, (await run).Gaps);
        // A second run finds it complete
        Assert.Equal(await run, await Make(256 << 20).RunAsync(_engine, Attempt, c.Id, Ct));
    }

    [Fact]
    public async Task Waits_for_a_container_that_has_not_started()
    {
        var id = await _engine.CreateAsync(Plan(), Ct);
        using var collector = Make(256 << 20);
        var run = collector.RunAsync(_engine, Attempt, id, Ct);
        await _engine.StartAsync(id, Ct);
        collector.Nudge();
        Write(_engine[id], 0, 3);
        _engine.End(id, 0);
        await run;
        AssertExact(3);
    }

    [Fact]
    public async Task A_slow_store_stops_nothing_and_loses_nothing()
    {
        var c = await StartAsync();
        var open = new TaskCompletionSource();
        _store.Gate = open.Task;
        var run = RunAsync();
        Write(c, 0, 50_000);
        _engine.End(c.Id, 0);
        Assert.NotSame(run, await Task.WhenAny(run, Task.Delay(300, Ct)));
        open.SetResult();
        await run;
        AssertExact(50_000);
        Assert.True(_store.Appends < 20, $"{_store.Appends} writes for {_store.Blocks(Attempt).Count} blocks");
    }

    private static void Write(FakeContainer c, int from, int to)
    {
        for (var i = from; i < to; i++)
        {
            c.Write($"line {i}");
        }
    }

    private async Task<FakeContainer> StartAsync()
    {
        var id = await _engine.CreateAsync(Plan(), Ct);
        await _engine.StartAsync(id, Ct);
        return _engine[id];
    }

    private static ContainerPlan Plan() =>
        new()
        {
            Name = "c",
            Image = "i",
            Env = new Dictionary<string, string>(),
            Labels = new Dictionary<string, string>(),
            Cpus = 1,
            Memory = 1,
            Shm = 1,
        };

    private LogCollector Make(long maxSize, TimeProvider? time = null) =>
        new(
            _store,
            new RecentBlocks(),
            new EnginePolicy { LogMaxSize = maxSize },
            time ?? TimeProvider.System,
            NullLogger<LogCollector>.Instance
        );

    private Task<LogCursor> RunAsync(
        CancellationToken? ct = null,
        long maxSize = 256 << 20,
        TimeProvider? time = null
    ) => Make(maxSize, time).RunAsync(_engine, Attempt, "c", ct ?? Ct);

    /// <param name="time">the collector's own, which stands still otherwise</param>
    private async Task StoredAsync(long lines, FakeTimeProvider? time = null)
    {
        while ((await _store.FindCursorAsync(Attempt, Ct))?.Lines is not { } n || n < lines)
        {
            time?.Advance(TimeSpan.FromMilliseconds(20));
            await Task.Delay(5, Ct);
        }
    }

    private void AssertExact(int lines)
    {
        var kept = _store.Lines(Attempt);
        for (var i = 0; i < Math.Min(lines, kept.Length); i++)
        {
            Assert.Equal($"line {i}", kept[i].Text);
        }
        Assert.Equal(lines, kept.Length);
    }
}
