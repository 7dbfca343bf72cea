using System.Globalization;

namespace DeepLab.Core.Metrics;

/// <summary>One line of the GPU probe.</summary>
/// <param name="Row">what the device is; null for a line that speaks of a device it cannot read</param>
/// <param name="Utilisation">percent; null where the driver does not say</param>
/// <param name="MemoryUsed">bytes; null where the driver does not say</param>
/// <param name="Temperature">degrees Celsius; null where the driver does not say</param>
/// <param name="Power">watts; null where the driver does not say</param>
/// <param name="Complaint">a line of another form, such as one that names a device which fell off the bus</param>
public sealed record GpuLine(
    GpuInventoryRow? Row,
    double? Utilisation,
    long? MemoryUsed,
    double? Temperature,
    double? Power,
    string? Complaint
);

/// <summary>The GPU probe: what it runs, and what its lines mean. Pure.</summary>
public static class GpuProbe
{
    private const int FieldsBeforeName = 2;
    private const int FieldsAfterName = 8;

    private const string Devices =
        "exec nvidia-smi --query-gpu=index,uuid,name,driver_version,memory.total,memory.used,utilization.gpu,temperature.gpu,power.draw,pci.bus_id,ecc.errors.uncorrected.volatile.total --format=csv,noheader,nounits -l 2";

    /// <summary>The devices' question stands in front, so that the probe ends with it.</summary>
    public static IReadOnlyList<string> Command { get; } = ["sh", "-c", $"{GpuApps.Script}\n{Devices}"];

    /// <summary>Null for a blank line.</summary>
    public static GpuLine? Parse(string line)
    {
        line = line.Trim();
        if (line.Length == 0)
        {
            return null;
        }
        var f = line.Split(", ");
        if (
            f.Length < FieldsBeforeName + 1 + FieldsAfterName
            || !int.TryParse(f[0], NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            || !IsUuid(f[1])
        )
        {
            return new GpuLine(null, null, null, null, null, line.Length > 300 ? line[..300] : line);
        }
        // Only the name may hold the separator itself
        var rest = f[^FieldsAfterName..];
        var name = string.Join(", ", f[FieldsBeforeName..^FieldsAfterName]);
        var total = Number(rest[1]);
        return new GpuLine(
            new GpuInventoryRow(
                index,
                f[1],
                name,
                Bytes(total) ?? 0,
                IsMissing(rest[0]) ? "" : rest[0],
                IsMissing(rest[6]) ? "" : rest[6],
                Trouble(name, rest)
            ),
            Number(rest[3]),
            Bytes(Number(rest[2])),
            Number(rest[4]),
            Number(rest[5]),
            null
        );
    }

    /// <summary>
    /// A field that the driver cannot read is no trouble where the device has none; an error of any is. Memory that lost a
    /// word since the driver was loaded is not trusted before it was reset.
    /// </summary>
    private static string? Trouble(string name, string[] fields)
    {
        if (Number(fields[7]) is > 0 and { } errors)
        {
            return string.Create(
                CultureInfo.InvariantCulture,
                $"it counts {errors:0} ECC {(errors > 1 ? "errors" : "error")} that could not be corrected"
            );
        }
        foreach (var field in fields.Prepend(name))
        {
            if (
                field.Contains("ERR!", StringComparison.OrdinalIgnoreCase)
                || field.Contains("Unknown Error", StringComparison.OrdinalIgnoreCase)
                || field.Contains("is lost", StringComparison.OrdinalIgnoreCase)
                || field.Contains("requires reset", StringComparison.OrdinalIgnoreCase)
            )
            {
                return $"nvidia-smi says \"{field}\"";
            }
        }
        return null;
    }

    /// <summary>`GPU-` or, for a slice of one, `MIG-`.</summary>
    internal static bool IsUuid(string s) =>
        s.Length is > 4 and <= 128
        && (s.StartsWith("GPU-", StringComparison.Ordinal) || s.StartsWith("MIG-", StringComparison.Ordinal))
        && s.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '/');

    private static bool IsMissing(string s) => s.Length == 0 || s[0] == '[';

    private static double? Number(string s) =>
        double.TryParse(s, NumberStyles.Float, CultureInfo.InvariantCulture, out var n) && double.IsFinite(n)
            ? n
            : null;

    /// <summary>From MiB.</summary>
    private static long? Bytes(double? mebibytes) => mebibytes is >= 0 and < 1e9 ? (long)(mebibytes * (1 << 20)) : null;
}
