using System.Globalization;

namespace DeepLab.Api;

/// <summary>Cells of CSV (RFC 4180).</summary>
internal static class CsvText
{
    public const string ContentType = "text/csv";

    public static string Cell(object? value) =>
        value switch
        {
            null => "",
            DateTimeOffset at => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture),
            string text => Text(text),
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            _ => Text(value.ToString() ?? ""),
        };

    /// <summary>What a spreadsheet would take for a formula begins with an apostrophe, which it shows as text.</summary>
    private static string Text(string text)
    {
        var safe =
            text.Length > 0
            && text.TrimStart(' ') is [var c, ..]
            && c is '=' or '+' or '-' or '@' or '\t' or '\r' or '\n'
                ? "'" + text
                : text;
        return safe.AsSpan().IndexOfAny(",\"\r\n") >= 0 ? $"\"{safe.Replace("\"", "\"\"")}\"" : safe;
    }
}
