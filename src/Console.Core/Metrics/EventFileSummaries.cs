using System.Buffers.Binary;
using System.Text;

namespace DeepLab.Core.Metrics;

/// <summary>
/// The scalars inside one `Event` message. Only the fields that are needed are looked at:
/// Event {1 wall_time, 2 step, 5 summary}, Summary {1 value}, Value {1 tag, 2 simple_value, 8 tensor, 9 metadata},
/// TensorProto {1 dtype, 4 tensor_content, 5 float_val, 6 double_val}.
/// </summary>
internal sealed class EventFileSummaries
{
    private const int Float = 1;
    private const int Double = 2;
    private readonly Dictionary<string, string> _tags = [];
    private readonly EventFileMedia _media = new();
    private readonly char[] _tag = new char[MostTag];

    /// <summary>Longer tags are passed over: no chart could name them.</summary>
    public const int MostTag = 256;

    /// <summary>A bound for what many tags can make us remember.</summary>
    private const int MostTags = 10_000;

    public long Skipped { get; private set; }

    /// <param name="media">null where nothing but scalars is wanted</param>
    public void Read(ReadOnlySpan<byte> record, List<EventScalar> scalars, List<EventMedia>? media)
    {
        var (step, wallTime) = (0L, 0.0);
        // The summary may stand before the step
        var message = new EventFileMessage(record);
        while (message.Next())
        {
            switch (message.Field, message.Wire)
            {
                case (1, EventFileMessage.Fixed64):
                    wallTime = BitConverter.UInt64BitsToDouble(message.Number);
                    break;
                case (2, EventFileMessage.Varint):
                    step = (long)message.Number;
                    break;
            }
        }
        if (message.Malformed)
        {
            Skipped++;
            return;
        }
        message = new EventFileMessage(record);
        while (message.Next())
        {
            if (message is { Field: 5, Wire: EventFileMessage.Bytes })
            {
                ReadSummary(message.Data, step, wallTime, scalars, media);
            }
        }
    }

    /// <summary>The tag of the value in whose midst a record was cut; null where it was cut elsewhere, as in a graph, or the tag is no name.</summary>
    public string? TagOfCut(ReadOnlySpan<byte> head)
    {
        var value = new EventFileMessage(Cut(Cut(head, 5), 1));
        while (value.Next())
        {
            if (value is { Field: 1, Wire: EventFileMessage.Bytes })
            {
                return Tag(value.Data);
            }
        }
        return null;
    }

    /// <summary>What there is of the field that a message ends in the midst of; nothing where that is another.</summary>
    private static ReadOnlySpan<byte> Cut(ReadOnlySpan<byte> message, ulong field)
    {
        var fields = new EventFileMessage(message);
        while (fields.Next()) { }
        return fields.Malformed && fields.Field == field && fields.Wire == EventFileMessage.Bytes
            ? fields.Data
            : default;
    }

    private void ReadSummary(
        ReadOnlySpan<byte> summary,
        long step,
        double wallTime,
        List<EventScalar> scalars,
        List<EventMedia>? media
    )
    {
        var values = new EventFileMessage(summary);
        while (values.Next())
        {
            if (values is not { Field: 1, Wire: EventFileMessage.Bytes })
            {
                continue;
            }
            if (ReadValue(values.Data, out var tag) is { } number && tag is not null)
            {
                scalars.Add(new EventScalar(tag, step, wallTime, number));
            }
            else if (tag is not null && media is not null && _media.Read(tag, values.Data, step, wallTime) is { } other)
            {
                media.Add(other);
            }
            else
            {
                Skipped++;
            }
        }
        Skipped += values.Malformed ? 1 : 0;
    }

    private double? ReadValue(ReadOnlySpan<byte> value, out string? tag)
    {
        tag = null;
        double? number = null;
        var message = new EventFileMessage(value);
        while (message.Next())
        {
            switch (message.Field, message.Wire)
            {
                case (1, EventFileMessage.Bytes):
                    tag = Tag(message.Data);
                    break;
                case (2, EventFileMessage.Fixed32):
                    number = BitConverter.UInt32BitsToSingle((uint)message.Number);
                    break;
                case (8, EventFileMessage.Bytes):
                    number = ReadTensor(message.Data);
                    break;
            }
        }
        return message.Malformed ? null : number;
    }

    /// <summary>The number of a tensor that holds exactly one in single or double precision.</summary>
    private static double? ReadTensor(ReadOnlySpan<byte> tensor)
    {
        var type = 0UL;
        ReadOnlySpan<byte> content = default;
        ReadOnlySpan<byte> floats = default;
        ReadOnlySpan<byte> doubles = default;
        double? single = null;
        var singles = 0;
        var message = new EventFileMessage(tensor);
        while (message.Next())
        {
            switch (message.Field, message.Wire)
            {
                case (1, EventFileMessage.Varint):
                    type = message.Number;
                    break;
                case (4, EventFileMessage.Bytes):
                    content = message.Data;
                    break;
                case (5, EventFileMessage.Bytes):
                    floats = message.Data;
                    break;
                case (6, EventFileMessage.Bytes):
                    doubles = message.Data;
                    break;
                // Writers may also leave repeated numbers unpacked
                case (5, EventFileMessage.Fixed32):
                    single = BitConverter.UInt32BitsToSingle((uint)message.Number);
                    singles++;
                    break;
                case (6, EventFileMessage.Fixed64):
                    single = BitConverter.UInt64BitsToDouble(message.Number);
                    singles++;
                    break;
            }
        }
        if (message.Malformed)
        {
            return null;
        }
        if (singles == 1 && type is Float or Double && content.IsEmpty && floats.IsEmpty && doubles.IsEmpty)
        {
            return single;
        }
        return (type, content.Length, floats.Length, doubles.Length, singles) switch
        {
            (Float, 4, 0, 0, 0) => BinaryPrimitives.ReadSingleLittleEndian(content),
            (Float, 0, 4, 0, 0) => BinaryPrimitives.ReadSingleLittleEndian(floats),
            (Double, 8, 0, 0, 0) => BinaryPrimitives.ReadDoubleLittleEndian(content),
            (Double, 0, 0, 8, 0) => BinaryPrimitives.ReadDoubleLittleEndian(doubles),
            _ => null,
        };
    }

    /// <summary>The tag, the same object for the same text; null where it is too long or is no name.</summary>
    private string? Tag(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length > 4 * MostTag || !Encoding.UTF8.TryGetChars(utf8, _tag, out var length) || length == 0)
        {
            return null;
        }
        var text = _tag.AsSpan(0, length);
        if (_tags.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(text, out var known))
        {
            return known;
        }
        foreach (var c in text)
        {
            // PostgreSQL refuses NUL, and the others would be invisible names
            if (char.IsControl(c))
            {
                return null;
            }
        }
        if (_tags.Count >= MostTags)
        {
            _tags.Clear();
        }
        var tag = text.ToString();
        _tags[tag] = tag;
        return tag;
    }
}
