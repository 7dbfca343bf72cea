using DeepLab.Core.Engines;
using DeepLab.Core.Streams;
using DeepLab.Web.Logs;

namespace DeepLab.Web.Tests.Logs;

public sealed class LogWindowTests
{
    private readonly List<(long From, int Count)> _reads = [];
    private long _total = 100_000;

    private LogWindow Window() =>
        new(
            (from, count, _) =>
            {
                _reads.Add((from, count));
                return Task.FromResult<IReadOnlyList<LogLine>>([.. Lines(from, Math.Min(count, _total - from))]);
            }
        );

    private static IEnumerable<LogLine> Lines(long from, long count)
    {
        for (var n = from; n < from + count; n++)
        {
            yield return new LogLine(n, n, LogStream.Stdout, $"line {n}");
        }
    }

    [Fact]
    public async Task Any_part_of_a_long_log_is_read_without_the_rest()
    {
        var lines = await Window().GetAsync(90_000, 60, TestContext.Current.CancellationToken);

        Assert.Equal(Enumerable.Range(90_000, 60).Select(n => $"line {n}"), lines.Select(l => l.Text));
        Assert.True(_reads.Sum(r => r.Count) <= 2 * LogWindow.PageLines);
    }

    [Fact]
    public async Task A_window_over_the_edge_of_pages_is_whole()
    {
        var first = LogWindow.PageLines - 10;

        var lines = await Window().GetAsync(first, 20, TestContext.Current.CancellationToken);

        Assert.Equal(Enumerable.Range(first, 20).Select(n => (long)n), lines.Select(l => l.Number));
        Assert.Equal(2, _reads.Count);
    }

    [Fact]
    public async Task What_was_read_is_not_read_again()
    {
        var window = Window();
        await window.GetAsync(1000, 60, TestContext.Current.CancellationToken);
        var reads = _reads.Count;

        await window.GetAsync(1010, 60, TestContext.Current.CancellationToken);

        Assert.Equal(reads, _reads.Count);
    }

    [Fact]
    public async Task The_last_page_is_read_again_only_when_more_of_it_is_needed()
    {
        _total = 10;
        var window = Window();
        await window.GetAsync(0, 10, TestContext.Current.CancellationToken);
        await window.GetAsync(0, 10, TestContext.Current.CancellationToken);
        Assert.Single(_reads);

        _total = 15;
        var lines = await window.GetAsync(0, 15, TestContext.Current.CancellationToken);

        Assert.Equal(15, lines.Count);
        Assert.Equal(2, _reads.Count);
    }

    [Fact]
    public async Task Scrolling_through_everything_keeps_a_bounded_number_of_pages()
    {
        var window = Window();
        for (var at = 0; at < _total; at += LogWindow.PageLines)
        {
            await window.GetAsync(at, LogWindow.PageLines, TestContext.Current.CancellationToken);
        }
        _reads.Clear();

        await window.GetAsync(_total - 60, 60, TestContext.Current.CancellationToken);
        Assert.Empty(_reads);
        await window.GetAsync(0, 60, TestContext.Current.CancellationToken);
        Assert.Single(_reads);
    }

    [Fact]
    public async Task Past_the_end_there_is_nothing()
    {
        _total = 10;

        Assert.Empty(await Window().GetAsync(5000, 60, TestContext.Current.CancellationToken));
        Assert.Equal(3, (await Window().GetAsync(7, 60, TestContext.Current.CancellationToken)).Count);
    }
}
