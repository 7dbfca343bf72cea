using System.Threading.Channels;

namespace DeepLab.Core.Feeds;

public enum ChangeKind
{
    /// <summary>The connection that carries changes was lost and is back: anything may have changed.</summary>
    Everything,
    Workload,
    Log,
    Metrics,
    Host,
    Queue,
    Account,

    /// <summary>The catalogue, or a task with an image; its id, or 0.</summary>
    Image,

    /// <summary>What a job's program wrote beside curves.</summary>
    Media,
}

/// <summary>Something changed. <see cref="Id"/> is a workload's id, an attempt's id (Log), an image task's id (Image), or 0.</summary>
public readonly record struct Change(ChangeKind Kind, long Id);

/// <summary>
/// Every change that any console committed, fanned out to this process' pages, hubs and loops. A subscription is a
/// bounded set of distinct changes: a slow reader finds fewer wake-ups, never fewer facts, since it reads the facts
/// from the database afterwards.
/// </summary>
public sealed class ChangeFeed
{
    private readonly Lock _gate = new();
    private Subscription[] _subscriptions = [];

    public Subscription Subscribe(Func<Change, bool>? filter = null)
    {
        var s = new Subscription(this, filter);
        lock (_gate)
        {
            _subscriptions = [.. _subscriptions, s];
        }
        return s;
    }

    public void Publish(Change change)
    {
        foreach (var s in Volatile.Read(ref _subscriptions))
        {
            s.Offer(change);
        }
    }

    private void Remove(Subscription s)
    {
        lock (_gate)
        {
            _subscriptions = [.. _subscriptions.Where(x => x != s)];
        }
    }

    public sealed class Subscription : IDisposable
    {
        private const int Limit = 4096;
        private readonly ChangeFeed _feed;
        private readonly Func<Change, bool>? _filter;
        private readonly Lock _gate = new();
        private HashSet<Change> _pending = [];
        private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(
            new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite }
        );

        internal Subscription(ChangeFeed feed, Func<Change, bool>? filter) => (_feed, _filter) = (feed, filter);

        internal void Offer(Change change)
        {
            if (change.Kind != ChangeKind.Everything && _filter is not null && !_filter(change))
            {
                return;
            }
            lock (_gate)
            {
                if (_pending.Count >= Limit)
                {
                    _pending = [new Change(ChangeKind.Everything, 0)];
                }
                else
                {
                    _pending.Add(change);
                }
            }
            _wake.Writer.TryWrite(true);
        }

        /// <summary>Waits for at least one change and takes all that are pending, each once.</summary>
        public async Task<IReadOnlyCollection<Change>> NextAsync(CancellationToken ct)
        {
            await _wake.Reader.ReadAsync(ct);
            return Take();
        }

        /// <summary>As <see cref="NextAsync(CancellationToken)"/>, but answers empty when <paramref name="patience"/> ran out.</summary>
        public async Task<IReadOnlyCollection<Change>> NextAsync(
            TimeSpan patience,
            TimeProvider time,
            CancellationToken ct
        )
        {
            using var timeout = new CancellationTokenSource(patience, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
            try
            {
                await _wake.Reader.ReadAsync(both.Token);
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                return [];
            }
            return Take();
        }

        private HashSet<Change> Take()
        {
            lock (_gate)
            {
                var taken = _pending;
                _pending = [];
                return taken;
            }
        }

        public void Dispose() => _feed.Remove(this);
    }
}
