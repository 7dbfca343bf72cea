using System.Buffers.Binary;
using System.Numerics;

namespace DeepLab.Core.Metrics;

/// <summary>The Castagnoli checksum, by the processor's own instruction where it has one.</summary>
public static class Crc32C
{
    /// <summary>Goes on from a checksum; 0 begins one.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        crc = ~crc;
        for (; data.Length >= 8; data = data[8..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
        }
        foreach (var b in data)
        {
            crc = BitOperations.Crc32C(crc, b);
        }
        return ~crc;
    }

    /// <summary>As event files write it, so that a checksum over data that holds checksums stays a good one.</summary>
    public static uint Mask(uint crc) => unchecked(BitOperations.RotateRight(crc, 15) + 0xA282EAD8);
}
