namespace DeepLab.Core.Workloads.Receipts;

/// <summary>What a receipt is made from.</summary>
/// <param name="EndedAt">null while it runs</param>
/// <param name="Saved">when each round wrote its last complete checkpoint, by number</param>
public sealed record RunFacts(
    DateTimeOffset SubmittedAt,
    DateTimeOffset? EndedAt,
    bool Succeeded,
    IReadOnlyList<AttemptRun> Attempts,
    IReadOnlyDictionary<int, DateTimeOffset> Saved
)
{
    /// <summary>What it was told of slow networks between its hosts, the newest first.</summary>
    public IReadOnlyList<string> SlowNetworks { get; init; } = [];
}

/// <param name="Round">its number: the attempts of one round have the same</param>
/// <param name="Completed">it ended by itself, with exit code 0</param>
/// <param name="Cpus">cores that it may use; 0 = no limit</param>
/// <param name="MemoryBytes">that it may use; 0 = no limit</param>
public sealed record AttemptRun(
    int Round,
    string Replica,
    DateTimeOffset LeasedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt,
    bool Completed,
    double Cpus,
    long MemoryBytes
)
{
    public IReadOnlyList<(DateTimeOffset From, DateTimeOffset To)> Pulls { get; init; } = [];

    /// <summary>In the program's own order.</summary>
    public IReadOnlyList<GpuRun> Gpus { get; init; } = [];

    /// <summary>cores</summary>
    public IReadOnlyList<UsePoint> Cpu { get; init; } = [];

    /// <summary>bytes</summary>
    public IReadOnlyList<UsePoint> Memory { get; init; } = [];
}

/// <summary>A GPU that an attempt held, with its samples.</summary>
/// <param name="MemoryBytes">that it has; 0 where that is not known any more</param>
public sealed record GpuRun(string Uuid, string Model, long MemoryBytes)
{
    /// <summary>percent</summary>
    public IReadOnlyList<UsePoint> Utilisation { get; init; } = [];

    /// <summary>bytes</summary>
    public IReadOnlyList<UsePoint> Memory { get; init; } = [];

    /// <summary>degrees Celsius</summary>
    public IReadOnlyList<UsePoint> Temperature { get; init; } = [];
}
