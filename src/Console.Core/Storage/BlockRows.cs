namespace DeepLab.Core.Storage;

// Rows that are written and read by hand-made SQL; EF only makes their tables.

internal sealed class LogBlockRow
{
    public long AttemptId { get; set; }
    public long FirstLine { get; set; }
    public int LineCount { get; set; }
    public long FirstUnixNanos { get; set; }
    public long LastUnixNanos { get; set; }
    public int RawBytes { get; set; }
    public required byte[] Data { get; set; }
}

internal sealed class LogCursorRow
{
    public long AttemptId { get; set; }
    public long LastUnixNanos { get; set; }
    public int SameStampCount { get; set; }
    public long Lines { get; set; }
    public long Bytes { get; set; }
    public int Gaps { get; set; }
    public bool Complete { get; set; }
}

internal sealed class SeriesRow
{
    public long Id { get; set; }
    public int Owner { get; set; }
    public required string OwnerId { get; set; }
    public required string Name { get; set; }
    public required string Source { get; set; }
}

internal sealed class SeriesBlockRow
{
    public long SeriesId { get; set; }
    public int Resolution { get; set; }
    public long FirstUnixMillis { get; set; }
    public long LastUnixMillis { get; set; }
    public long FirstStep { get; set; }
    public long LastStep { get; set; }
    public int Count { get; set; }
    public required byte[] Data { get; set; }
    public byte[]? Groups { get; set; }
}

internal sealed class SeriesShelfRow
{
    public long Shelf { get; set; }
    public long Id { get; set; }
    public DateTimeOffset WrittenAt { get; set; }
    public required byte[] Data { get; set; }
}

internal sealed class RunMediaRow
{
    public long WorkloadId { get; set; }
    public int Kind { get; set; }
    public required string Tag { get; set; }
    public required string Source { get; set; }
    public long Step { get; set; }
    public long UnixMillis { get; set; }
    public required byte[] Data { get; set; }
}

internal sealed class EventCursorRow
{
    public long AttemptId { get; set; }
    public required string Cursor { get; set; }
}
