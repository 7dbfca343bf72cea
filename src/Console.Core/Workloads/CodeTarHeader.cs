using System.Text;

namespace DeepLab.Core.Workloads;

/// <summary>One header block of a tar: 512 bytes of old V7, POSIX ustar or GNU.</summary>
internal readonly record struct CodeTarHeader(string Path, char Kind, long Size, int Mode, long UnixSeconds)
{
    public const int Block = 512;
    private const int ChecksumAt = 148;
    private const int ChecksumLength = 8;

    public const char Metadata = 'x';
    public const char GlobalMetadata = 'g';
    public const char LongPath = 'L';
    public const char LongLink = 'K';
    public const char Folder = '5';

    /// <exception cref="CodeRefusedException">This is no header.</exception>
    public static CodeTarHeader Parse(ReadOnlySpan<byte> block)
    {
        if (!ChecksumHolds(block))
        {
            throw new CodeRefusedException("The archive holds no whole tar: a header is damaged or missing.");
        }
        var path = Text(block[..100]);
        // POSIX splits a long path in two; GNU keeps other things in that place
        if (block[257..263].SequenceEqual("ustar\0"u8) && Text(block[345..500]) is { Length: > 0 } prefix)
        {
            path = $"{prefix}/{path}";
        }
        return new CodeTarHeader(
            path,
            (char)block[156],
            Number(block[124..136]),
            (int)(Number(block[100..108]) & 0xFFF),
            Number(block[136..148])
        );
    }

    /// <summary>Ends at the first NUL; bytes that are not UTF-8 become U+FFFD.</summary>
    public static string Text(ReadOnlySpan<byte> field)
    {
        var end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }

    public static int Checksum(ReadOnlySpan<byte> block)
    {
        var sum = ChecksumLength * ' ';
        for (var i = 0; i < Block; i++)
        {
            sum += i is >= ChecksumAt and < ChecksumAt + ChecksumLength ? 0 : block[i];
        }
        return sum;
    }

    private static bool ChecksumHolds(ReadOnlySpan<byte> block)
    {
        var said = 0;
        foreach (var b in block.Slice(ChecksumAt, ChecksumLength))
        {
            if (b is >= (byte)'0' and <= (byte)'7')
            {
                said = said * 8 + b - '0';
            }
        }
        return said == Checksum(block);
    }

    /// <summary>Octal digits, or GNU's binary form behind a set top bit.</summary>
    private static long Number(ReadOnlySpan<byte> field)
    {
        if ((field[0] & 0x80) != 0)
        {
            // Two's complement over the whole field; past 63 bits only lies are told
            Int128 wide = (field[0] & 0x40) != 0 ? -1 : field[0] & 0x3F;
            foreach (var b in field[1..])
            {
                wide = (wide << 8) | b;
            }
            return wide >= long.MinValue && wide <= long.MaxValue ? (long)wide : throw Damaged();
        }
        long value = 0;
        foreach (var b in field.Trim(" \0"u8))
        {
            value = b is >= (byte)'0' and <= (byte)'7' ? value * 8 + b - '0' : throw Damaged();
        }
        return value;
    }

    private static CodeRefusedException Damaged() =>
        new("The archive holds no whole tar: a number in a header is damaged.");
}
