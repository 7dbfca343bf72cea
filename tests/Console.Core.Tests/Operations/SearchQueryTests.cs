using DeepLab.Core.Operations.History;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Operations;

public sealed class SearchQueryTests
{
    private static readonly DateTimeOffset s_now = new(2026, 3, 10, 12, 0, 0, TimeSpan.Zero);

    private static DateTimeOffset At(int year, int month, int day, int hour = 0, int minute = 0) =>
        new(year, month, day, hour, minute, 0, TimeSpan.Zero);

    private static SearchTerm[] Read(string text)
    {
        var read = SearchQuery.Read(text, s_now);
        Assert.Empty(read.Errors);
        return [.. read.Terms];
    }

    private static SearchTerm One(string text) => Assert.Single(Read(text));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("  \t ")]
    public void Nothing_is_everything(string? text)
    {
        var read = SearchQuery.Read(text, s_now);
        Assert.Empty(read.Terms);
        Assert.Empty(read.Errors);
    }

    [Fact]
    public void Words_are_terms_that_all_have_to_be_met()
    {
        var terms = Read("  state:failed  owner:ann lr -label:exp=a ");
        Assert.Equal(
            [SearchField.State, SearchField.Owner, SearchField.Any, SearchField.Label],
            terms.Select(t => t.Field)
        );
        Assert.Equal([WorkloadState.Failed], terms[0].States);
        Assert.Equal(["ann"], terms[1].Texts);
        Assert.Equal(["lr"], terms[2].Texts);
        Assert.Equal(["exp=a"], terms[3].Texts);
        Assert.Equal([false, false, false, true], terms.Select(t => t.Not));
    }

    [Fact]
    public void Quotes_hold_spaces_colons_commas_and_quotes()
    {
        Assert.Equal(["--lr 0.1"], One("command:\"--lr 0.1\"").Texts);
        Assert.Equal((SearchField.Any, "a:b"), (One("\"a:b\"").Field, One("\"a:b\"").Texts[0]));
        Assert.Equal(["exp=a b"], One("label:exp=\"a b\"").Texts);
        Assert.Equal(["say \"x\\y\""], One("""note:"say \"x\\y\"" """).Texts);
        Assert.Equal(["a,b", "c"], One("owner:\"a,b\",c").Texts);
        Assert.Equal(["a,b"], One("command:a,b").Texts);
        Assert.Equal(["-x"], One("\"-x\"").Texts);
    }

    [Fact]
    public void Of_several_values_one_is_enough()
    {
        Assert.Equal([WorkloadState.Failed, WorkloadState.Stopped], One("state:failed,Stopped").States);
        Assert.Equal([Reason.OutOfMemory, Reason.ImageNotFound], One("REASON:outofmemory,ImageNotFound").Reasons);
    }

    [Theory]
    [InlineData("id:7", 7L, 7L)]
    [InlineData("id:>7", 8L, null)]
    [InlineData("gpus:>=4", 4L, null)]
    [InlineData("gpus:<4", null, 3L)]
    [InlineData("origin:<=4", null, 4L)]
    [InlineData("id:3..5", 3L, 5L)]
    public void Numbers_have_ranges(string text, long? from, long? to) => Assert.Equal((from, to), One(text).Numbers);

    [Fact]
    public void A_time_is_all_of_what_is_written()
    {
        Assert.Equal((At(2026, 1, 1), At(2026, 2, 1)), One("submitted:2026-01").Times);
        Assert.Equal((At(2026, 1, 2), null), One("submitted:>2026-01-01").Times);
        Assert.Equal((At(2026, 1, 1), null), One("ended:>=2026-01-01").Times);
        Assert.Equal((null, At(2026, 1, 1)), One("started:<2026").Times);
        Assert.Equal((null, At(2027, 1, 1)), One("started:<=2026").Times);
        Assert.Equal((At(2026, 1, 1), At(2026, 3, 1)), One("submitted:2026-01..2026-02").Times);
        Assert.Equal((At(2026, 1, 1, 12, 30), At(2026, 1, 1, 12, 31)), One("ended:2026-01-01T12:30Z").Times);
        Assert.Equal((At(2026, 3, 3, 12), null), One("submitted:7d").Times);
        Assert.Equal((At(2026, 3, 10, 11, 30), null), One("submitted:30m").Times);
    }

    [Fact]
    public void A_pin_is_yes_or_no()
    {
        Assert.True(One("pinned:yes").Flag);
        Assert.False(One("pinned:no").Flag);
    }

    [Fact]
    public void A_metric_has_a_bound_of_its_best_value_or_none()
    {
        Assert.Equal(("val/acc", new MetricBound(true, false, 0.95)), Metric("metric:val/acc>0.95"));
        Assert.Equal(("loss", new MetricBound(false, true, -1e-3)), Metric("metric:loss<=-1e-3"));
        Assert.Equal(("a b", new MetricBound(true, true, 2)), Metric("metric:\"a b\">=2"));
        Assert.Equal(("loss", null), Metric("metric:loss"));

        static (string, MetricBound?) Metric(string text)
        {
            var term = One(text);
            Assert.Equal(SearchField.Metric, term.Field);
            return (Assert.Single(term.Texts), term.Bound);
        }
    }

    [Fact]
    public void Every_term_that_is_none_is_told_with_its_place()
    {
        var read = SearchQuery.Read(
            "stat:failed ok state:done id:x submitted:soon label:a\u00a7=1 owner: pinned:maybe",
            s_now
        );
        Assert.Empty(read.Terms);
        Assert.Equal(
            [1, 16, 27, 32, 47, 58, 65],
            read.Errors.Select(e => int.Parse(e.Message.Split("at character ")[1].Split(':')[0]))
        );
        Assert.All(read.Errors, e => Assert.Equal("q", e.Path));
        Assert.Contains("did you mean \"state\"", read.Errors[0].Message, StringComparison.Ordinal);
        Assert.Contains("Succeeded", read.Errors[1].Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("name:\"open")]
    [InlineData("state:1")]
    [InlineData("state:failed,")]
    [InlineData("any:x")]
    [InlineData("5:x")]
    [InlineData("id:9223372036854775807")]
    [InlineData("id:99999999999999999999")]
    [InlineData("submitted:0001")]
    [InlineData("submitted:9999")]
    [InlineData("submitted:2026-02-30")]
    [InlineData("submitted:>7d")]
    [InlineData("metric:loss>")]
    [InlineData("metric:>1")]
    [InlineData("metric:loss<NaN")]
    [InlineData("metric:loss>low")]
    [InlineData("name:a\0b")]
    public void It_is_refused(string text) => Assert.Single(SearchQuery.Read(text, s_now).Errors);

    [Fact]
    public void It_is_bounded()
    {
        Assert.Single(SearchQuery.Read(new string('a', SearchQuery.Longest + 1), s_now).Errors);
        Assert.Single(
            SearchQuery.Read(string.Join(' ', Enumerable.Repeat("a", SearchQuery.MostTerms + 1)), s_now).Errors
        );
        Assert.Equal(
            SearchQuery.MostTerms,
            Read(string.Join(' ', Enumerable.Repeat("a", SearchQuery.MostTerms))).Length
        );
    }
}
