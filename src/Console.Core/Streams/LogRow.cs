namespace DeepLab.Core.Streams;

/// <summary>Walks the meta column of a block: one row a line.</summary>
internal struct LogRow(long firstUnixNanos)
{
    private int _at;
    public long UnixNanos { get; private set; } = firstUnixNanos;
    public byte Flags { get; private set; }
    public int TextAt { get; private set; }
    public int TextLength { get; private set; }

    public void Read(byte[] meta)
    {
        TextAt += TextLength;
        UnixNanos += Varint.UnZigZag(Varint.Read(meta, ref _at));
        Flags = meta[_at++];
        TextLength = (int)Varint.Read(meta, ref _at);
    }
}

/// <summary>Seven bits a byte, least first; the highest bit says that more follow.</summary>
internal static class Varint
{
    public static ulong Read(byte[] data, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            if (at >= data.Length || shift > 63)
            {
                throw new InvalidDataException("A log block that ends within a number.");
            }
            var b = data[at++];
            value |= (ulong)(b & 0x7f) << shift;
            if (b < 0x80)
            {
                return value;
            }
        }
    }

    public static ulong ZigZag(long value) => (ulong)((value << 1) ^ (value >> 63));

    public static long UnZigZag(ulong value) => (long)(value >> 1) ^ -(long)(value & 1);
}

/// <summary>Bytes that grow at the end.</summary>
internal sealed class ByteBuffer(int capacity)
{
    private byte[] _bytes = new byte[capacity];
    public int Count { get; private set; }
    public ReadOnlySpan<byte> Span => _bytes.AsSpan(0, Count);
    public ReadOnlyMemory<byte> Memory => _bytes.AsMemory(0, Count);

    public void Add(byte value)
    {
        Reserve(1);
        _bytes[Count++] = value;
    }

    public void Add(ReadOnlySpan<byte> values)
    {
        Reserve(values.Length);
        values.CopyTo(_bytes.AsSpan(Count));
        Count += values.Length;
    }

    public void AddVarint(ulong value)
    {
        Reserve(10);
        while (value >= 0x80)
        {
            _bytes[Count++] = (byte)(value | 0x80);
            value >>= 7;
        }
        _bytes[Count++] = (byte)value;
    }

    public void Clear() => Count = 0;

    private void Reserve(int more)
    {
        if (_bytes.Length - Count < more)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Count + more));
        }
    }
}
