using DeepLab.Core.Metrics;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>Metrics in the kept lines of one attempt, by the patterns of its job.</summary>
internal sealed class LogMetricsReader(ILogStore logs, LogPatterns patterns, long attemptId)
{
    /// <summary>Blocks that are read at once, each about 128 KiB of text.</summary>
    private const int Together = 8;

    public async Task<LogPiece> ReadAsync(long fromLine, CancellationToken ct)
    {
        var scalars = new List<EventScalar>();
        var found = new List<LogNumber>();
        var next = fromLine;
        foreach (var block in await logs.ReadAsync(attemptId, fromLine, Together, ct))
        {
            foreach (var line in LogBlocks.Decode(block))
            {
                if (line.Number < next)
                {
                    continue;
                }
                next = line.Number + 1;
                if (!line.IsGap)
                {
                    patterns.Read(line.Text, line.Number, found);
                    scalars.AddRange(found.Select(f => new EventScalar(f.Name, f.Step, line.UnixNanos / 1e9, f.Value)));
                    found.Clear();
                }
            }
        }
        return new LogPiece(next, scalars);
    }
}
