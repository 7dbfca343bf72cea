using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using Microsoft.Extensions.Logging.Abstractions;

namespace DeepLab.Core.Tests.Metrics;

public sealed class EventFileCollectorTests
{
    private const string Main = "events.out.tfevents.1.host";
    private const string Sub = "run/eval/events.out.tfevents.2.host";
    private readonly MemorySeriesStore _store = new();
    private readonly EventFileEngine _engine = new();
    private SeriesWriter _writer;

    public EventFileCollectorTests() => _writer = NewWriter();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_point_is_kept_once_over_faults_restarts_and_cut_rounds()
    {
        var random = new Random(4);
        var (main, sub) = (Bytes("loss", 3_000), Bytes("acc", 2_000));
        for (var life = 0; life < 12; life++)
        {
            using var killed = CancellationTokenSource.CreateLinkedTokenSource(Ct);
            var until = random.Next(1, 5);
            _engine.OnRound = round =>
            {
                Grow(Main, main, random.Next(20_000));
                Grow(Sub, sub, random.Next(12_000));
                if (--until == 0)
                {
                    killed.Cancel();
                }
                _store.Next = (MemorySeriesStore.Fault)random.Next(3);
                return random.Next(4) switch
                {
                    0 => random.Next(20_000),
                    1 => throw new EngineException(EngineErrorKind.Conflict, "the container is not running"),
                    2 => throw new EngineUnreachableException("away"),
                    _ => null,
                };
            };
            await RunUntilKilledAsync(killed.Token);
            _writer = random.Next(2) == 0 ? _writer : NewWriter();
        }
        (_engine.Files[Main], _engine.Files[Sub]) = (main, sub);
        _store.Next = MemorySeriesStore.Fault.AfterCommit;
        await Assert.ThrowsAsync<IOException>(() => NewCollector().FinishAsync(Ct));
        _store.Next = MemorySeriesStore.Fault.None;
        await NewCollector().FinishAsync(Ct);
        var writes = _store.Writes;
        await NewCollector().FinishAsync(Ct);
        Assert.Equal(writes, _store.Writes);
        Assert.Equal(Steps(3_000), _store.Points(Key("loss", "worker-0/1")).Select(p => p.Step));
        Assert.Equal(Steps(2_000), _store.Points(Key("acc", "worker-0/1/run/eval")).Select(p => p.Step));
        Assert.Equal(2, _store.Keys.Count());
    }

    [Fact]
    public async Task A_backlog_is_read_without_waiting_between_rounds()
    {
        _engine.Files[Main] = Bytes("loss", 200_000);
        Assert.InRange(_engine.Files[Main].Length, EventFileRound.MaxBytes * 2, EventFileRound.MaxBytes * 4);
        using var done = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var waits = new Waits(done.Cancel);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => NewCollector(waits).RunAsync(done.Token));
        Assert.Equal(Steps(200_000), _store.Points(Key("loss", "worker-0/1")).Select(p => p.Step));
    }

    [Fact]
    public async Task Nothing_is_run_in_a_container_before_its_program_made_something_in_the_folder()
    {
        _engine.Files[Main] = Bytes("loss", 100);
        using var done = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var untouched = new PathStat(IsFolder: true, DateTimeOffset.UnixEpoch);
        _engine.OnStat = n =>
            n <= 3 ? null
            : n <= 6 ? untouched
            : untouched with { ChangedAt = DateTimeOffset.UtcNow };
        _engine.OnRound = _ =>
        {
            Assert.Equal(7, _engine.Stats);
            done.Cancel();
            return null;
        };
        await RunUntilKilledAsync(done.Token);
        Assert.Equal(1, _engine.Rounds);
    }

    [Fact]
    public async Task What_the_log_tells_is_kept_while_nothing_is_in_the_folder()
    {
        _engine.OnStat = _ => null;
        using var done = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var collector = NewCollector(
            new Waits(done.Cancel),
            log: (from, _) => Task.FromResult(new LogPiece(1, from > 0 ? [] : [new EventScalar("loss", 7, 1, 0.5)]))
        );
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => collector.RunAsync(done.Token));
        Assert.Equal(7, Assert.Single(_store.Points(Key("loss", "worker-0/1/log"))).Step);
        Assert.Equal(0, _engine.Rounds);
    }

    [Fact]
    public async Task An_end_is_not_waited_for()
    {
        _engine.OnStat = _ => null;
        var paused = new TaskCompletionSource();
        var collector = NewCollector(new Never(paused.SetResult));
        var run = collector.RunAsync(Ct);
        await paused.Task.WaitAsync(Ct);
        Assert.False(run.IsCompleted);
        collector.NoteEnd();
        await run.WaitAsync(Ct);
        Assert.Equal(1, _engine.Stats);
    }

    [Fact]
    public async Task Without_a_shell_the_end_brings_everything()
    {
        _engine.Files[Main] = Bytes("loss", 100);
        _engine.Result = new ExecResult(127, "");
        _engine.OnRound = _ => 0;
        await NewCollector().RunAsync(Ct);
        Assert.Equal(1, _engine.Rounds);
        await NewCollector().FinishAsync(Ct);
        Assert.Equal(Steps(100), _store.Points(Key("loss", "worker-0/1")).Select(p => p.Step));
    }

    [Fact]
    public async Task A_job_without_a_log_folder_ends_quietly()
    {
        _engine.HasFolder = false;
        await NewCollector().FinishAsync(Ct);
        Assert.Equal(0, _store.Writes);
    }

    [Fact]
    public async Task A_damaged_file_stops_alone_and_for_good()
    {
        var bad = Bytes("loss", 100);
        bad[bad.Length / 2] ^= 1;
        _engine.Files[Main] = bad;
        _engine.Files[Sub] = Bytes("acc", 100);
        await NewCollector().FinishAsync(Ct);
        var kept = _store.Points(Key("loss", "worker-0/1"));
        Assert.InRange(kept.Count, 40, 60);
        Assert.Equal(100, _store.Points(Key("acc", "worker-0/1/run/eval")).Count);
        _engine.Files[Main] = Bytes("loss", 100);
        await NewCollector().FinishAsync(Ct);
        Assert.Equal(kept, _store.Points(Key("loss", "worker-0/1")));
    }

    [Fact]
    public async Task Curves_of_one_attempt_are_bounded()
    {
        for (var i = 0; i < 60; i++)
        {
            _engine.Files[$"{i:D3}/{Main}"] =
            [
                .. Enumerable.Range(0, 30).SelectMany(n => EventFileBytes.Scalar($"tag{n}", 1, 1)),
            ];
        }
        var collector = NewCollector();
        await collector.FinishAsync(Ct);
        Assert.Equal(1_000, _store.Keys.Count());
        Assert.Equal("Only the first 1000 curves are kept.", Assert.Single(collector.Notices));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_picture_that_is_too_large_ends_in_one_notice_where_pictures_are_wanted(bool wanted)
    {
        byte[] large =
        [
            .. EventFileBytes.Value("samples/grid", 5, EventFileBytes.Field(4, new byte[1 << 20])),
            .. EventFileBytes.Value("samples/other", 6, EventFileBytes.Field(4, new byte[1 << 20])),
        ];
        _engine.Files[Main] = [.. large, .. Bytes("loss", 100)];
        _engine.Files[Sub] = large;
        var collector = NewCollector(media: wanted ? new NoMedia() : null);
        await collector.FinishAsync(Ct);
        Assert.Equal(100, _store.Points(Key("loss", "worker-0/1")).Count);
        Assert.Equal(
            wanted
                ?
                [
                    $"Images, texts and histograms above 1 MiB are not kept: the first is \"samples/grid\" in event file {Main}.",
                ]
                : [],
            collector.Notices
        );
    }

    private static SeriesKey Key(string tag, string source) => new(SeriesOwner.Job, "7", tag, source);

    private static IEnumerable<long> Steps(int count) => Enumerable.Range(0, count).Select(i => (long)i);

    private static byte[] Bytes(string tag, int count) =>
        [.. Enumerable.Range(0, count).SelectMany(i => EventFileBytes.Scalar(tag, i, i, 1_795_460_666 + i * 0.02))];

    /// <summary>The last bytes come only when the container has ended, so that its end always has something to read.</summary>
    private void Grow(string name, byte[] whole, int by) =>
        _engine.Files[name] = whole[
            ..Math.Min(whole.Length - 500, (_engine.Files.GetValueOrDefault(name)?.Length ?? 0) + by)
        ];

    private SeriesWriter NewWriter() => new(_store, TimeProvider.System, NullLogger<SeriesWriter>.Instance);

    private EventFileCollector NewCollector(
        TimeProvider? time = null,
        IMediaStore? media = null,
        ReadLogMetrics? log = null
    ) =>
        new(
            _engine,
            new EventFileTarget("c", 7, 70, "worker-0", 1),
            _store,
            _writer,
            time ?? new Waits(() => { }),
            NullLogger<EventFileCollector>.Instance,
            log,
            media
        );

    private sealed class NoMedia : IMediaStore
    {
        public Task WriteAsync(long workloadId, IReadOnlyCollection<MediaItem> items, CancellationToken ct) =>
            Task.CompletedTask;

        public Task<IReadOnlyList<MediaInfo>> ListAsync(long workloadId, CancellationToken ct) =>
            throw new NotSupportedException();

        public Task<IReadOnlyList<MediaItem>> ReadAsync(
            long workloadId,
            MediaKind kind,
            string tag,
            string source,
            long? step,
            CancellationToken ct
        ) => throw new NotSupportedException();
    }

    private async Task RunUntilKilledAsync(CancellationToken killed)
    {
        try
        {
            await NewCollector().RunAsync(killed);
        }
        catch (Exception e)
            when (killed.IsCancellationRequested
                && e is OperationCanceledException or EngineUnreachableException or IOException
            )
        {
            // The end of one life, by whatever it met last
        }
    }

    /// <summary>No pause is ever over.</summary>
    private sealed class Never(Action onWait) : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            onWait();
            return System.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Every pause is over at once and told; the bound of a round never comes.</summary>
    private sealed class Waits(Action onWait) : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var isBound = dueTime == TimeSpan.FromSeconds(30) || dueTime == Timeout.InfiniteTimeSpan;
            if (!isBound)
            {
                onWait();
            }
            return System.CreateTimer(callback, state, isBound ? dueTime : TimeSpan.Zero, period);
        }
    }
}
