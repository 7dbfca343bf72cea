using System.IO.Compression;
using System.Text;

namespace DeepLab.Core.Tests.Workloads;

/// <summary>Makes tars as a hostile hand would: any name, kind and size, with a checksum that holds.</summary>
internal static class CodeTars
{
    public static byte[] Header(string name, char kind = '0', long size = 0, int mode = 0x1A4, string link = "")
    {
        var block = new byte[512];
        Encoding.UTF8.GetBytes(name, block);
        Field(block, 100, 8, mode);
        Field(block, 124, 12, size);
        Field(block, 136, 12, 1_700_000_000);
        block[156] = (byte)kind;
        Encoding.UTF8.GetBytes(link, block.AsSpan(157));
        "ustar\000"u8.CopyTo(block.AsSpan(257));
        return Sealed(block);
    }

    /// <summary>Sets the checksum anew.</summary>
    public static byte[] Sealed(byte[] block)
    {
        block.AsSpan(148, 8).Fill((byte)' ');
        Field(block, 148, 8, block.Sum(b => b));
        return block;
    }

    public static byte[] File(string name, string text, int mode = 0x1A4) =>
        Entry(name, '0', Encoding.UTF8.GetBytes(text), mode);

    public static byte[] Entry(string name, char kind, byte[] content, int mode = 0x1A4)
    {
        var padding = (512 - content.Length % 512) % 512;
        return [.. Header(name, kind, content.Length, mode), .. content, .. new byte[padding]];
    }

    public static MemoryStream Gzip(params byte[][] parts)
    {
        var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            foreach (var part in parts)
            {
                gzip.Write(part);
            }
        }
        packed.Position = 0;
        return packed;
    }

    public static MemoryStream Tar(params byte[][] entries) => Gzip([.. entries, new byte[1024]]);

    private static void Field(byte[] block, int at, int length, long value) =>
        Encoding.ASCII.GetBytes(Convert.ToString(value, 8).PadLeft(length - 1, '0') + "\0", block.AsSpan(at));
}
