using System.Buffers;
using System.Text;

namespace DeepLab.Core.Streams;

/// <summary>Searches blocks as a whole first: most hold nothing, and need no string a line.</summary>
internal static class LogSearch
{
    private const int FetchAhead = 16;

    /// <summary>About 64 MiB of text; then the caller is given the place to go on from, and may show progress.</summary>
    private const int BlocksPerCall = 512;

    public static async Task<(IReadOnlyList<LogLine> Hits, long? Next)> RunAsync(
        ILogStore store,
        long attemptId,
        string text,
        long fromLine,
        int limit,
        CancellationToken ct
    )
    {
        var hits = new List<LogLine>();
        for (var searched = 0; searched < BlocksPerCall; )
        {
            var blocks = await store.ReadAsync(attemptId, fromLine, FetchAhead, ct);
            foreach (var block in blocks)
            {
                searched++;
                if (block.FirstLine + block.LineCount <= fromLine)
                {
                    continue;
                }
                foreach (var line in MayContain(block, text) ? LogBlocks.Decode(block) : [])
                {
                    if (line.Number < fromLine || !line.Text.Contains(text, StringComparison.OrdinalIgnoreCase))
                    {
                        continue;
                    }
                    hits.Add(line);
                    if (hits.Count == limit)
                    {
                        return (hits, line.Number + 1);
                    }
                }
                fromLine = block.FirstLine + block.LineCount;
            }
            if (blocks.Count < FetchAhead)
            {
                return (hits, null);
            }
        }
        return (hits, fromLine);
    }

    /// <summary>Where a match spans two lines it is none; the lines themselves are looked at afterwards.</summary>
    private static bool MayContain(LogBlock block, string text)
    {
        var (_, bytes) = LogBlocks.Unpack(block);
        var chars = ArrayPool<char>.Shared.Rent(Encoding.UTF8.GetMaxCharCount(bytes.Length));
        try
        {
            var length = Encoding.UTF8.GetChars(bytes, chars);
            return chars.AsSpan(0, length).Contains(text, StringComparison.OrdinalIgnoreCase);
        }
        finally
        {
            ArrayPool<char>.Shared.Return(chars);
        }
    }
}
