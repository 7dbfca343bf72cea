using System.Text.Json;
using System.Text.Json.Serialization;

namespace DeepLab.Core.Metrics;

/// <summary>How far the event files of an attempt are stored: the position in each, by its path below the log folder.</summary>
/// <param name="Files">-1 for a file that was given up</param>
/// <param name="Log">lines of the attempt's log that were looked at for metrics</param>
internal sealed record EventCursor(
    [property: JsonPropertyName("files")] Dictionary<string, long> Files,
    [property: JsonPropertyName("log")] long Log = 0
)
{
    public const long GivenUp = -1;

    public string ToJson() => JsonSerializer.Serialize(this);

    /// <exception cref="JsonException">Not a cursor.</exception>
    public static EventCursor Parse(string? json) =>
        (json is null ? null : JsonSerializer.Deserialize<EventCursor>(json)) ?? new EventCursor([]);
}
