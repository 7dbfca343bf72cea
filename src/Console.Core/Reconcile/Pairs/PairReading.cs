using System.Globalization;
using System.Text.RegularExpressions;
using DeepLab.Core.Clusters;

namespace DeepLab.Core.Reconcile.Pairs;

/// <summary>
/// What the one that asks said. It comes from a network that strangers are on as well: only numbers of a sensible size are
/// believed, and little is read at all.
/// </summary>
internal static partial class PairReading
{
    /// <summary>Bytes that are read; what it has to say is shorter.</summary>
    public const int MostBytes = 1024;

    /// <summary>Characters of a reason.</summary>
    private const int MostWords = 160;
    private const double BytesPerMegabyte = 1e6;

    /// <summary>Bytes per second; no network of today is faster.</summary>
    private const double Fastest = 1e12;
    private const double LongestMilliseconds = 10_000;

    /// <returns>the figures, or why there are none</returns>
    public static (PairFigures? Figures, string Why) Parse(string said)
    {
        var line = said.Split('\n', 2)[0];
        if (Found().Match(line) is { Success: true } match)
        {
            double Of(string group) => double.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);
            var figures = new PairFigures(Math.Min(Of("there"), Of("back")) / BytesPerMegabyte, Of("delay") / 1000);
            return
                figures
                    is {
                        MegabytesPerSecond: < Fastest / BytesPerMegabyte,
                        Milliseconds: > 0 and <= LongestMilliseconds
                    }
                ? (figures, "")
                : (null, "the numbers that came back make no sense");
        }
        return (
            null,
            Failed().Match(line) is { Success: true } told ? Words(told.Groups["why"].Value) : "nothing came back"
        );
    }

    private static string Words(string text) =>
        new([.. text.Take(MostWords).Select(c => char.IsAsciiLetterOrDigit(c) || " .,:;-_'()/".Contains(c) ? c : '?')]);

    [GeneratedRegex(
        $"^{PairProgram.Found} (?<delay>[0-9]{{1,10}}) (?<there>[0-9]{{1,15}}) (?<back>[0-9]{{1,15}})$",
        RegexOptions.NonBacktracking | RegexOptions.CultureInvariant
    )]
    private static partial Regex Found();

    [GeneratedRegex($"^{PairProgram.Failed} (?<why>.+)$", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant)]
    private static partial Regex Failed();
}
