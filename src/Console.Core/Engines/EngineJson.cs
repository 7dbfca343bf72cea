using System.Text.Json.Serialization;

namespace DeepLab.Core.Engines;

internal sealed record ErrorAnswer(string? Message);

internal sealed record EventMessage(string? Action, EventActor? Actor, long TimeNano);

internal sealed record EventActor(
    [property: JsonPropertyName("ID")] string? Id,
    Dictionary<string, string>? Attributes
);

/// <summary>The part of a stats sample that we keep; the rest, a number per core among it, is not even allocated.</summary>
internal sealed record StatsMessage(
    DateTimeOffset Read,
    [property: JsonPropertyName("pids_stats")] StatsPids? Pids,
    [property: JsonPropertyName("cpu_stats")] StatsCpu? Cpu,
    [property: JsonPropertyName("memory_stats")] StatsMemory? Memory,
    [property: JsonPropertyName("blkio_stats")] StatsBlocks? Blocks,
    Dictionary<string, StatsNetwork>? Networks
);

internal sealed record StatsPids(long Current);

internal sealed record StatsCpu([property: JsonPropertyName("cpu_usage")] StatsCpuUsage? Usage);

internal sealed record StatsCpuUsage([property: JsonPropertyName("total_usage")] ulong TotalNanos);

internal sealed record StatsMemory(ulong Usage, ulong Limit, StatsMemoryDetail? Stats);

internal sealed record StatsMemoryDetail(
    [property: JsonPropertyName("total_inactive_file")] ulong? TotalInactiveFile,
    [property: JsonPropertyName("inactive_file")] ulong? InactiveFile
);

internal sealed record StatsBlocks(
    [property: JsonPropertyName("io_service_bytes_recursive")] List<StatsBlockEntry>? Entries
);

internal sealed record StatsBlockEntry(string? Op, ulong Value);

internal sealed record StatsNetwork(
    [property: JsonPropertyName("rx_bytes")] ulong ReadBytes,
    [property: JsonPropertyName("tx_bytes")] ulong WriteBytes
);

[JsonSourceGenerationOptions(PropertyNameCaseInsensitive = true)]
[JsonSerializable(typeof(ErrorAnswer))]
[JsonSerializable(typeof(EventMessage))]
[JsonSerializable(typeof(StatsMessage))]
internal sealed partial class EngineJson : JsonSerializerContext;
