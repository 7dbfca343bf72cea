using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Metrics;

/// <summary>
/// Takes readings from everywhere and writes them about every second, in one transaction. What cannot be written is kept
/// and tried again, up to <see cref="MostWaiting"/> readings; then the oldest go, counted.
/// </summary>
public sealed partial class SeriesWriter(ISeriesStore store, TimeProvider time, ILogger<SeriesWriter> logger)
    : BackgroundService
{
    /// <summary>about 40 bytes each</summary>
    public const int MostWaiting = 200_000;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>A series that got nothing for so long is forgotten here; its roll-ups are closed.</summary>
    private static readonly TimeSpan Idle = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LastWrite = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly Queue<(SeriesKey Key, SeriesPoint Point)> _waiting = new();
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly SeriesAppenders _appenders = new(store);
    private readonly SeriesFolder _folder = new(store);
    private long _taken;
    private long _dropped;
    private DateTimeOffset _looked;

    /// <summary>Takes a reading of the machine; never waits. Readings of one series come in order of time.</summary>
    public void Add(SeriesKey key, SeriesPoint point)
    {
        lock (_lock)
        {
            if (_waiting.Count >= MostWaiting)
            {
                _waiting.Dequeue();
                _taken++;
                _dropped++;
            }
            _waiting.Enqueue((key, point));
        }
    }

    /// <summary>
    /// Writes points of a job's curves and where their reader stands, together. When it throws, it is not known whether
    /// they were written: the caller reads the cursor again and goes on from there.
    /// </summary>
    public async Task WriteCurvesAsync(
        long attemptId,
        IReadOnlyList<(SeriesKey Key, SeriesPoint Point)> points,
        string eventCursor,
        CancellationToken ct
    )
    {
        await _writing.WaitAsync(ct);
        try
        {
            await WriteAsync(points, [], write => store.WriteAsync(write, attemptId, eventCursor, ct), ct);
            await FoldAsync(ct);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Writes what waits.</summary>
    public async Task FlushAsync(CancellationToken ct)
    {
        await _writing.WaitAsync(ct);
        try
        {
            (SeriesKey Key, SeriesPoint Point)[] points;
            long upTo;
            lock (_lock)
            {
                points = [.. _waiting];
                upTo = _taken + points.Length;
            }
            var (look, idle) = FindIdle(points.Select(p => p.Key));
            if (points.Length > 0 || idle.Count > 0)
            {
                await WriteAsync(
                    points,
                    idle,
                    write =>
                        write.Blocks.Count + write.Rows.Count == 0
                            ? Task.FromResult<IReadOnlyDictionary<long, long>>(new Dictionary<long, long>())
                            : store.WriteAsync(write, ct),
                    ct
                );
                _appenders.Forget(idle);
            }
            lock (_lock)
            {
                // Some may have been dropped meanwhile
                for (; _taken < upTo; _taken++)
                {
                    _waiting.Dequeue();
                }
            }
            await FoldAsync(ct);
            if (look)
            {
                _appenders.ForgetShelves(await _folder.SettleAsync(ct));
            }
        }
        finally
        {
            _writing.Release();
        }
        TellDropped();
    }

    /// <summary>
    /// Forgets what is known of stored series. To be called when this console begins to lead: another one may have written
    /// since.
    /// </summary>
    public async Task ForgetAsync(CancellationToken ct)
    {
        await _writing.WaitAsync(ct);
        try
        {
            _appenders.ForgetAll();
            _folder.Forget();
        }
        finally
        {
            _writing.Release();
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        using var budget = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        budget.CancelAfter(LastWrite);
        try
        {
            await FlushAsync(budget.Token);
        }
        catch (Exception e)
        {
            int waiting;
            lock (_lock)
            {
                waiting = _waiting.Count;
            }
            Log.LastWriteFailed(logger, e, waiting);
        }
    }

    public override void Dispose()
    {
        _writing.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        var failing = false;
        while (await Ticks(timer, stoppingToken))
        {
            try
            {
                await FlushAsync(stoppingToken);
                failing = false;
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // Tried again at the next tick
                if (!failing)
                {
                    Log.WriteFailed(logger, e);
                }
                failing = true;
                TellDropped();
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private static async Task<bool> Ticks(PeriodicTimer timer, CancellationToken ct)
    {
        try
        {
            return await timer.WaitForNextTickAsync(ct);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private (bool Look, IReadOnlyList<SeriesKey> Idle) FindIdle(IEnumerable<SeriesKey> busy)
    {
        var now = time.GetUtcNow();
        if (now - _looked < TimeSpan.FromSeconds(30))
        {
            return (false, []);
        }
        _looked = now;
        return (true, [.. _appenders.IdleSince(now - Idle).Except(busy)]);
    }

    /// <summary>What was written is durable whether this works or not: it is done again with a later batch.</summary>
    private async Task FoldAsync(CancellationToken ct)
    {
        try
        {
            await _folder.FoldAsync(ct);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            Log.FoldFailed(logger, e);
        }
    }

    private async Task WriteAsync(
        IReadOnlyList<(SeriesKey Key, SeriesPoint Point)> points,
        IReadOnlyList<SeriesKey> idle,
        Func<SeriesWrite, Task<IReadOnlyDictionary<long, long>>> write,
        CancellationToken ct
    )
    {
        // Callers keep their keys: one object is looked up once, not once a point
        var byKey = new Dictionary<SeriesKey, SeriesAppender?>(ReferenceEqualityComparer.Instance);
        foreach (var (key, _) in points)
        {
            byKey.TryAdd(key, null);
        }
        SeriesKey[] keys = [.. byKey.Keys];
        var written = false;
        HashSet<long> shelves = [];
        try
        {
            _folder.TakeUp(await _appenders.LoadAsync(keys, ct));
            var now = time.GetUtcNow();
            foreach (var key in keys)
            {
                var appender = _appenders[key];
                appender.Touched = now;
                byKey[key] = appender;
            }
            var blocks = new List<SeriesBlock>();
            foreach (var key in idle)
            {
                _appenders[key].CloseBuckets(blocks);
            }
            foreach (var (key, point) in points)
            {
                if (byKey[key]!.Add(point, blocks))
                {
                    Log.Full(logger, key, SeriesAppender.MostJobPoints);
                }
            }
            var touched = byKey.Values.Concat(idle.Select(k => _appenders[k])).Select(a => a!).ToHashSet();
            var onShelves = touched.GroupBy(a => SeriesShelf.Of(a.Id)).ToDictionary(g => g.Key, g => g.ToArray());
            shelves = [.. onShelves.Keys];
            var rows = new List<ShelfRow>();
            var obsolete = new List<(long Shelf, long Id)>();
            var emptied = new HashSet<long>();
            foreach (var shelf in blocks.Select(b => SeriesShelf.Of(b.SeriesId)).Distinct())
            {
                if (_folder.FindObsolete(shelf) is { Count: > 0 } ids)
                {
                    obsolete.AddRange(ids.Select(id => (shelf, id)));
                    emptied.Add(shelf);
                }
            }
            foreach (var (shelf, appenders) in onShelves)
            {
                var fresh = new List<SeriesShelf.Part>();
                foreach (var appender in appenders)
                {
                    appender.TakeFresh(fresh);
                }
                if (fresh.Count > 0)
                {
                    rows.Add(SeriesShelf.Pack(shelf, fresh));
                }
            }
            var rowIds = await write(new SeriesWrite(blocks, rows, obsolete));
            written = true;
            foreach (var row in rows)
            {
                _folder.Count(row, rowIds[row.Shelf], onShelves[row.Shelf], emptied.Contains(row.Shelf));
            }
            _folder.Clear(emptied.Except(rows.Select(r => r.Shelf)));
        }
        finally
        {
            if (!written)
            {
                // The store may have them or not: what it has is read again before the next try
                _folder.TakeUp(shelves);
                _appenders.Forget(keys);
                _appenders.Forget(idle);
            }
            _appenders.Trim();
        }
    }

    private void TellDropped()
    {
        long dropped;
        lock (_lock)
        {
            dropped = _dropped;
            _dropped = 0;
        }
        if (dropped > 0)
        {
            Log.Dropped(logger, dropped);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Readings could not be written; they are kept and tried again")]
        public static partial void WriteFailed(ILogger logger, Exception e);

        [LoggerMessage(LogLevel.Warning, "Rows of series could not be brought together; it is tried again")]
        public static partial void FoldFailed(ILogger logger, Exception e);

        [LoggerMessage(LogLevel.Warning, "{Count} readings could not be written before the end")]
        public static partial void LastWriteFailed(ILogger logger, Exception e, int count);

        [LoggerMessage(LogLevel.Warning, "{Count} readings, the oldest, were dropped: too many wait to be written")]
        public static partial void Dropped(ILogger logger, long count);

        [LoggerMessage(LogLevel.Warning, "{Series} has {Most} points; no more are kept")]
        public static partial void Full(ILogger logger, SeriesKey series, long most);
    }
}
