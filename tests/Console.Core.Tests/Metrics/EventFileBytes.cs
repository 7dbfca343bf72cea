using System.Text;
using DeepLab.Core.Metrics;

namespace DeepLab.Core.Tests.Metrics;

/// <summary>Writes records of event files, byte by byte after the format.</summary>
internal static class EventFileBytes
{
    public static byte[] Scalar(string tag, long step, float value, double wallTime = 12.5) =>
        Value(tag, step, [0x15, .. BitConverter.GetBytes(value)], wallTime);

    public static byte[] Value(string tag, long step, byte[] field, double wallTime = 12.5)
    {
        var name = Encoding.UTF8.GetBytes(tag);
        byte[] value = [0x0A, .. Varint((ulong)name.Length), .. name, .. field];
        byte[] summary = [0x0A, .. Varint((ulong)value.Length), .. value];
        return Record([
            0x09,
            .. BitConverter.GetBytes(wallTime),
            0x10,
            .. Varint((ulong)step),
            0x2A,
            .. Varint((ulong)summary.Length),
            .. summary,
        ]);
    }

    /// <summary>A field that has a length.</summary>
    public static byte[] Field(int number, byte[] data) =>
        [(byte)(number << 3 | 2), .. Varint((ulong)data.Length), .. data];

    public static byte[] Record(byte[] data)
    {
        var length = BitConverter.GetBytes((ulong)data.Length);
        return
        [
            .. length,
            .. BitConverter.GetBytes(Crc32C.Mask(Crc32C.Append(0, length))),
            .. data,
            .. BitConverter.GetBytes(Crc32C.Mask(Crc32C.Append(0, data))),
        ];
    }

    private static IEnumerable<byte> Varint(ulong number)
    {
        for (; number > 0x7F; number >>= 7)
        {
            yield return (byte)(number | 0x80);
        }
        yield return (byte)number;
    }
}
