using DeepLab.Core.Metrics;
using Microsoft.Extensions.Logging.Abstractions;

namespace DeepLab.Core.Tests.Metrics;

/// <summary>Small batches: their rows stay few, and the points the same wherever they stand.</summary>
public sealed class SeriesShelfTests
{
    private const long T0 = 1_795_460_400_000;
    private static readonly Dictionary<(long, int), SeriesBlock> s_none = [];
    private readonly MemorySeriesStore _store = new();
    private readonly SeriesWriterTests.ManualTime _time = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static SeriesKey Key(int n) => new(SeriesOwner.Job, "7", $"loss/{n}", "worker-0/1");

    private SeriesWriter NewWriter() => new(_store, _time, NullLogger<SeriesWriter>.Instance);

    [Fact]
    public async Task A_batch_of_many_series_is_a_few_rows_and_no_block()
    {
        using var writer = NewWriter();
        var batch = Enumerable.Range(0, 100).Select(n => (Key(n), new SeriesPoint(1, T0, n)));
        await writer.WriteCurvesAsync(1, [.. batch], "", Ct);
        Assert.InRange(_store.Rows.Count, 13, 14);
        Assert.All(Enumerable.Range(0, 100), n => Assert.Empty(_store.Blocks(Key(n), 0)));
        Assert.All(Enumerable.Range(0, 100), n => Assert.Equal(n, Assert.Single(_store.Points(Key(n))).Value));
    }

    [Fact]
    public async Task Rows_whose_points_are_all_in_blocks_go_with_the_blocks()
    {
        using var writer = NewWriter();
        for (var round = 0; round < 25; round++)
        {
            var batch =
                from n in Enumerable.Range(0, 8)
                from i in Enumerable.Range(round * 100, 100)
                select (Key(n), new SeriesPoint(i, T0 + i, i));
            await writer.WriteCurvesAsync(1, [.. batch], "", Ct);
        }
        Assert.InRange(_store.MostRows, 5, 10);
        Assert.Equal(5, _store.Rows.Max(r => _store.Rows.Count(o => o.Shelf == r.Shelf)));
        Assert.All(
            Enumerable.Range(0, 8),
            n => Assert.Equal(Enumerable.Range(0, 2_500), _store.Points(Key(n)).Select(p => (int)p.Value))
        );
    }

    [Fact]
    public async Task Rows_stay_few_and_lose_nothing_whoever_writes_and_whatever_fails()
    {
        var random = new Random(5);
        var writer = NewWriter();
        var sent = Enumerable.Range(0, 20).Select(_ => new List<double>()).ToArray();
        for (var round = 0; round < 1_500; round++)
        {
            var batch = new List<(SeriesKey, SeriesPoint)>();
            foreach (var n in Enumerable.Range(0, 20).Where(n => random.Next(20) <= n))
            {
                for (var i = n == 19 ? 5 : 1; i > 0; i--)
                {
                    sent[n].Add(sent[n].Count);
                    batch.Add(
                        (Key(n), new SeriesPoint(sent[n].Count, T0 + round * 100 + random.Next(300), sent[n][^1]))
                    );
                }
            }
            await writer.WriteCurvesAsync(1, batch, $"{round}", Ct);
            if (random.Next(100) == 0)
            {
                writer.Dispose();
                writer = NewWriter();
            }
            if (random.Next(300) == 0)
            {
                _store.Quiet = true;
                _time.Now += TimeSpan.FromMinutes(1);
                await writer.FlushAsync(Ct);
                Assert.Empty(_store.Rows);
                _store.Quiet = false;
            }
        }
        writer.Dispose();
        for (var n = 0; n < sent.Length; n++)
        {
            Assert.Equal(sent[n], _store.Points(Key(n)).Select(p => p.Value).Order());
            var blocks = _store.Blocks(Key(n), 0).ToArray();
            Assert.All(blocks.Zip(blocks.Skip(1)), b => Assert.True(b.First.LastUnixMillis < b.Second.FirstUnixMillis));
        }
        Assert.InRange(_store.Blocks(Key(19), 0).Average(b => b.Count), 700, 1_100);
        Assert.InRange(_store.MostRows, 10, 35);
    }

    [Fact]
    public async Task What_is_quiet_becomes_blocks_and_fills_them_when_it_goes_on()
    {
        using var writer = NewWriter();
        for (var round = 0; round < 3; round++)
        {
            await writer.WriteCurvesAsync(
                1,
                [.. Enumerable.Range(0, 600).Select(i => (Key(0), new SeriesPoint(i, T0 + round * 600 + i, i)))],
                "",
                Ct
            );
            (_store.Quiet, _time.Now) = (true, _time.Now + TimeSpan.FromMinutes(1));
            await writer.FlushAsync(Ct);
            _store.Quiet = false;
            Assert.Empty(_store.Rows);
        }
        Assert.Equal([1_024, 776], _store.Blocks(Key(0), 0).Select(b => b.Count));
        Assert.Equal(Enumerable.Range(0, 1_800).Select(i => T0 + i), _store.Points(Key(0)).Select(p => p.UnixMillis));
    }

    [Fact]
    public async Task A_block_of_an_older_console_is_read_and_gone_on_with()
    {
        _store.Put(Key(0), [.. Enumerable.Range(0, 500).Select(i => new SeriesPoint(i, T0 + i, i))]);
        using var writer = NewWriter();
        await writer.WriteCurvesAsync(1, [(Key(0), new SeriesPoint(500, T0 + 500, 500))], "", Ct);
        Assert.Equal(501, _store.Points(Key(0)).Count);
        var rest = Enumerable.Range(501, 1_000).Select(i => (Key(0), new SeriesPoint(i, T0 + i, i)));
        await writer.WriteCurvesAsync(1, [.. rest], "", Ct);
        Assert.Equal(Enumerable.Range(0, 1_501), _store.Points(Key(0)).Select(p => (int)p.Value));
        Assert.Equal(1_024, Assert.Single(_store.Blocks(Key(0), 0)).Count);
    }

    [Fact]
    public void What_a_deleted_series_left_on_a_shelf_goes_with_the_next_fold()
    {
        SeriesPoint[] one = [new(1, T0, 1)];
        ShelfRow[] rows =
        [
            SeriesShelf.Pack(1, [new(8, 0, one), new(9, 0, one)]),
            SeriesShelf.Pack(1, [new(9, 10, one)]),
        ];
        var fold = SeriesFold.Fold(rows, s_none, new HashSet<long> { 9 }, settle: false);
        Assert.Equal([(9L, 0), (9, 10)], SeriesShelf.Read(fold.Rows, s_none).Keys);
        fold = SeriesFold.Fold(rows, s_none, new HashSet<long>(), settle: true);
        Assert.Empty(fold.Rows);
        Assert.Empty(fold.Blocks);
    }

    [Fact]
    public void A_damaged_row_throws_and_never_hangs()
    {
        var random = new Random(11);
        var points = Enumerable.Range(0, 50).Select(i => new SeriesPoint(i, T0 + i, i)).ToArray();
        var whole = SeriesShelf.Pack(3, [new(24, 0, points), new(25, 300, points)]);
        var refused = 0;
        for (var round = 0; round < 3_000; round++)
        {
            var data = whole
                .Data.AsSpan(0, random.Next(2) == 0 ? whole.Data.Length : random.Next(whole.Data.Length))
                .ToArray();
            for (var i = 0; i < 3 && data.Length > 0; i++)
            {
                data[random.Next(data.Length)] = (byte)random.Next(256);
            }
            try
            {
                SeriesShelf.Read([new ShelfRow(3, data)], s_none);
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 1_000, 3_000);
    }
}
