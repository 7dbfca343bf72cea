using DeepLab.Core.Streams;

namespace DeepLab.Web.Logs;

/// <summary>
/// Any part of a log by position, without ever holding the whole: pages of lines are read when they are looked at, and
/// the least lately used go. One viewer, one window.
/// </summary>
/// <param name="read">reads lines from a position on</param>
public sealed class LogWindow(Func<long, int, CancellationToken, Task<IReadOnlyList<LogLine>>> read)
{
    public const int PageLines = 256;
    public const int PagesKept = 40;
    private readonly Dictionary<long, LinkedListNode<(long Page, IReadOnlyList<LogLine> Lines)>> _pages = [];
    private readonly LinkedList<(long Page, IReadOnlyList<LogLine> Lines)> _used = new();

    /// <summary>Lines from <paramref name="first"/> on, fewer at the log's end.</summary>
    public async Task<IReadOnlyList<LogLine>> GetAsync(long first, int count, CancellationToken ct)
    {
        var lines = new List<LogLine>(count);
        for (var at = first; at < first + count; )
        {
            var page = at / PageLines;
            var held = await PageAsync(
                page,
                (int)(Math.Min(first + count, (page + 1) * PageLines) - (page * PageLines)),
                ct
            );
            var skip = (int)(at - (page * PageLines));
            var take = (int)Math.Min(held.Count - skip, first + count - at);
            if (take <= 0)
            {
                break;
            }
            for (var i = 0; i < take; i++)
            {
                lines.Add(held[skip + i]);
            }
            at += take;
        }
        return lines;
    }

    /// <param name="needed">lines of the page that must be there, if the log has them: a page at the log's end grows</param>
    private async Task<IReadOnlyList<LogLine>> PageAsync(long page, int needed, CancellationToken ct)
    {
        if (_pages.TryGetValue(page, out var node))
        {
            _used.Remove(node);
            if (node.Value.Lines.Count >= needed)
            {
                _used.AddFirst(node);
                return node.Value.Lines;
            }
            _pages.Remove(page);
        }
        var lines = await read(page * PageLines, PageLines, ct);
        if (_pages.Remove(page, out var doubled))
        {
            // Two windows were asked for at once
            _used.Remove(doubled);
        }
        _pages[page] = _used.AddFirst((page, lines));
        while (_used.Count > PagesKept)
        {
            _pages.Remove(_used.Last!.Value.Page);
            _used.RemoveLast();
        }
        return lines;
    }
}
