using System.Globalization;

namespace DeepLab.Core.Workloads;

/// <summary>Amounts of memory as people write them: `512MiB`, `1.5GiB`, `1000000`.</summary>
public static class Quantity
{
    private static readonly (string Unit, long Bytes)[] Units =
    [
        ("TiB", 1L << 40),
        ("GiB", 1L << 30),
        ("MiB", 1L << 20),
        ("KiB", 1L << 10),
        ("TB", 1_000_000_000_000),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("KB", 1_000),
        ("B", 1),
    ];

    /// <summary>
    /// A number without sign or exponent and then a unit (B, KiB, MiB, GiB, TiB, or KB, MB, GB, TB for powers of 1000; no
    /// unit = bytes; one space may stand between). False where it is malformed, not a whole number of bytes, or too large.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, out long bytes)
    {
        bytes = 0;
        var factor = 1L;
        foreach (var (unit, size) in Units)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal))
            {
                text = text[..^unit.Length];
                factor = size;
                if (text.EndsWith(" "))
                {
                    text = text[..^1];
                }
                break;
            }
        }
        if (
            text.Length is 0 or > 20
            || !char.IsAsciiDigit(text[0])
            || !char.IsAsciiDigit(text[^1])
            || !decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var n)
        )
        {
            return false;
        }
        if (n > long.MaxValue / factor)
        {
            return false;
        }
        var product = n * factor;
        bytes = (long)product;
        return bytes == product;
    }

    /// <summary>Exact: the largest binary unit that divides it, so that it reads back as the same number.</summary>
    public static string Format(long bytes)
    {
        foreach (var (unit, size) in Units)
        {
            if (unit.EndsWith("iB", StringComparison.Ordinal) && bytes != 0 && bytes % size == 0)
            {
                return $"{bytes / size}{unit}";
            }
        }
        return $"{bytes}B";
    }

    /// <summary>About so much, for people: `3.1 GiB`, `512 MiB`, `100 bytes`.</summary>
    public static string Say(double bytes) =>
        bytes switch
        {
            >= 1L << 30 => $"{bytes / (1L << 30):0.#} GiB",
            >= 1L << 20 => $"{bytes / (1L << 20):0.#} MiB",
            _ => $"{bytes:0} bytes",
        };
}
