using DeepLab.Core.Feeds;

namespace DeepLab.Web.Boards;

/// <summary>
/// What one page of one circuit shows. It loads once, then again whenever something it cares about changed, and tells the
/// page at most four times a second, whatever the feed does.
/// </summary>
public abstract partial class Board(ChangeFeed feed, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(2);
    private readonly CancellationTokenSource _stop = new();
    private Task? _loop;

    /// <summary>Least time between two loads.</summary>
    protected virtual TimeSpan Pace { get; } = TimeSpan.FromMilliseconds(250);

    /// <summary>A load even when nothing was announced; infinite = none.</summary>
    protected virtual TimeSpan Patience { get; } = Timeout.InfiniteTimeSpan;

    public bool Loaded { get; private set; }

    /// <summary>Why what is shown may be old, as a sentence; null while all is well.</summary>
    public string? Trouble { get; private set; }

    /// <summary>Raised off the page's own context: render through InvokeAsync.</summary>
    public event Func<Task>? Changed;

    protected TimeProvider Time => time;

    protected abstract bool Matters(Change change);

    /// <param name="changes">what changed; empty on the first load and when patience ran out</param>
    /// <returns>whether the page has to render</returns>
    protected abstract Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct);

    public void Start() => _loop ??= RunAsync(_stop.Token);

    private async Task RunAsync(CancellationToken ct)
    {
        // Subscribed before the first load, so that nothing falls between the two
        using var subscription = feed.Subscribe(Matters);
        IReadOnlyCollection<Change> changes = [];
        try
        {
            while (true)
            {
                if (await TryLoadAsync(changes, ct))
                {
                    await RaiseAsync();
                }
                await Task.Delay(Trouble is null ? Pace : s_retry, time, ct);
                changes =
                    Trouble is not null ? [new Change(ChangeKind.Everything, 0)]
                    : Patience == Timeout.InfiniteTimeSpan ? await subscription.NextAsync(ct)
                    : await subscription.NextAsync(Patience, time, ct);
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // The page is gone
        }
    }

    private async Task<bool> TryLoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        try
        {
            var render = await LoadAsync(changes, ct);
            var first = !Loaded || Trouble is not null;
            (Loaded, Trouble) = (true, null);
            return render || first;
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            // The loop's boundary: a database that is away must not end the page, which says so and tries again
            Log.LoadFailed(logger, GetType().Name, e);
            var first = Trouble is null;
            Trouble = "The database does not answer; what you see may be old. Trying again every two seconds.";
            return first;
        }
    }

    protected Task RaiseAsync() => Changed?.Invoke() ?? Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        Changed = null;
        await _stop.CancelAsync();
        if (_loop is not null)
        {
            await _loop;
        }
        _stop.Dispose();
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "{Board} could not be loaded")]
        public static partial void LoadFailed(ILogger logger, string board, Exception error);
    }
}
