using DeepLab.Core.Metrics;

namespace DeepLab.Web.Charts;

/// <summary>A drawn point: the bucket's mean, and its least and greatest, which are the mean where nothing was joined.</summary>
public readonly record struct ChartDot(double X, double Mean, double Min, double Max);

/// <summary>
/// What one chart shows. It is told points, and tells the drawn chart: all of them once, then only what is new. X is
/// seconds since 1970, or steps.
/// </summary>
public sealed class ChartModel(string title, ChartUnit unit, bool byStep)
{
    private readonly List<string> _lines = [];
    private readonly List<List<ChartDot>> _dots = [];

    public string Title => title;
    public ChartUnit Unit => unit;
    public bool ByStep => byStep;

    /// <summary>Where every point of it is to be had as a file; null = nowhere.</summary>
    public string? Csv { get; init; }

    /// <summary>Reads its lines between two x, both inclusive, as fine as they are kept, as <see cref="ChartBytes"/>; null = they are not finer.</summary>
    public Func<double, double, CancellationToken, Task<byte[]>>? Closer { get; set; }
    public IReadOnlyList<string> Lines => _lines;
    public bool IsEmpty => _dots.TrueForAll(d => d.Count == 0);

    /// <summary>Draw everything again.</summary>
    public event Func<Task>? Redrawn;

    /// <summary>Draw these on: see <see cref="ChartBytes"/>.</summary>
    public event Func<byte[], Task>? Appended;

    public IReadOnlyList<ChartDot> Dots(int line) => _dots[line];

    /// <summary>Sets a line's points; call <see cref="RedrawAsync"/> after the last one.</summary>
    public void Set(string line, IEnumerable<ChartDot> dots)
    {
        var at = _lines.IndexOf(line);
        if (at < 0)
        {
            at = _lines.Count;
            _lines.Add(line);
            _dots.Add([]);
        }
        _dots[at] = [.. dots];
    }

    public Task RedrawAsync() => Redrawn?.Invoke() ?? Task.CompletedTask;

    public Task AppendAsync(IReadOnlyDictionary<string, IReadOnlyList<ChartDot>> news)
    {
        var parts = new List<(int Line, IReadOnlyList<ChartDot> Dots)>();
        foreach (var (line, dots) in news)
        {
            var at = _lines.IndexOf(line);
            if (at >= 0 && dots.Count > 0)
            {
                _dots[at].AddRange(dots);
                parts.Add((at, dots));
            }
        }
        return parts.Count == 0 ? Task.CompletedTask : Appended?.Invoke(ChartBytes.Encode(parts)) ?? Task.CompletedTask;
    }

    public byte[] Everything() => ChartBytes.Encode([.. _dots.Select((d, i) => (i, (IReadOnlyList<ChartDot>)d))]);

    public static ChartDot Dot(ChartPoint p, bool byStep) => new(X(p.Step, p.UnixMillis, byStep), p.Mean, p.Min, p.Max);

    public static ChartDot Dot(SeriesPoint p, bool byStep) =>
        new(X(p.Step, p.UnixMillis, byStep), p.Value, p.Value, p.Value);

    private static double X(long step, long unixMillis, bool byStep) => byStep ? step : unixMillis / 1000.0;
}

/// <summary>
/// Points as the browser takes them, little-endian float64: for each line its number and its count n, then n times x, n
/// means, n least, n greatest.
/// </summary>
public static class ChartBytes
{
    public static byte[] Encode(IReadOnlyList<(int Line, IReadOnlyList<ChartDot> Dots)> parts)
    {
        var numbers = new double[parts.Sum(p => 2 + (4 * p.Dots.Count))];
        var at = 0;
        foreach (var (line, dots) in parts)
        {
            var n = dots.Count;
            numbers[at++] = line;
            numbers[at++] = n;
            for (var i = 0; i < n; i++)
            {
                numbers[at + i] = dots[i].X;
                numbers[at + n + i] = dots[i].Mean;
                numbers[at + (2 * n) + i] = dots[i].Min;
                numbers[at + (3 * n) + i] = dots[i].Max;
            }
            at += 4 * n;
        }
        var bytes = new byte[numbers.Length * sizeof(double)];
        Buffer.BlockCopy(numbers, 0, bytes, 0, bytes.Length);
        return bytes;
    }
}
