using DeepLab.Core.Feeds;

namespace DeepLab.Core.Tests.Feeds;

public sealed class ChangeFeedTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_subscription_takes_each_pending_change_once()
    {
        var feed = new ChangeFeed();
        using var s = feed.Subscribe();
        feed.Publish(new Change(ChangeKind.Workload, 1));
        feed.Publish(new Change(ChangeKind.Workload, 1));
        feed.Publish(new Change(ChangeKind.Host, 0));
        Assert.Equal(2, (await s.NextAsync(Ct)).Count);
    }

    [Fact]
    public async Task A_filter_never_hides_that_everything_may_have_changed()
    {
        var feed = new ChangeFeed();
        using var s = feed.Subscribe(c => c.Kind == ChangeKind.Host);
        feed.Publish(new Change(ChangeKind.Workload, 1));
        feed.Publish(new Change(ChangeKind.Everything, 0));
        Assert.Equal(ChangeKind.Everything, Assert.Single(await s.NextAsync(Ct)).Kind);
    }

    [Fact]
    public async Task A_slow_reader_is_bounded_and_told_to_read_everything()
    {
        var feed = new ChangeFeed();
        using var s = feed.Subscribe();
        for (var i = 0; i < 10_000; i++)
        {
            feed.Publish(new Change(ChangeKind.Workload, i));
        }
        var taken = await s.NextAsync(Ct);
        Assert.True(taken.Count <= 4096);
        Assert.Contains(taken, c => c.Kind == ChangeKind.Everything);
    }

    [Fact]
    public async Task Nothing_published_ends_the_patience_with_an_empty_answer()
    {
        using var s = new ChangeFeed().Subscribe();
        Assert.Empty(await s.NextAsync(TimeSpan.FromMilliseconds(5), TimeProvider.System, Ct));
    }
}
