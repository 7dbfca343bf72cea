namespace DeepLab.Core.Streams;

/// <summary>A log that at least one reader follows: its readers ask for the cursor together.</summary>
internal sealed class FollowedLog(long attemptId) : IDisposable
{
    private readonly SemaphoreSlim _asking = new(1);
    private LogCursor? _cursor;
    private long _askedAt = long.MinValue;

    /// <summary>-1 once the last one has left.</summary>
    private int _readers;

    public long AttemptId { get; } = attemptId;

    /// <summary>The cursor as it was at this moment or later.</summary>
    public async Task<LogCursor?> CursorAsync(ILogStore store, TimeProvider time, CancellationToken ct)
    {
        var now = time.GetTimestamp();
        await _asking.WaitAsync(ct);
        try
        {
            if (_askedAt < now && _cursor is not { Complete: true })
            {
                var asked = time.GetTimestamp();
                _cursor = await store.FindCursorAsync(AttemptId, ct);
                _askedAt = asked;
            }
            return _cursor;
        }
        finally
        {
            _asking.Release();
        }
    }

    public bool TryEnter()
    {
        while (true)
        {
            var readers = Volatile.Read(ref _readers);
            if (readers < 0)
            {
                return false;
            }
            if (Interlocked.CompareExchange(ref _readers, readers + 1, readers) == readers)
            {
                return true;
            }
        }
    }

    /// <summary>True for the last one; nobody enters afterwards.</summary>
    public bool Leave() =>
        Interlocked.Decrement(ref _readers) == 0 && Interlocked.CompareExchange(ref _readers, -1, 0) == 0;

    public void Dispose() => _asking.Dispose();
}
