namespace DeepLab.Core.Metrics;

/// <summary>What a run of lines of an attempt's log told.</summary>
/// <param name="NextLine">number of the line to go on from; the one that was asked for where there is none yet</param>
public sealed record LogPiece(long NextLine, IReadOnlyList<EventScalar> Scalars)
{
    /// <summary>The folder that the source of such a curve names.</summary>
    public const string Folder = "log";

    /// <summary>Lines of one attempt that are looked at.</summary>
    public const long MostLines = 5_000_000;
}

/// <summary>Reads metrics out of the kept lines of one attempt's log, a bounded run of them.</summary>
public delegate Task<LogPiece> ReadLogMetrics(long fromLine, CancellationToken ct);
