namespace DeepLab.Core.Streams.Terminals;

/// <summary>Columns and rows of characters.</summary>
public readonly record struct TerminalSize(int Columns, int Rows)
{
    public const int MostColumns = 500;
    public const int MostRows = 300;
    public static TerminalSize Usual { get; } = new(80, 24);

    public bool IsAllowed => Columns is > 1 and <= MostColumns && Rows is > 0 and <= MostRows;
}

/// <summary>Whose terminal, and in which container.</summary>
/// <param name="TokenId">the session or token that it was opened with: it ends with that</param>
/// <param name="Stamp">of the user, then</param>
/// <param name="EngineAddress">of the host</param>
public sealed record TerminalRequest(
    Guid UserId,
    Guid TokenId,
    string Stamp,
    long WorkloadId,
    bool IsEnvironment,
    long AttemptId,
    string Replica,
    int Attempt,
    string ContainerId,
    string EngineAddress,
    string? SealedCredentials
)
{
    /// <summary>The credentials are left out.</summary>
    public override string ToString() => $"{Replica}/{Attempt} of workload {WorkloadId}";
}

/// <summary>What came of opening a terminal.</summary>
public abstract record TerminalOpening
{
    private TerminalOpening() { }

    public sealed record Opened(Terminal Terminal) : TerminalOpening;

    /// <summary>The user, or this console, has as many as it may have.</summary>
    public sealed record TooMany(string Message) : TerminalOpening;

    /// <summary>Its container allows none: it has as many as it may have, or no shell.</summary>
    public sealed record Refused(string Message) : TerminalOpening;

    /// <summary>It ended meanwhile.</summary>
    public sealed record Ended(string Message) : TerminalOpening;

    /// <summary>Its host does not answer.</summary>
    public sealed record Unreachable(string Message) : TerminalOpening;
}

public enum TerminalEndReason
{
    /// <summary>The shell ended.</summary>
    Exited,
    ContainerEnded,

    /// <summary>The connection to the engine broke.</summary>
    EngineLost,

    /// <summary>Its user closed it.</summary>
    Closed,

    /// <summary>Whoever opened it may not any more.</summary>
    AccessEnded,

    /// <summary>Nobody looked at it for too long.</summary>
    Left,
    ConsoleStops,
}

/// <param name="ExitCode">of the shell, where it ended by itself</param>
/// <param name="Message">a sentence</param>
public sealed record TerminalEnd(TerminalEndReason Reason, int? ExitCode, string Message);

public sealed record TerminalLimits
{
    public int MostOfUser { get; init; } = 16;
    public int MostOfWorkload { get; init; } = 8;

    /// <summary>In one console: each keeps its scrollback in memory.</summary>
    public int Most { get; init; } = 256;

    /// <summary>Bytes that are kept for who comes back.</summary>
    public int Scrollback { get; init; } = 256 << 10;

    /// <summary>Bytes that may be on their way to a viewer, unseen; then the program waits.</summary>
    public int Window { get; init; } = 128 << 10;

    /// <summary>Bytes typed or pasted that the program has not read.</summary>
    public int Input { get; init; } = 1 << 20;

    /// <summary>How long the shell of one that nobody looks at goes on.</summary>
    public TimeSpan Left { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long the last words of an ended one can be read.</summary>
    public TimeSpan Ended { get; init; } = TimeSpan.FromMinutes(1);
}
