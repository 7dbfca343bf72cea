using DeepLab.Core.Engines;
using DeepLab.Core.Streams;
using DeepLab.Web.Logs;

namespace DeepLab.Web.Tests.Logs;

public sealed class LogSearchTests
{
    private long _total = 10_000;

    /// <summary>Every hundredth line is a hit, found a thousand lines at a time.</summary>
    private LogSearch Search() =>
        new(
            "x",
            (_, from, _, _) =>
            {
                var end = Math.Min(from + 1000, _total);
                LogLine[] hits =
                [
                    .. Enumerable
                        .Range((int)from, (int)(end - from))
                        .Where(n => n % 100 == 0)
                        .Select(n => new LogLine(n, 0, LogStream.Stdout, "x")),
                ];
                return Task.FromResult<(IReadOnlyList<LogLine>, long?)>((hits, end < _total ? end : null));
            }
        );

    [Fact]
    public async Task All_hits_are_found_and_the_next_one_from_here_is_looked_at()
    {
        var search = Search();
        await search.GoOnAsync(_total, TestContext.Current.CancellationToken);
        search.Begin(950);

        Assert.Equal(100, search.Lines.Count);
        Assert.Equal(1000, search.Current);
        search.Step(-1);
        Assert.Equal(900, search.Current);
    }

    [Fact]
    public async Task Steps_go_round_the_ends()
    {
        var search = Search();
        await search.GoOnAsync(_total, TestContext.Current.CancellationToken);
        search.Begin(0);

        search.Step(-1);
        Assert.Equal(9900, search.Current);
        search.Step(1);
        Assert.Equal(0, search.Current);
    }

    [Fact]
    public async Task Lines_that_came_later_are_searched_and_none_twice()
    {
        var search = Search();
        await search.GoOnAsync(_total, TestContext.Current.CancellationToken);
        _total = 10_500;

        await search.GoOnAsync(_total, TestContext.Current.CancellationToken);

        Assert.Equal(105, search.Lines.Count);
        Assert.Equal(search.Lines.Distinct().Order(), search.Lines);
    }

    [Fact]
    public async Task Too_many_hits_are_cut_and_it_says_so()
    {
        _total = 1_000_000;
        var search = Search();

        await search.GoOnAsync(_total, TestContext.Current.CancellationToken);

        Assert.True(search.IsCut);
        Assert.InRange(search.Lines.Count, LogSearch.Most, LogSearch.Most + 1000);
    }
}
