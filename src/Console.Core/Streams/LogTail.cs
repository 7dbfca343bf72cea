using DeepLab.Core.Engines;

namespace DeepLab.Core.Streams;

/// <summary>What tells one line from another without keeping it.</summary>
internal readonly record struct LineMark(
    long UnixNanos,
    LogStream Stream,
    int Length,
    int Hash,
    bool MayBeFragment = false
)
{
    public static LineMark Of(in AssembledLine line, ReadOnlySpan<byte> text)
    {
        // Seeded by process; marks are never stored
        var hash = new HashCode();
        hash.AddBytes(text);
        return new LineMark(line.UnixNanos, line.Stream, text.Length, hash.ToHashCode(), line.MayBeFragment);
    }

    public bool Is(in LineMark other) =>
        UnixNanos == other.UnixNanos && Stream == other.Stream && Length == other.Length && Hash == other.Hash;
}

/// <summary>The marks of the last lines, newest last; what is older is forgotten.</summary>
internal sealed class LogTail
{
    private const int Kept = 32;
    private readonly LineMark[] _marks = new LineMark[Kept];
    private int _next;
    public int Count { get; private set; }

    public void Add(in LineMark mark)
    {
        _marks[_next] = mark;
        _next = (_next + 1) % Kept;
        Count = Math.Min(Count + 1, Kept);
    }

    public void Clear() => Count = 0;

    /// <param name="back">0 = the newest</param>
    public LineMark this[int back] => _marks[(_next - 1 - back + (2 * Kept)) % Kept];

    /// <summary>
    /// Both end with the same lines, as far as both reach: the timestamp of the last line alone would do, if clocks were
    /// finer than two lines and lines never came in pieces.
    /// </summary>
    public bool EndsLike(LogTail stored)
    {
        if (Count == 0 || stored.Count == 0 || !this[0].Is(stored[0]))
        {
            return false;
        }
        for (var back = 1; back < Math.Min(Count, stored.Count); back++)
        {
            if (!this[back].Is(stored[back]) && !this[back].MayBeFragment)
            {
                return false;
            }
        }
        return true;
    }
}
