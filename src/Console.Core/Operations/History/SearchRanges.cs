using System.Globalization;
using System.Text.RegularExpressions;

namespace DeepLab.Core.Operations.History;

/// <summary>Values of a search that are ranges: `5`, `>5`, `3..5`; `2026-01-31`, `>2026-01`, `2026-01..2026-03`, `7d`.</summary>
internal static partial class SearchRanges
{
    private static readonly string[] s_marks = [">=", "<=", ">", "<"];

    /// <summary>What is written may be a whole year: where it begins, and where the next begins.</summary>
    private static readonly (string Format, Func<DateTimeOffset, DateTimeOffset> Next)[] s_times =
    [
        ("yyyy", t => t.AddYears(1)),
        ("yyyy-MM", t => t.AddMonths(1)),
        ("yyyy-MM-dd", t => t.AddDays(1)),
        ("yyyy-MM-dd'T'HH:mm", t => t.AddMinutes(1)),
        ("yyyy-MM-dd'T'HH:mm'Z'", t => t.AddMinutes(1)),
        ("yyyy-MM-dd'T'HH:mm:ss", t => t.AddSeconds(1)),
        ("yyyy-MM-dd'T'HH:mm:ss'Z'", t => t.AddSeconds(1)),
    ];

    /// <summary>Both ends included; null where it is none.</summary>
    public static (long? From, long? To)? Numbers(string text)
    {
        if (Between(text) is { } ends)
        {
            return Number(ends.From) is { } from && Number(ends.To) is { } to ? (from, to) : null;
        }
        var (mark, rest) = Marked(text);
        return Number(rest) is not { } n
            ? null
            : mark switch
            {
                ">=" => (n, null),
                "<=" => (null, n),
                ">" => (n + 1, null),
                "<" => (null, n - 1),
                _ => (n, n),
            };
    }

    /// <summary>From included, to not; null where it is none.</summary>
    public static (DateTimeOffset? From, DateTimeOffset? To)? Times(string text, DateTimeOffset now)
    {
        if (Between(text) is { } ends)
        {
            return Span(ends.From) is { } first && Span(ends.To) is { } last ? (first.From, last.To) : null;
        }
        if (AgoPattern().Match(text) is { Success: true } ago)
        {
            var n = int.Parse(ago.Groups["n"].ValueSpan, CultureInfo.InvariantCulture);
            return (
                now
                    - ago.Groups["unit"].Value switch
                    {
                        "m" => TimeSpan.FromMinutes(n),
                        "h" => TimeSpan.FromHours(n),
                        "d" => TimeSpan.FromDays(n),
                        _ => TimeSpan.FromDays(7 * n),
                    },
                null
            );
        }
        var (mark, rest) = Marked(text);
        return Span(rest) is not { } span
            ? null
            : mark switch
            {
                ">=" => (span.From, null),
                "<=" => (null, span.To),
                ">" => (span.To, null),
                "<" => (null, span.From),
                _ => (span.From, span.To),
            };
    }

    /// <summary>`accuracy>0.9`, or a name alone, which has no bound; null where it is neither.</summary>
    public static (string Name, MetricBound? Bound)? Metric(string text)
    {
        var cut = text.LastIndexOfAny(['<', '>']);
        if (cut < 0)
        {
            return (text, null);
        }
        var (mark, rest) = Marked(text[cut..]);
        return
            cut > 0
            && double.TryParse(rest, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            && double.IsFinite(value)
            ? (text[..cut], new MetricBound(mark[0] == '>', mark.Length > 1, value))
            : null;
    }

    private static (string From, string To)? Between(string text) =>
        text.IndexOf("..", StringComparison.Ordinal) is var cut and > 0 ? (text[..cut], text[(cut + 2)..]) : null;

    private static (string Mark, string Value) Marked(string text)
    {
        var mark = s_marks.FirstOrDefault(m => text.StartsWith(m, StringComparison.Ordinal)) ?? "";
        return (mark, text[mark.Length..]);
    }

    /// <summary>Not the greatest of all: one more of it is asked for.</summary>
    private static long? Number(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n < long.MaxValue ? n : null;

    private static (DateTimeOffset From, DateTimeOffset To)? Span(string text)
    {
        foreach (var (format, next) in s_times)
        {
            if (
                DateTimeOffset.TryParseExact(
                    text,
                    format,
                    CultureInfo.InvariantCulture,
                    DateTimeStyles.AssumeUniversal,
                    out var at
                )
                // What is next to the ends of the calendar has no next
                && at.Year is > 1 and < 9999
            )
            {
                return (at, next(at));
            }
        }
        return null;
    }

    [GeneratedRegex(@"^(?<n>[0-9]{1,4})(?<unit>[mhdw])\z", RegexOptions.NonBacktracking)]
    private static partial Regex AgoPattern();
}
