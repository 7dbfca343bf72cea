using DeepLab.Core.Clusters;

namespace DeepLab.Core.Tests.Clusters;

/// <summary>When the network between two hosts is slow, and what is kept of it.</summary>
public sealed class HostPairTests
{
    private static readonly DateTimeOffset s_now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static readonly PairFigures s_usual = new(100, 0.2);

    private static PairFigures[] Others(params double[] speeds) => [.. speeds.Select(s => new PairFigures(s, 0.2))];

    [Theory]
    // Fewer than two others say nothing of the cluster, and it has no history
    [InlineData(40, new double[] { 100 }, new double[] { }, null)]
    [InlineData(
        40,
        new double[] { 100, 110 },
        new double[] { },
        "less than half of the 105 MB/s that are typical of the cluster's other pairs"
    )]
    [InlineData(60, new double[] { 100, 110 }, new double[] { }, null)]
    // One slow host of three: the other slow pair is among the others
    [InlineData(10, new double[] { 100, 10 }, new double[] { }, "less than half of the 55 MB/s")]
    // Its own history, with few others or where all are slow
    [InlineData(40, new double[] { }, new double[] { 100, 90 }, null)]
    [InlineData(
        40,
        new double[] { },
        new double[] { 100, 90, 110 },
        "less than half of the 100 MB/s that are typical of this pair"
    )]
    [InlineData(40, new double[] { 40, 42 }, new double[] { 100, 90, 110 }, "typical of this pair")]
    [InlineData(0.4, new double[] { }, new double[] { }, "carries 0.4 MB/s, next to nothing")]
    [InlineData(0, new double[] { }, new double[] { }, "carries 0 MB/s, next to nothing")]
    public void It_is_slow_by_the_clusters_other_pairs_or_by_its_own_history(
        double speed,
        double[] others,
        double[] earlier,
        string? why
    )
    {
        var said = PairRule.WhySlow(new PairFigures(speed, 0.2), Others(earlier), Others(others));
        if (why is null)
        {
            Assert.Null(said);
        }
        else
        {
            Assert.Contains(why, said, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(0.9, false)]
    // A busy machine answers late as well
    [InlineData(4, false)]
    [InlineData(40, true)]
    public void So_it_is_by_its_delay(double milliseconds, bool isSlow) =>
        Assert.Equal(
            isSlow ? "answers in 40 ms, where 0.2 ms are typical of the cluster's other pairs" : null,
            PairRule.WhySlow(s_usual with { Milliseconds = milliseconds }, [], Others(100, 100))
        );

    [Fact]
    public void A_pair_is_measured_again_after_a_while_and_sooner_where_it_is_slow_or_was_not_measured()
    {
        Assert.True(PairRule.IsDue(null, s_now));
        var pair = new HostPair();
        pair.Note(s_usual, [], s_now);
        Assert.False(PairRule.IsDue(pair, s_now + TimeSpan.FromHours(5)));
        Assert.True(PairRule.IsDue(pair, s_now + TimeSpan.FromHours(6)));

        pair.Note(new PairFigures(10, 0.2), Others(100, 100), s_now);
        Assert.NotEmpty(pair.Slow);
        Assert.False(PairRule.IsDue(pair, s_now + TimeSpan.FromMinutes(9)));
        Assert.True(PairRule.IsDue(pair, s_now + TimeSpan.FromMinutes(10)));

        var unmeasured = new HostPair();
        unmeasured.NoteFailure("no perl", s_now);
        Assert.False(PairRule.IsDue(unmeasured, s_now + TimeSpan.FromMinutes(9)));
        Assert.True(PairRule.IsDue(unmeasured, s_now + TimeSpan.FromMinutes(10)));
        Assert.Null(unmeasured.Newest);
        Assert.Null(unmeasured.Typical);
    }

    [Fact]
    public void Sixteen_readings_are_kept()
    {
        var pair = new HostPair();
        for (var i = 1; i <= 40; i++)
        {
            pair.Note(new PairFigures(100 + i, 0.2), [], s_now);
        }
        Assert.Equal((16, 16), (pair.Speeds.Length, pair.Delays.Length));
        Assert.Equal(140, pair.Speeds[^1]);
        Assert.Equal(new PairFigures(140, 0.2), pair.Newest);
        Assert.Equal(132.5, pair.Typical!.Value.MegabytesPerSecond);
    }

    [Fact]
    public void Slow_readings_become_typical_in_days_not_in_an_hour()
    {
        var pair = new HostPair();
        for (var i = 0; i < 5; i++)
        {
            pair.Note(s_usual, [], s_now);
        }
        for (var minutes = 10; minutes < 600; minutes += 10)
        {
            pair.Note(new PairFigures(10, 0.2), [], s_now + TimeSpan.FromMinutes(minutes));
        }
        Assert.Equal(5, pair.Speeds.Length);
        Assert.Equal(new PairFigures(10, 0.2), pair.Newest);
        Assert.NotEmpty(pair.Slow);
        for (var days = 1; days <= 8; days++)
        {
            pair.Note(new PairFigures(10, 0.2), [], s_now + TimeSpan.FromDays(days));
        }
        Assert.Equal("", pair.Slow);
    }

    [Fact]
    public void A_failure_leaves_what_was_known()
    {
        var pair = new HostPair();
        pair.Note(s_usual, [], s_now);
        pair.NoteFailure("an engine did not answer", s_now + TimeSpan.FromDays(1));
        Assert.Equal((s_usual, s_now), (pair.Newest, pair.MeasuredAt));
        Assert.Equal("an engine did not answer", pair.Unmeasured);
        pair.Note(s_usual, [], s_now + TimeSpan.FromDays(2));
        Assert.Equal("", pair.Unmeasured);
    }
}
