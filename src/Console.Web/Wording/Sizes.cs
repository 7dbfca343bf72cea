namespace DeepLab.Web.Wording;

/// <summary>Amounts of memory and rates, three significant digits, powers of 1024.</summary>
public static class Sizes
{
    private static readonly string[] s_units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

    public static string Bytes(double bytes)
    {
        var unit = 0;
        while (Math.Abs(bytes) >= 999.5 && unit < s_units.Length - 1)
        {
            bytes /= 1024;
            unit++;
        }
        return $"{Digits(bytes, unit == 0)} {s_units[unit]}";
    }

    /// <summary>Cores without needless zeros: `0.25`, `1.5`, `16`.</summary>
    public static string Cores(double cores) => $"{cores:0.##}";

    /// <summary>Of a network; a dash where it is not known.</summary>
    /// <param name="megabytes">10^6 bytes a second</param>
    public static string Speed(double? megabytes) => megabytes is { } of ? $"{Digits(of, false)} MB/s" : "–";

    /// <summary>A dash where it is not known.</summary>
    public static string Delay(double? milliseconds) => milliseconds is { } of ? $"{Digits(of, false)} ms" : "–";

    public static double Percent(double part, double whole) => whole > 0 ? Math.Clamp(100 * part / whole, 0, 100) : 0;

    private static string Digits(double n, bool whole) =>
        Math.Abs(n) switch
        {
            _ when whole => $"{n:0}",
            >= 100 => $"{n:0}",
            >= 10 => $"{n:0.#}",
            _ => $"{n:0.##}",
        };
}
