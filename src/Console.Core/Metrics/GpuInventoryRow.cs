namespace DeepLab.Core.Metrics;

/// <summary>One device as the probe saw it.</summary>
/// <param name="Index">position in the host's own `nvidia-smi`</param>
/// <param name="MemoryBytes">0 where the driver does not say</param>
/// <param name="Trouble">what the probe said is wrong with it; null while nothing is</param>
public sealed record GpuInventoryRow(
    int Index,
    string Uuid,
    string Model,
    long MemoryBytes,
    string DriverVersion,
    string PciBusId,
    string? Trouble = null
);
