namespace DeepLab.Core.Streams;

/// <summary>
/// Reads kept lines; following waits for the archive to grow, so live and archived reading are one thing and there is
/// no seam between them. Blocks just read or written are cached, so that many readers of one log cost one.
/// </summary>
public sealed class LogReader
{
    /// <summary>Lines stored so far and whether more may come.</summary>
    public Task<LogCursor?> FindCursorAsync(long attemptId, CancellationToken ct) => throw new NotSupportedException("not built yet");

    public Task<IReadOnlyList<LogLine>> ReadAsync(long attemptId, long fromLine, int count, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");

    /// <summary>Batches of lines from <paramref name="fromLine"/> on; ends when the log is complete and was read to its end.</summary>
    public IAsyncEnumerable<IReadOnlyList<LogLine>> FollowAsync(long attemptId, long fromLine, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");

    /// <summary>Lines that contain the text (case-insensitive), from <paramref name="fromLine"/> on.</summary>
    /// <returns>the hits, and the line to go on from; null where the end was reached</returns>
    public Task<(IReadOnlyList<LogLine> Hits, long? Next)> SearchAsync(long attemptId, string text, long fromLine, int limit, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");

    /// <summary>First line at or after a time; null where the log has none so late.</summary>
    public Task<long?> FindLineAtAsync(long attemptId, DateTimeOffset at, CancellationToken ct) => throw new NotSupportedException("not built yet");
}
