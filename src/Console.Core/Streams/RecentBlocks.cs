using System.Diagnostics.CodeAnalysis;

namespace DeepLab.Core.Streams;

/// <summary>
/// Blocks that were just written or read, shared by all readers of this process: a line becomes a string once,
/// however many read it. Bounded by bytes; what was not used for longest goes first.
/// </summary>
public sealed class RecentBlocks(long limitBytes = 64L << 20)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, SortedList<long, Entry>> _attempts = [];
    private readonly LinkedList<Entry> _byUse = new();
    private long _bytes;

    /// <summary>Blocks that are durable; a longer version replaces a shorter one, never the other way round.</summary>
    public void Put(IReadOnlyList<LogBlock> blocks)
    {
        lock (_gate)
        {
            foreach (var block in blocks)
            {
                Put(block);
            }
            Trim();
        }
    }

    /// <summary>The lines of the block that holds this one; false where none here does.</summary>
    internal bool TryFind(long attemptId, long line, [NotNullWhen(true)] out LogLine[]? lines)
    {
        lines = null;
        Entry? entry;
        lock (_gate)
        {
            entry = Find(attemptId, line);
            if (entry is null)
            {
                return false;
            }
            _byUse.Remove(entry.Node);
            _byUse.AddLast(entry.Node);
        }
        lines = entry.Decode(out var grownBy);
        if (grownBy > 0)
        {
            lock (_gate)
            {
                if (entry.Node.List is not null)
                {
                    entry.Bytes += grownBy;
                    _bytes += grownBy;
                    Trim();
                }
            }
        }
        return true;
    }

    private Entry? Find(long attemptId, long line)
    {
        if (!_attempts.TryGetValue(attemptId, out var blocks))
        {
            return null;
        }
        var (low, high) = (0, blocks.Count - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            var block = blocks.Values[middle].Block;
            if (line < block.FirstLine)
            {
                high = middle - 1;
            }
            else if (line >= block.FirstLine + block.LineCount)
            {
                low = middle + 1;
            }
            else
            {
                return blocks.Values[middle];
            }
        }
        return null;
    }

    private void Put(LogBlock block)
    {
        if (!_attempts.TryGetValue(block.AttemptId, out var blocks))
        {
            _attempts[block.AttemptId] = blocks = [];
        }
        LogLine[] lines = [];
        if (blocks.TryGetValue(block.FirstLine, out var known))
        {
            if (known.Block.LineCount >= block.LineCount)
            {
                return;
            }
            lines = known.Lines;
            Remove(known);
            _attempts[block.AttemptId] = blocks;
        }
        var entry = new Entry(block, lines);
        blocks[block.FirstLine] = entry;
        _byUse.AddLast(entry.Node);
        _bytes += entry.Bytes;
    }

    private void Trim()
    {
        while (_bytes > limitBytes && _byUse.First is { } oldest)
        {
            Remove(oldest.Value);
        }
    }

    private void Remove(Entry entry)
    {
        _bytes -= entry.Bytes;
        _byUse.Remove(entry.Node);
        var blocks = _attempts[entry.Block.AttemptId];
        blocks.Remove(entry.Block.FirstLine);
        if (blocks.Count == 0)
        {
            _attempts.Remove(entry.Block.AttemptId);
        }
    }

    private sealed class Entry
    {
        /// <summary>A line's share of an array and its string's header.</summary>
        private const int LineBytes = 60;
        private readonly Lock _decoding = new();
        private bool _isDecoded;

        public Entry(LogBlock block, LogLine[] lines)
        {
            (Block, Lines) = (block, lines);
            Bytes = block.Data.Length + Size(lines.Length, lines.Length == 0 ? 0 : block.RawBytes);
            Node = new LinkedListNode<Entry>(this);
        }

        public LogBlock Block { get; }
        public LogLine[] Lines { get; private set; }
        public long Bytes { get; set; }
        public LinkedListNode<Entry> Node { get; }

        /// <summary>Twenty readers come at once when a block is new: the first decodes, the others wait for it.</summary>
        public LogLine[] Decode(out long grownBy)
        {
            grownBy = 0;
            lock (_decoding)
            {
                if (!_isDecoded)
                {
                    grownBy = Lines.Length == 0 ? Size(Block.LineCount, Block.RawBytes) : 0;
                    Lines = LogBlocks.Decode(Block, Lines);
                    _isDecoded = true;
                }
                return Lines;
            }
        }

        private static long Size(int lines, int rawBytes) => ((long)lines * LineBytes) + (2L * rawBytes);
    }
}
