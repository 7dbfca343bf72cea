using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Reconcile;

/// <summary>How long a job that is to give way is left alone.</summary>
public sealed class YieldsTests
{
    private static readonly DateTimeOffset s_now = new(2030, 1, 1, 12, 0, 0, TimeSpan.Zero);

    /// <param name="ago">seconds since its last checkpoint; null = it has none</param>
    /// <param name="period">seconds from one to the next; null = not known</param>
    private static Workload Running(double? ago, double? period, double placedAgo = 3600) =>
        new()
        {
            Name = "a",
            OwnerName = "ada",
            SpecJson = "{}",
            SpecHash = "",
            State = WorkloadState.Running,
            Round = 2,
            PlacedAt = s_now.AddSeconds(-placedAgo),
            CheckpointAt = ago is { } a ? s_now.AddSeconds(-a) : null,
            CheckpointSeconds = period,
        };

    private static double? Seconds(Workload w) => (Yields.By(w, s_now) - s_now)?.TotalSeconds;

    [Fact]
    public void Until_its_next_checkpoint_is_due_and_a_little_more()
    {
        Assert.Equal(20 + 15 + 10, Seconds(Running(ago: 10, period: 30)));
        // Late, but not so late that it may never come
        Assert.Equal(15 + 10, Seconds(Running(ago: 40, period: 30)));
    }

    [Fact]
    public void Never_longer_than_two_minutes() => Assert.Equal(120, Seconds(Running(ago: 100, period: 215)));

    [Theory]
    [InlineData(null, null)]
    [InlineData(10.0, null)]
    [InlineData(10.0, 1000.0)]
    [InlineData(100.0, 30.0)]
    public void Not_at_all_where_none_is_about_to_come(double? ago, double? period) =>
        Assert.Null(Seconds(Running(ago, period)));

    [Fact]
    public void Not_at_all_where_this_round_has_written_none() =>
        Assert.Null(Seconds(Running(ago: 20, period: 30, placedAgo: 5)));

    [Theory]
    [InlineData(1, null, 3600)]
    [InlineData(2, null, 60)]
    [InlineData(2, 30, 30)]
    [InlineData(2, 90, 60)]
    public void Work_is_unsaved_since_the_newest_checkpoint_or_since_the_round_began(int round, int? ago, int expected)
    {
        var w = Running(ago, null, placedAgo: 60);
        (w.Round, w.StartedAt) = (round, s_now.AddHours(-1));
        Assert.Equal(s_now.AddSeconds(-expected), w.UnsavedSince);
        w.State = WorkloadState.Queued;
        Assert.Null(w.UnsavedSince);
    }
}
