using DeepLab.Core.Streams;

namespace DeepLab.Core.Metrics;

/// <summary>
/// Reads a job's metrics out of the kept lines of one attempt. Where it stands is stored with the points it found, as for
/// event files.
/// </summary>
internal sealed class LogMetricsReader(ILogStore logs, LogMetrics metrics, long attemptId)
{
    /// <summary>The folder that the source of such a curve names.</summary>
    public const string Folder = "log";

    /// <summary>Blocks that are read at once, each about 128 KiB of text.</summary>
    private const int Together = 8;

    /// <summary>Lines of one attempt that are looked at.</summary>
    private const long MostLines = 5_000_000;

    private const int PointsAtOnce = 50_000;
    private readonly List<EventScalar> _found = [];

    /// <summary>Reads on; answers whether there may be more.</summary>
    public async Task<bool> ReadAsync(EventFileState state, CancellationToken ct)
    {
        if (state.LogLines >= MostLines)
        {
            state.Tell($"Metrics are read from the first {MostLines:N0} lines of a log only.");
            return false;
        }
        var before = state.LogLines;
        foreach (var block in await logs.ReadAsync(attemptId, before, Together, ct))
        {
            foreach (var line in LogBlocks.Decode(block))
            {
                if (line.Number < state.LogLines)
                {
                    continue;
                }
                if (!line.IsGap)
                {
                    metrics.Read(line.Text, line.Number, line.UnixNanos / 1e9, _found);
                }
                state.FeedLog(line.Number + 1, _found);
                _found.Clear();
            }
            if (state.PendingPoints >= PointsAtOnce)
            {
                await state.SaveAsync(ct);
            }
        }
        return state.LogLines > before;
    }
}
