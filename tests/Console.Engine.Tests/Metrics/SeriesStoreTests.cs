using DeepLab.Core.Metrics;
using DeepLab.Core.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace DeepLab.Engine.Tests.Metrics;

/// <summary>Rows of shelves and blocks in PostgreSQL: what a reader sees while they are written, sealed and folded.</summary>
public sealed class SeriesStoreTests
{
    private const long T0 = 1_795_460_400_000;
    private const int Series = 10;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static SeriesKey Key(int n) => new(SeriesOwner.Job, "900001", $"loss/{n}", "worker-0/1");

    [Fact]
    public async Task A_reader_sees_every_point_once_whatever_is_sealed_and_folded_beside_it()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var database = console.Services.GetRequiredService<NpgsqlDataSource>();
        var store = new PostgresSeriesStore(database);
        var reader = new SeriesReader(store);
        var ids = await store.EnsureAsync([.. Enumerable.Range(0, Series).Select(Key)], Ct);
        using var written = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var reads = 0;
        var reading = Enumerable
            .Range(0, 2)
            .Select(n =>
                Task.Run(
                    async () =>
                    {
                        while (!written.IsCancellationRequested)
                        {
                            var points = await reader.TailAsync(ids[Key(n)], 0, -1, 100_000, Ct);
                            Assert.Equal(Enumerable.Range(0, points.Count), points.Select(p => (int)p.Value));
                            Interlocked.Increment(ref reads);
                        }
                    },
                    Ct
                )
            );
        // Two fold at once, as two consoles may
        var folding = Enumerable
            .Range(0, 2)
            .Select(n =>
                Task.Run(
                    async () =>
                    {
                        long[] shelves = [.. ids.Values.Select(SeriesShelf.Of).Distinct()];
                        for (var i = 0; !written.IsCancellationRequested; i++)
                        {
                            await store.FoldAsync(shelves, settle: i % 5 == n, Ct);
                        }
                    },
                    Ct
                )
            );
        var others = Task.WhenAll([.. reading, .. folding]);
        const int Batches = 150;
        for (var batch = 0; batch < Batches; batch++)
        {
            // Each leader writes for a while, and knows nothing of what the one before had in memory
            using var writer = new SeriesWriter(store, TimeProvider.System, NullLogger<SeriesWriter>.Instance);
            for (var last = batch + 15; batch < last; batch++)
            {
                await writer.WriteCurvesAsync(900_001, Batch(batch), $"{batch}", Ct);
            }
            batch--;
        }
        await written.CancelAsync();
        await others;

        Assert.True(reads > 10, $"{reads} reads");
        var infos = await store.ListAsync(SeriesOwner.Job, "900001", Ct);
        Assert.All(infos, i => Assert.Equal((Batches * 50L, Batches * 50.0 - 1), (i.Points, i.Last!.Value.Value)));
        var chart = await reader.ChartAsync(infos[0], 0, long.MaxValue, 300, byStep: true, Ct);
        Assert.Equal(
            (300, 0.0, Batches * 50.0 - 1),
            (chart.Points.Count, chart.Points.Min(p => p.Min), chart.Points.Max(p => p.Max))
        );
        Assert.Equal(Batches * 25.0 - 0.5, chart.Points.Average(p => p.Mean), Batches / 2.0);
        Assert.Equal($"{Batches - 1}", await store.FindEventCursorAsync(900_001, Ct));

        await store.FoldAsync([.. ids.Values.Select(SeriesShelf.Of).Distinct()], settle: true, Ct);
        Assert.All(await store.ListAsync(SeriesOwner.Job, "900001", Ct), i => Assert.Equal(Batches * 50L, i.Points));
        Assert.All((await store.FindEndsAsync([.. ids.Values], Ct)).Values, e => Assert.Empty(e.Points));
    }

    private static (SeriesKey, SeriesPoint)[] Batch(int batch) =>
        [
            .. from n in Enumerable.Range(0, Series)
            from i in Enumerable.Range(batch * 50, 50)
            select (Key(n), new SeriesPoint(i, T0 + i * 10, i)),
        ];
}
