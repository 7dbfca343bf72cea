using System.Buffers.Binary;

namespace DeepLab.Core.Metrics;

/// <summary>Walks the fields of one protobuf message, without copying. Groups, which nobody writes, are malformed.</summary>
internal ref struct EventFileMessage(ReadOnlySpan<byte> rest)
{
    public const int Varint = 0;
    public const int Fixed64 = 1;
    public const int Bytes = 2;
    public const int Fixed32 = 5;

    private ReadOnlySpan<byte> _rest = rest;

    public ulong Field { get; private set; }
    public int Wire { get; private set; }

    /// <summary>The value of a number, as its bits stand.</summary>
    public ulong Number { get; private set; }

    /// <summary>The value of what has a length; of one that the message ends in the midst of, what there is.</summary>
    public ReadOnlySpan<byte> Data { get; private set; }

    /// <summary>The message could not be walked to its end.</summary>
    public bool Malformed { get; private set; }

    public bool Next()
    {
        if (_rest.IsEmpty || Malformed)
        {
            return false;
        }
        var key = ReadVarint();
        (Field, Wire) = (key >> 3, (int)(key & 7));
        switch (Wire)
        {
            case Varint:
                Number = ReadVarint();
                break;
            case Fixed64 when _rest.Length >= 8:
                Number = BinaryPrimitives.ReadUInt64LittleEndian(_rest);
                _rest = _rest[8..];
                break;
            case Fixed32 when _rest.Length >= 4:
                Number = BinaryPrimitives.ReadUInt32LittleEndian(_rest);
                _rest = _rest[4..];
                break;
            case Bytes:
                var length = ReadVarint();
                if (length > (ulong)_rest.Length)
                {
                    Data = _rest;
                    Malformed = true;
                    break;
                }
                Data = _rest[..(int)length];
                _rest = _rest[(int)length..];
                break;
            default:
                Malformed = true;
                break;
        }
        return !Malformed;
    }

    private ulong ReadVarint()
    {
        ulong number = 0;
        for (var i = 0; i < _rest.Length && i < 10; i++)
        {
            number |= (ulong)(_rest[i] & 0x7F) << (7 * i);
            if (_rest[i] < 0x80)
            {
                _rest = _rest[(i + 1)..];
                return number;
            }
        }
        Malformed = true;
        return 0;
    }
}
