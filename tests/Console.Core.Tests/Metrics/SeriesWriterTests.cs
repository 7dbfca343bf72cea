using DeepLab.Core.Metrics;
using Microsoft.Extensions.Logging.Abstractions;

namespace DeepLab.Core.Tests.Metrics;

public sealed class SeriesWriterTests
{
    private const long T0 = 1_795_460_400_000;
    private static readonly SeriesKey Gpu = new(SeriesOwner.Gpu, "GPU-1", SeriesNames.GpuPower);
    private static readonly SeriesKey Loss = new(SeriesOwner.Job, "7", "loss", "worker-0/1");
    private readonly MemorySeriesStore _store = new();
    private readonly ManualTime _time = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private SeriesWriter NewWriter() => new(_store, _time, NullLogger<SeriesWriter>.Instance);

    [Fact]
    public async Task Readings_come_back_once_in_blocks_of_a_thousand_whenever_the_console_restarts()
    {
        var random = new Random(1);
        var writer = NewWriter();
        var points = Enumerable.Range(0, 3_500).Select(i => new SeriesPoint(0, T0 + i * 1_000L, i % 17)).ToArray();
        for (var at = 0; at < points.Length; )
        {
            var take = Math.Min(random.Next(1, 300), points.Length - at);
            foreach (var point in points.AsSpan(at, take))
            {
                writer.Add(Gpu, point);
            }
            at += take;
            _store.Next = (MemorySeriesStore.Fault)random.Next(3);
            if (_store.Next == MemorySeriesStore.Fault.None)
            {
                await writer.FlushAsync(Ct);
            }
            else
            {
                await Assert.ThrowsAsync<IOException>(() => writer.FlushAsync(Ct));
                await writer.FlushAsync(Ct);
            }
            if (random.Next(3) == 0)
            {
                writer = NewWriter();
            }
        }
        Assert.Equal(points, _store.Points(Gpu));
        Assert.Equal([1_024, 1_024, 1_024], _store.Blocks(Gpu, 0).Select(b => b.Count));
        foreach (var seconds in new[] { 10, 300 })
        {
            var expected = points
                .GroupBy(p => p.UnixMillis / 1_000 / seconds)
                .SkipLast(1)
                .SelectMany(g =>
                    new[] { g.Min(p => p.Value), g.Average(p => p.Value), g.Max(p => p.Value) }.Select(
                        v => new SeriesPoint(g.Count(), g.Key * seconds * 1_000, v)
                    )
                );
            Assert.Equal(expected, _store.Points(Gpu, seconds));
        }
    }

    [Fact]
    public async Task Curves_and_cursor_are_one_also_when_the_reply_is_lost()
    {
        var random = new Random(2);
        var writer = NewWriter();
        const int Count = 5_000;
        while (int.Parse(await _store.FindEventCursorAsync(1, Ct) ?? "0") is var at and < Count)
        {
            var take = Math.Min(random.Next(1, 700), Count - at);
            var batch = Enumerable.Range(at, take).Select(i => (Loss, new SeriesPoint(i, T0 + i / 3, i)));
            _store.Next = (MemorySeriesStore.Fault)random.Next(3);
            try
            {
                await writer.WriteCurvesAsync(1, [.. batch], $"{at + take}", Ct);
            }
            catch (IOException)
            {
                writer = random.Next(2) == 0 ? writer : NewWriter();
            }
        }
        Assert.Equal(Enumerable.Range(0, Count), _store.Points(Loss).Select(p => (int)p.Value));
        Assert.Equal([10, 300], new[] { 10, 300 }.Where(r => _store.Points(Loss, r).Count == 0));
    }

    [Fact]
    public async Task Blocks_never_overlap_whatever_times_a_program_gives()
    {
        var random = new Random(3);
        var writer = NewWriter();
        var sent = new List<long>();
        for (var round = 0; round < 60; round++)
        {
            var batch = Enumerable
                .Range(0, random.Next(1, 400))
                .Select(i =>
                    (
                        Loss,
                        new SeriesPoint(
                            random.Next(5),
                            random.Next(20) switch
                            {
                                0 => long.MaxValue,
                                1 => long.MinValue,
                                < 10 => T0,
                                _ => T0 + random.Next(1_000),
                            },
                            sent.Count + i
                        )
                    )
                )
                .ToArray();
            sent.AddRange(batch.Select(b => (long)b.Item2.Value));
            await writer.WriteCurvesAsync(1, batch, "", Ct);
            if (random.Next(3) == 0)
            {
                await writer.ForgetAsync(Ct);
            }
        }
        Assert.Equal(sent, _store.Points(Loss).Select(p => (long)p.Value).Order());
        var blocks = _store.Blocks(Loss, 0).ToArray();
        Assert.All(blocks.Zip(blocks.Skip(1)), b => Assert.True(b.First.LastUnixMillis < b.Second.FirstUnixMillis));
        Assert.All(
            blocks,
            b =>
                Assert.Equal(
                    SeriesBlocks.Unpack(b).Select(p => p.UnixMillis).Order(),
                    SeriesBlocks.Unpack(b).Select(p => p.UnixMillis)
                )
        );
    }

    [Fact]
    public async Task A_curve_stops_at_a_million_points()
    {
        var writer = NewWriter();
        for (var i = 0L; i < 1_000_500; i += 50_025)
        {
            await writer.WriteCurvesAsync(
                1,
                [.. Enumerable.Range(0, 50_025).Select(n => (Loss, new SeriesPoint(i + n, T0 + i + n, 1)))],
                "",
                Ct
            );
        }
        await writer.ForgetAsync(Ct);
        await writer.WriteCurvesAsync(1, [(Loss, new SeriesPoint(9, T0 * 2, 1))], "", Ct);
        Assert.Equal(1_000_000, _store.Points(Loss).Count);
    }

    [Fact]
    public async Task What_waits_too_long_goes_oldest_first()
    {
        var writer = NewWriter();
        for (var i = 0; i < SeriesWriter.MostWaiting + 10; i++)
        {
            writer.Add(Gpu, new SeriesPoint(0, T0 + i, i));
        }
        await writer.FlushAsync(Ct);
        Assert.Equal((10, SeriesWriter.MostWaiting), ((int)_store.Points(Gpu)[0].Value, _store.Points(Gpu).Count));
    }

    [Fact]
    public async Task An_idle_series_gets_its_last_buckets()
    {
        var writer = NewWriter();
        writer.Add(Gpu, new SeriesPoint(0, T0, 1));
        writer.Add(Gpu, new SeriesPoint(0, T0 + 1_000, double.NaN));
        writer.Add(Gpu, new SeriesPoint(0, T0 + 2_000, 4));
        await writer.FlushAsync(Ct);
        Assert.Empty(_store.Points(Gpu, 300));
        _time.Now += TimeSpan.FromMinutes(6);
        await writer.FlushAsync(Ct);
        var writes = _store.Writes;
        await writer.FlushAsync(Ct);
        Assert.Equal(writes, _store.Writes);
        SeriesPoint[] bucket = [new(3, T0, 1), new(3, T0, 2.5), new(3, T0, 4)];
        Assert.Equal(bucket, _store.Points(Gpu, 10));
        Assert.Equal(bucket, _store.Points(Gpu, 300));
    }

    [Fact]
    public async Task The_service_writes_at_its_end_what_came_last()
    {
        using var writer = new SeriesWriter(_store, TimeProvider.System, NullLogger<SeriesWriter>.Instance);
        await writer.StartAsync(Ct);
        writer.Add(Gpu, new SeriesPoint(0, T0, 1));
        await writer.StopAsync(Ct);
        Assert.Single(_store.Points(Gpu));
    }

    [Fact]
    public async Task Many_threads_lose_nothing()
    {
        using var writer = NewWriter();
        var keys = Enumerable.Range(0, 4).Select(n => Gpu with { OwnerId = $"GPU-{n}" }).ToArray();
        var adders = keys.Select(key =>
            Task.Run(
                () =>
                {
                    for (var i = 0; i < 20_000; i++)
                    {
                        writer.Add(key, new SeriesPoint(0, T0 + i, i));
                    }
                },
                Ct
            )
        );
        var all = Task.WhenAll(adders);
        while (!all.IsCompleted)
        {
            await writer.FlushAsync(Ct);
        }
        await all;
        await writer.FlushAsync(Ct);
        Assert.All(keys, k => Assert.Equal(20_000, _store.Points(k).Count));
    }

    internal sealed class ManualTime : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.FromUnixTimeMilliseconds(T0);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
