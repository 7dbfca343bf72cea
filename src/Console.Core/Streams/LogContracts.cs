using DeepLab.Core.Engines;

namespace DeepLab.Core.Streams;

/// <summary>
/// A block of consecutive lines of one attempt. The last block of a live log is open: it is written again, longer,
/// until it is full (about 128 KiB of text), so that a slow log does not become a row a line.
/// </summary>
/// <param name="FirstLine">number of its first line in the attempt, from 0</param>
/// <param name="FirstUnixNanos">timestamp of its first line</param>
/// <param name="LastUnixNanos">greatest timestamp of its lines; two streams may cross by microseconds</param>
/// <param name="RawBytes">bytes of its text, newlines included</param>
/// <param name="Data">the lines, encoded and compressed by <see cref="LogBlocks"/></param>
public sealed record LogBlock(
    long AttemptId,
    long FirstLine,
    int LineCount,
    long FirstUnixNanos,
    long LastUnixNanos,
    int RawBytes,
    byte[] Data
);

/// <summary>Where collection stands; written in the same transaction as the lines it counts.</summary>
/// <param name="LastUnixNanos">timestamp of the last stored line; 0 before the first</param>
/// <param name="SameStampCount">stored lines that carry that timestamp, so that an inclusive `since` can be de-doubled</param>
/// <param name="Lines">stored lines, gaps not counted</param>
/// <param name="Bytes">stored bytes of text</param>
/// <param name="Gaps">times that the engine had dropped lines before we read them</param>
/// <param name="Complete">the container ended and its log was read to its end</param>
public sealed record LogCursor(
    long AttemptId,
    long LastUnixNanos,
    int SameStampCount,
    long Lines,
    long Bytes,
    int Gaps,
    bool Complete
)
{
    /// <summary>Number of the next line: a gap takes a number like any line, so that readers see it in its place.</summary>
    public long Next => Lines + Gaps;
}

/// <summary>One line as it was kept.</summary>
/// <param name="Number">from 0 within the attempt</param>
/// <param name="IsGap">not a line of the program: the engine had dropped lines here, Text says so</param>
public readonly record struct LogLine(long Number, long UnixNanos, LogStream Stream, string Text, bool IsGap = false);

/// <summary>Durable home of blocks and cursors; implemented in Storage.</summary>
public interface ILogStore
{
    Task<LogCursor?> FindCursorAsync(long attemptId, CancellationToken ct);

    /// <summary>The last, perhaps open, block, so that a new collector goes on with it; null where there is none.</summary>
    Task<LogBlock?> FindLastBlockAsync(long attemptId, CancellationToken ct);

    /// <summary>
    /// Writes blocks (those whose first line is stored already are replaced) and the cursor in one transaction, and tells
    /// every console that the attempt's log moved.
    /// </summary>
    Task AppendAsync(IReadOnlyList<LogBlock> blocks, LogCursor cursor, CancellationToken ct);

    /// <summary>Blocks that hold any line at or after <paramref name="fromLine"/>, in order, at most <paramref name="limit"/>.</summary>
    Task<IReadOnlyList<LogBlock>> ReadAsync(long attemptId, long fromLine, int limit, CancellationToken ct);

    /// <summary>First line at or after a time; null where the log has none so late.</summary>
    Task<long?> FindLineAtAsync(long attemptId, long unixNanos, CancellationToken ct);
}
