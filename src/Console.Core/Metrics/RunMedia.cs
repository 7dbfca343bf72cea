using System.Text.Json;

namespace DeepLab.Core.Metrics;

/// <summary>Where a run's histograms, images, texts and hyper-parameters are.</summary>
public static class RunMedia
{
    /// <summary>Steps that are kept of one histogram; beyond, every other goes, the newest stays.</summary>
    public const int MostHistograms = 128;

    /// <summary>The same of images and texts of one name.</summary>
    public const int MostOthers = 50;

    /// <summary>Bytes of images that are kept of a job.</summary>
    public const long MostImageBytes = 64L << 20;

    /// <summary>Bytes of each other kind.</summary>
    public const long MostOtherBytes = 16L << 20;

    /// <summary>Names of one attempt; further ones are left alone.</summary>
    public const int MostTags = 300;

    /// <summary>The media type of a picture that is shown; null for what is none of them.</summary>
    public static string? ImageType(ReadOnlySpan<byte> data) =>
        data.StartsWith((ReadOnlySpan<byte>)[0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) ? "image/png"
        : data.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) ? "image/jpeg"
        : data.StartsWith("GIF8"u8) ? "image/gif"
        : null;

    /// <summary>Hyper-parameters as they are kept, a JSON object, by name: a text without its quotes, anything else as JSON writes it.</summary>
    public static IReadOnlyList<(string Name, string Value)> ReadParameters(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json);
        return [.. document.RootElement.EnumerateObject().Select(p => (p.Name, TextOf(p.Value)))];
    }

    /// <summary>A text without its quotes, anything else as JSON writes it.</summary>
    internal static string TextOf(JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
}

/// <summary>One of them.</summary>
/// <param name="Source">replica and attempt, with the run's folder, as of series</param>
public sealed record MediaItem(MediaKind Kind, string Tag, string Source, long Step, long UnixMillis, byte[] Data);

/// <summary>What there is of one name and source.</summary>
/// <param name="Steps">in order</param>
/// <param name="Bytes">of all of them</param>
public sealed record MediaInfo(MediaKind Kind, string Tag, string Source, IReadOnlyList<long> Steps, long Bytes);

/// <summary>Durable home of them; implemented in Storage.</summary>
public interface IMediaStore
{
    /// <summary>Writes them; one of the same kind, name, source and step is replaced. Then takes away what is too much, and tells it.</summary>
    Task WriteAsync(long workloadId, IReadOnlyCollection<MediaItem> items, CancellationToken ct);
    Task<IReadOnlyList<MediaInfo>> ListAsync(long workloadId, CancellationToken ct);

    /// <summary>Of one name and source, in order of steps.</summary>
    /// <param name="step">only this one; null = all</param>
    Task<IReadOnlyList<MediaItem>> ReadAsync(
        long workloadId,
        MediaKind kind,
        string tag,
        string source,
        long? step,
        CancellationToken ct
    );
}
