using System.Diagnostics;

namespace DeepLab.Bench;

/// <summary>What a console wrote, with the moment at which each line came.</summary>
internal sealed class ConsoleOutput
{
    private readonly Lock _gate = new();
    private readonly List<(long At, string Line)> _lines = [];

    public void Attach(Process process)
    {
        lock (_gate)
        {
            _lines.Clear();
        }
        process.OutputDataReceived += Keep;
        process.ErrorDataReceived += Keep;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>When the first line that holds this text came, as a <see cref="Stopwatch"/> stamp.</summary>
    public async Task<long> WhenAsync(string text, TimeSpan patience, CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            lock (_gate)
            {
                foreach (var (at, line) in _lines)
                {
                    if (line.Contains(text, StringComparison.Ordinal))
                    {
                        return at;
                    }
                }
            }
            BenchException.Require(
                Stopwatch.GetElapsedTime(began) < patience,
                $"the console did not say \"{text}\" within {patience.TotalSeconds:0} s:{Environment.NewLine}{Tail()}"
            );
            await Task.Delay(TimeSpan.FromMilliseconds(10), ct);
        }
    }

    public string Tail()
    {
        lock (_gate)
        {
            return string.Join(Environment.NewLine, _lines.TakeLast(40).Select(l => l.Line));
        }
    }

    private void Keep(object sender, DataReceivedEventArgs e)
    {
        var now = Stopwatch.GetTimestamp();
        if (e.Data is { } line)
        {
            lock (_gate)
            {
                _lines.Add((now, line));
            }
        }
    }
}
