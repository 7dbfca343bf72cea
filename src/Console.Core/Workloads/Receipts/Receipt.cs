using System.Text.Json.Serialization;

namespace DeepLab.Core.Workloads.Receipts;

/// <summary>Time that went somewhere.</summary>
/// <param name="Seconds">of the clock, however many replicas there were</param>
/// <param name="GpuSeconds">of every GPU that was held meanwhile, together</param>
public sealed record Spent(double Seconds, double GpuSeconds)
{
    public static Spent Nothing { get; } = new(0, 0);
}

/// <summary>What tells computing from idling.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Measure>))]
public enum Measure
{
    /// <summary>No samples: nothing is known.</summary>
    None,

    /// <summary>The share of time in which a GPU that it held had work, as `nvidia-smi` tells it.</summary>
    Gpu,

    /// <summary>It held no GPU: the share of the CPUs that it asked for.</summary>
    Cpu,
}

/// <summary>Where the time of a run went, and what is to be learned from it. What was kept at its end outlives the samples.</summary>
public sealed record Receipt
{
    /// <summary>Up to when it counts: the end of the run, or the moment of the reading.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>The run has ended.</summary>
    public bool Ended { get; init; }

    /// <summary>Rounds of attempts that it counts.</summary>
    public int Rounds { get; init; }

    /// <summary>In the queue, and in pauses before another try.</summary>
    public Spent Waited { get; init; } = Spent.Nothing;

    /// <summary>Pulling its image.</summary>
    public Spent Pulled { get; init; } = Spent.Nothing;

    /// <summary>Placed, while nothing was pulled and no program ran.</summary>
    public Spent Prepared { get; init; } = Spent.Nothing;

    /// <summary>Its program ran, and what <see cref="By"/> names had work.</summary>
    public Spent Computed { get; init; } = Spent.Nothing;

    /// <summary>Its program ran, and it had none.</summary>
    public Spent Idle { get; init; } = Spent.Nothing;

    /// <summary>Its program ran, and there are no samples of it.</summary>
    public Spent Unmeasured { get; init; } = Spent.Nothing;

    /// <summary>Work that no checkpoint holds: lost by rounds that did not succeed, or at risk while it runs. Part of the above.</summary>
    public Spent Unsaved { get; init; } = Spent.Nothing;
    public Measure By { get; init; }

    /// <summary>Of the newest round that was measured.</summary>
    public IReadOnlyList<GpuUse> Gpus { get; init; } = [];

    /// <summary>Of the newest round that was measured.</summary>
    public IReadOnlyList<ReplicaUse> Replicas { get; init; } = [];
    public IReadOnlyList<RunFinding> Findings { get; init; } = [];

    /// <summary>Seconds in which its program ran.</summary>
    [JsonIgnore]
    public double Ran => Computed.Seconds + Idle.Seconds + Unmeasured.Seconds;
}

/// <param name="Name">`worker-0 GPU 1`, as the program counts them</param>
/// <param name="Seconds">that samples tell of</param>
/// <param name="Utilisation">mean, percent</param>
/// <param name="MemoryBytes">that it has; 0 where that is not known any more</param>
/// <param name="PeakTemperature">degrees Celsius</param>
public sealed record GpuUse(
    string Name,
    string Uuid,
    string Model,
    double Seconds,
    double Utilisation,
    double PeakUtilisation,
    long PeakMemoryBytes,
    long MemoryBytes,
    double PeakTemperature
);

/// <param name="Seconds">that samples tell of</param>
/// <param name="MeanCpus">cores</param>
/// <param name="Cpus">cores that it may use; 0 = no limit</param>
/// <param name="CpusFull">share of the time in which it used at least 95 % of them, 0 to 1</param>
/// <param name="MemoryBytes">that it may use; 0 = no limit</param>
public sealed record ReplicaUse(
    string Name,
    double Seconds,
    double MeanCpus,
    double PeakCpus,
    double Cpus,
    double CpusFull,
    long PeakMemoryBytes,
    long MemoryBytes
);

[JsonConverter(typeof(JsonStringEnumConverter<RunFindingKind>))]
public enum RunFindingKind
{
    GpuUnused,
    GpuIdle,
    SomeGpusUnused,
    GpuMemoryLow,
    GpuMemoryNearlyFull,
    GpuHot,
    CpuFull,
    CpuLow,
    MemoryNearlyFull,
    MemoryLow,
    WorkUnsaved,
    PullSlow,
    NetworkSlow,
}

/// <param name="Message">what was found, with its numbers, as a sentence without its full stop</param>
/// <param name="Advice">what to do about it, as a sentence</param>
public sealed record RunFinding(RunFindingKind Kind, string Message, string Advice);
