namespace DeepLab.Core.Metrics;

public sealed record GpuInventoryRow(
    int Index,
    string Uuid,
    string Model,
    long MemoryBytes,
    string DriverVersion,
    string PciBusId
);
