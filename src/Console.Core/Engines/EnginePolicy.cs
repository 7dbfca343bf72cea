namespace DeepLab.Core.Engines;

/// <summary>What every container gets, whatever its owner asked for.</summary>
public sealed record EnginePolicy
{
    /// <summary>`uid:gid`</summary>
    public string DefaultUser { get; init; } = "1000:1000";
    public long PidsLimit { get; init; } = 4096;

    /// <summary>Bytes after which the engine rotates a log file.</summary>
    public long LogMaxSize { get; init; } = 256L << 20;

    /// <summary>At least two: with one, the engine truncates the file under its readers' feet.</summary>
    public int LogMaxFiles { get; init; } = 4;

    public static EnginePolicy From(ConsoleOptions options) =>
        new() { LogMaxSize = options.LogMaxSize, LogMaxFiles = Math.Max(2, options.LogMaxFiles) };
}
