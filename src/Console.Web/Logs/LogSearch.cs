using DeepLab.Core.Streams;

namespace DeepLab.Web.Logs;

/// <summary>The lines that hold a text, found a stretch at a time, and the one that is looked at.</summary>
/// <param name="find">hits from a line on, and the line to go on from; null at the end</param>
public sealed class LogSearch(
    string text,
    Func<string, long, int, CancellationToken, Task<(IReadOnlyList<LogLine> Hits, long? Next)>> find
)
{
    public const int Most = 2000;
    private const int AtOnce = 500;
    private readonly List<long> _lines = [];
    private long _from;

    public string Text => text;

    /// <summary>Numbers of the lines, ascending.</summary>
    public IReadOnlyList<long> Lines => _lines;

    /// <summary>There may be more hits than are kept.</summary>
    public bool IsCut { get; private set; }

    /// <summary>Position in <see cref="Lines"/>; -1 where there is no hit.</summary>
    public int At { get; private set; } = -1;

    public long? Current => At < 0 ? null : _lines[At];

    /// <summary>Searches what has not been searched, up to <paramref name="total"/> lines of log.</summary>
    public async Task GoOnAsync(long total, CancellationToken ct)
    {
        while (!IsCut && _from < total)
        {
            var (hits, next) = await find(text, _from, AtOnce, ct);
            _lines.AddRange(hits.Select(h => h.Number));
            _from = next ?? Math.Max(total, hits.Count == 0 ? total : hits[^1].Number + 1);
            IsCut = _lines.Count >= Most;
            if (next is null)
            {
                break;
            }
        }
    }

    /// <summary>To the first hit at or after a line, else to the first of all.</summary>
    public void Begin(long line)
    {
        var at = _lines.FindIndex(n => n >= line);
        At =
            at >= 0 ? at
            : _lines.Count > 0 ? 0
            : -1;
    }

    /// <summary>One hit on or back, round the ends.</summary>
    public void Step(int by)
    {
        if (_lines.Count > 0)
        {
            At = (((At + by) % _lines.Count) + _lines.Count) % _lines.Count;
        }
    }
}
