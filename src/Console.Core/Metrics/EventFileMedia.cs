using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace DeepLab.Core.Metrics;

/// <summary>
/// Histograms, images, texts and hyper-parameters inside a `Value`, in the older form (4 image, 5 histo) and as tensors whose
/// metadata names a plug-in: Value {1 tag, 4 image, 5 histo, 8 tensor, 9 metadata {1 plugin_data {1 name, 2 content}}},
/// Image {4 encoded}, Histogram {1 min, 2 max, 3 num, 6 limits, 7 counts}, TensorProto {1 dtype, 4 content, 5 floats,
/// 6 doubles, 8 strings}, HParamsPluginData {3 session_start_info {1 hparams {1 name, 2 Value {2 number, 3 text, 4 flag}}}}.
/// </summary>
internal sealed class EventFileMedia
{
    /// <summary>Bytes of one text.</summary>
    private const int MostText = 64 << 10;
    private const int MostBuckets = 20_000;
    private const int MostParameters = 500;
    private const int MostTags = 10_000;
    private const int Float = 1;
    private const int String = 7;
    private const string Parameters = "_hparams_/session_start_info";

    /// <summary>A writer may name the plug-in with the first value of a tag only.</summary>
    private readonly Dictionary<string, string> _plugins = [];

    /// <summary>Answers null where the value is none of these, or malformed.</summary>
    public EventMedia? Read(string tag, ReadOnlySpan<byte> value, long step, double wallTime)
    {
        ReadOnlySpan<byte> image = default;
        ReadOnlySpan<byte> histogram = default;
        ReadOnlySpan<byte> tensor = default;
        ReadOnlySpan<byte> metadata = default;
        var message = new EventFileMessage(value);
        while (message.Next())
        {
            switch (message.Field, message.Wire)
            {
                case (4, EventFileMessage.Bytes):
                    image = message.Data;
                    break;
                case (5, EventFileMessage.Bytes):
                    histogram = message.Data;
                    break;
                case (8, EventFileMessage.Bytes):
                    tensor = message.Data;
                    break;
                case (9, EventFileMessage.Bytes):
                    metadata = message.Data;
                    break;
            }
        }
        if (message.Malformed)
        {
            return null;
        }
        var (plugin, content) = PluginOf(tag, metadata);
        var (kind, data) =
            tag == Parameters && plugin == "hparams" ? (MediaKind.Parameters, ReadParameters(content))
            : !histogram.IsEmpty ? (MediaKind.Histogram, ReadHistogram(histogram)?.Pack())
            : !image.IsEmpty ? (MediaKind.Image, ReadImage(image))
            : !tensor.IsEmpty ? ReadTensor(tensor, plugin)
            : default;
        return data is null ? null
            : kind == MediaKind.Parameters ? new EventMedia(kind, "hparams", 0, wallTime, data)
            : new EventMedia(kind, tag, step, wallTime, data);
    }

    internal static EventHistogram? ReadHistogram(ReadOnlySpan<byte> histogram)
    {
        var (min, max, count) = ((double?)null, (double?)null, (double?)null);
        var (limits, counts) = (new List<double>(), new List<double>());
        var message = new EventFileMessage(histogram);
        while (message.Next() && limits.Count <= MostBuckets && counts.Count <= MostBuckets)
        {
            switch (message.Field, message.Wire)
            {
                case (1, EventFileMessage.Fixed64):
                    min = BitConverter.UInt64BitsToDouble(message.Number);
                    break;
                case (2, EventFileMessage.Fixed64):
                    max = BitConverter.UInt64BitsToDouble(message.Number);
                    break;
                case (3, EventFileMessage.Fixed64):
                    count = BitConverter.UInt64BitsToDouble(message.Number);
                    break;
                case (6 or 7, EventFileMessage.Bytes):
                    Doubles(message.Data, message.Field == 6 ? limits : counts);
                    break;
                case (6 or 7, EventFileMessage.Fixed64):
                    (message.Field == 6 ? limits : counts).Add(BitConverter.UInt64BitsToDouble(message.Number));
                    break;
            }
        }
        return message.Malformed || limits.Count > MostBuckets
            ? null
            : EventHistogram.Of(min, max, count, [.. limits], [.. counts]);
    }

    private (string? Plugin, ReadOnlyMemory<byte> Content) PluginOf(string tag, ReadOnlySpan<byte> metadata)
    {
        ReadOnlyMemory<byte> content = default;
        var message = new EventFileMessage(metadata);
        while (message.Next())
        {
            if (message is not { Field: 1, Wire: EventFileMessage.Bytes })
            {
                continue;
            }
            var plugin = new EventFileMessage(message.Data);
            while (plugin.Next())
            {
                switch (plugin.Field, plugin.Wire)
                {
                    case (1, EventFileMessage.Bytes) when plugin.Data.Length is > 0 and < 100:
                        if (_plugins.Count >= MostTags)
                        {
                            _plugins.Clear();
                        }
                        _plugins[tag] = Encoding.UTF8.GetString(plugin.Data);
                        break;
                    case (2, EventFileMessage.Bytes):
                        content = plugin.Data.ToArray();
                        break;
                }
            }
        }
        return (_plugins.GetValueOrDefault(tag), content);
    }

    private static byte[]? ReadImage(ReadOnlySpan<byte> image)
    {
        byte[]? encoded = null;
        var message = new EventFileMessage(image);
        while (message.Next())
        {
            if (message is { Field: 4, Wire: EventFileMessage.Bytes } && RunMedia.ImageType(message.Data) is not null)
            {
                encoded = message.Data.ToArray();
            }
        }
        return message.Malformed ? null : encoded;
    }

    private static (MediaKind, byte[]?) ReadTensor(ReadOnlySpan<byte> tensor, string? plugin)
    {
        var type = 0UL;
        var strings = new List<byte[]>();
        var numbers = new List<double>();
        var message = new EventFileMessage(tensor);
        while (message.Next())
        {
            switch (message.Field, message.Wire)
            {
                case (1, EventFileMessage.Varint):
                    type = message.Number;
                    break;
                case (8, EventFileMessage.Bytes) when strings.Count < 64:
                    strings.Add(message.Data.ToArray());
                    break;
                case (4, EventFileMessage.Bytes) when type == Float:
                case (5, EventFileMessage.Bytes):
                    foreach (var f in MemoryMarshal.Cast<byte, float>(message.Data[..(message.Data.Length & ~3)]))
                    {
                        numbers.Add(f);
                    }
                    break;
                case (4 or 6, EventFileMessage.Bytes):
                    Doubles(message.Data, numbers);
                    break;
            }
        }
        if (message.Malformed || numbers.Count > 3 * MostBuckets)
        {
            return default;
        }
        if (type == String && strings.Count > 0)
        {
            // Width and height stand before the pictures
            var picture = strings.Skip(2).FirstOrDefault(s => RunMedia.ImageType(s) is not null);
            return picture is not null && plugin is "images" or null ? (MediaKind.Image, picture)
                : plugin is "text" or null ? (MediaKind.Text, ReadText(strings))
                : default;
        }
        // Rows of left edge, right edge, count
        return plugin == "histograms" && numbers.Count > 0 && numbers.Count % 3 == 0
            ? (
                MediaKind.Histogram,
                EventHistogram
                    .Of(
                        numbers[0],
                        numbers[^2],
                        null,
                        [.. numbers.Where((_, i) => i % 3 == 1)],
                        [.. numbers.Where((_, i) => i % 3 == 2)]
                    )
                    ?.Pack()
            )
            : default;
    }

    private static byte[] ReadText(List<byte[]> strings)
    {
        var text = string.Join("\n", strings.Select(Encoding.UTF8.GetString)).Replace('\0', ' ');
        var most = Math.Min(text.Length, MostText / 4);
        return Encoding.UTF8.GetBytes(most < text.Length ? text[..most] + "…" : text);
    }

    private static byte[]? ReadParameters(ReadOnlyMemory<byte> content)
    {
        var found = new SortedDictionary<string, object?>(StringComparer.Ordinal);
        var message = new EventFileMessage(content.Span);
        while (message.Next())
        {
            if (message is not { Field: 3, Wire: EventFileMessage.Bytes })
            {
                continue;
            }
            var start = new EventFileMessage(message.Data);
            while (start.Next() && found.Count < MostParameters)
            {
                if (start is { Field: 1, Wire: EventFileMessage.Bytes } && ReadParameter(start.Data) is { } parameter)
                {
                    found[parameter.Name] = parameter.Value;
                }
            }
        }
        return message.Malformed || found.Count == 0 ? null : JsonSerializer.SerializeToUtf8Bytes(found);
    }

    private static (string Name, object? Value)? ReadParameter(ReadOnlySpan<byte> entry)
    {
        string? name = null;
        object? value = null;
        var message = new EventFileMessage(entry);
        while (message.Next())
        {
            if (
                message is { Field: 1, Wire: EventFileMessage.Bytes }
                && message.Data.Length <= EventFileSummaries.MostTag
            )
            {
                name = Encoding.UTF8.GetString(message.Data);
            }
            if (message is not { Field: 2, Wire: EventFileMessage.Bytes })
            {
                continue;
            }
            var of = new EventFileMessage(message.Data);
            while (of.Next())
            {
                value = (of.Field, of.Wire) switch
                {
                    (2, EventFileMessage.Fixed64) => BitConverter.UInt64BitsToDouble(of.Number) is var d
                    && double.IsFinite(d)
                        ? d
                        : d.ToString(System.Globalization.CultureInfo.InvariantCulture),
                    (3, EventFileMessage.Bytes) => Encoding.UTF8.GetString(of.Data[..Math.Min(of.Data.Length, 1_000)]),
                    (4, EventFileMessage.Varint) => of.Number != 0,
                    _ => value,
                };
            }
        }
        return message.Malformed || string.IsNullOrEmpty(name) ? null : (name, value);
    }

    private static void Doubles(ReadOnlySpan<byte> bytes, List<double> into)
    {
        for (; bytes.Length >= 8 && into.Count <= 3 * MostBuckets; bytes = bytes[8..])
        {
            into.Add(BinaryPrimitives.ReadDoubleLittleEndian(bytes));
        }
    }
}
