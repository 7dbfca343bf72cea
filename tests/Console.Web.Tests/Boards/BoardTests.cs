using DeepLab.Core.Feeds;
using DeepLab.Web.Boards;
using Microsoft.Extensions.Logging.Abstractions;

namespace DeepLab.Web.Tests.Boards;

public sealed class BoardTests
{
    private sealed class Counter(ChangeFeed feed) : Board(feed, TimeProvider.System, NullLogger.Instance)
    {
        private readonly SemaphoreSlim _loaded = new(0);

        public int Loads { get; private set; }
        public bool Fails { get; set; }
        public HashSet<Change> Seen { get; } = [];

        protected override TimeSpan Pace { get; } = TimeSpan.FromMilliseconds(20);

        protected override bool Matters(Change change) => change.Kind == ChangeKind.Workload;

        protected override Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
        {
            Seen.UnionWith(changes);
            Loads++;
            _loaded.Release();
            return Fails ? throw new InvalidOperationException("the database is away") : Task.FromResult(true);
        }

        public async Task LoadedAsync() =>
            Assert.True(await _loaded.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task It_loads_once_and_then_only_when_something_it_cares_about_changed()
    {
        var feed = new ChangeFeed();
        await using var board = new Counter(feed);
        board.Start();
        await board.LoadedAsync();

        feed.Publish(new Change(ChangeKind.Host, 0));
        feed.Publish(new Change(ChangeKind.Workload, 5));
        await board.LoadedAsync();

        Assert.Equal(2, board.Loads);
        Assert.Equal([new Change(ChangeKind.Workload, 5)], board.Seen);
    }

    [Fact]
    public async Task A_storm_of_changes_is_one_load_that_knows_all_of_them()
    {
        var feed = new ChangeFeed();
        await using var board = new Counter(feed);
        for (var i = 0; i < 3000; i++)
        {
            // Nobody listens yet: what the first load sees, it sees in the database
            feed.Publish(new Change(ChangeKind.Workload, -i));
        }
        board.Start();
        await board.LoadedAsync();
        for (var i = 1; i <= 3000; i++)
        {
            feed.Publish(new Change(ChangeKind.Workload, i));
        }
        while (board.Seen.Count < 3000)
        {
            await board.LoadedAsync();
        }

        Assert.InRange(board.Loads, 2, 20);
    }

    [Fact]
    public async Task A_failing_load_is_told_and_does_not_end_it()
    {
        var feed = new ChangeFeed();
        await using var board = new Counter(feed) { Fails = true };
        var told = new TaskCompletionSource();
        board.Changed += () =>
        {
            told.TrySetResult();
            return Task.CompletedTask;
        };
        board.Start();
        await told.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Assert.NotNull(board.Trouble);
        Assert.False(board.Loaded);

        var well = new TaskCompletionSource();
        board.Changed += () =>
        {
            well.TrySetResult();
            return Task.CompletedTask;
        };
        board.Fails = false;
        await well.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);

        Assert.Null(board.Trouble);
        Assert.True(board.Loaded);
    }

    [Fact]
    public async Task After_it_was_disposed_nothing_is_loaded()
    {
        var feed = new ChangeFeed();
        var board = new Counter(feed);
        board.Start();
        await board.LoadedAsync();
        await board.DisposeAsync();
        var loads = board.Loads;

        feed.Publish(new Change(ChangeKind.Workload, 1));

        Assert.Equal(loads, board.Loads);
    }
}
