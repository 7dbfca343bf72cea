using System.Globalization;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Streams;

internal enum Splice
{
    /// <summary>What is stored and what is read overlapped, or nothing was stored; what was new is archived.</summary>
    Joined,

    /// <summary>The window did not reach back to what is stored: read a larger one. Nothing was archived.</summary>
    TooShort,
}

/// <summary>
/// Joins what is read now to what is stored already: finds the last stored line among the lines that come, drops what
/// stands before it and archives what stands behind it. Files are joined by their order, not by time: the lines of two
/// streams may cross by a moment, so a timestamp tells no place exactly.
/// </summary>
/// <param name="fromStart">the window begins with the first line that the engine keeps</param>
/// <param name="reachesBack">a miss can only mean that the engine dropped lines, not that the window is short</param>
internal sealed class LogSplice(LogArchiver archive, RotationWatch watch, bool fromStart, bool reachesBack)
{
    /// <summary>By more than this no two lines change places.</summary>
    public const long CrossingNanos = 2_000_000_000;

    /// <summary>Lines that are newer than the last stored one wait here until it is clear whether that one still comes.</summary>
    private const int HeldLimit = 8 << 20;
    private readonly LineAssembler _lines = new(fromStart);
    private readonly LogTail _seen = new();
    private readonly List<(AssembledLine Line, LineMark Mark, int At, int Length)> _held = [];
    private readonly ByteBuffer _heldText = new(0);

    /// <summary>The place was found: every further line is new.</summary>
    public bool IsJoined { get; private set; } = archive.Tail.Count == 0;
    public int Frames { get; private set; }
    public int NewLines { get; private set; }

    /// <summary>Null while it goes well; otherwise what to do instead of reading on.</summary>
    public Splice? Take(in LogFrame frame)
    {
        Frames++;
        if (!_lines.Add(frame, out var line, out var text))
        {
            return null;
        }
        var mark = LineMark.Of(line, text);
        if (IsJoined)
        {
            Archive(line, text, mark);
            return null;
        }
        _seen.Add(mark);
        if (_seen.EndsLike(archive.Tail))
        {
            if (_lines.HasOpenFragment)
            {
                return Splice.TooShort;
            }
            IsJoined = true;
            _held.Clear();
            return null;
        }
        return Hold(line, text, mark) ? null : Missed();
    }

    /// <summary>The window was read to its end.</summary>
    /// <param name="isAll">it reached back as far as the engine keeps lines, or further back than what is stored</param>
    /// <param name="isEnd">the container has ended: a line without its newline is a line</param>
    public Splice End(bool isAll, bool isEnd)
    {
        if (!IsJoined)
        {
            if (!isAll && !reachesBack)
            {
                return Splice.TooShort;
            }
            JoinAcrossGap();
        }
        while (isEnd && _lines.TakeRest(out var text) is { } rest)
        {
            Archive(rest, text, LineMark.Of(rest, text));
        }
        return Splice.Joined;
    }

    private Splice? Missed()
    {
        if (!reachesBack)
        {
            return Splice.TooShort;
        }
        JoinAcrossGap();
        return null;
    }

    /// <summary>False where it is clear that the last stored line comes no more.</summary>
    private bool Hold(in AssembledLine line, ReadOnlySpan<byte> text, in LineMark mark)
    {
        var last = archive.Tail[0].UnixNanos;
        if (line.UnixNanos <= last)
        {
            return true;
        }
        _held.Add((line, mark, _heldText.Count, text.Length));
        _heldText.Add(text);
        return line.UnixNanos <= last + CrossingNanos && _heldText.Count < HeldLimit;
    }

    private void JoinAcrossGap()
    {
        IsJoined = true;
        if (_held.Count == 0)
        {
            return;
        }
        var before = archive.Tail[0].UnixNanos;
        var after = _held[0].Line.UnixNanos;
        archive.AddGap(
            string.Create(
                CultureInfo.InvariantCulture,
                $"… lines of this log were dropped by the engine before they were read (between {Time(before)} and {Time(after)})"
            ),
            before
        );
        foreach (var (line, mark, at, length) in _held)
        {
            Archive(line, _heldText.Span.Slice(at, length), mark);
        }
        _held.Clear();
    }

    private void Archive(in AssembledLine line, ReadOnlySpan<byte> text, in LineMark mark)
    {
        NewLines++;
        watch.Count(text);
        archive.Add(line, text, mark);
    }

    private static string Time(long unixNanos) =>
        DateTimeOffset
            .UnixEpoch.AddTicks(unixNanos / TimeSpan.NanosecondsPerTick)
            .ToString("yyyy-MM-dd HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
