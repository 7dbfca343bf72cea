using System.Globalization;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations.History;

/// <summary>
/// Reads a search of the history: words with spaces between them, each `field:value`, or a part of a name, or a number; `-`
/// before a word turns it round. Every word that is none is told, with the place where it stands.
/// </summary>
public static class SearchQuery
{
    /// <summary>Characters.</summary>
    public const int Longest = 1000;
    public const int MostTerms = 32;

    private static readonly string[] s_fields =
    [
        .. Enum.GetNames<SearchField>().Where(n => n != nameof(SearchField.Any)).Select(n => n.ToLowerInvariant()),
    ];

    /// <param name="text">null or empty = everything</param>
    /// <param name="now">durations are counted back from it</param>
    public static SearchReading Read(string? text, DateTimeOffset now)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return new SearchReading([], []);
        }
        if (text.Length > Longest)
        {
            return Refuse($"The search has {text.Length:N0} characters; at most {Longest:N0} are allowed.");
        }
        var words = SearchWords.Cut(text);
        if (words.Count > MostTerms)
        {
            return Refuse($"The search has {words.Count} terms; at most {MostTerms} are allowed.");
        }
        var (terms, errors) = (new List<SearchTerm>(), new List<SpecError>());
        foreach (var word in words)
        {
            var (term, wrong) = One(word, now);
            if (term is not null)
            {
                terms.Add(term);
            }
            else
            {
                errors.Add(new SpecError("q", $"{SpecText.Quote(word.Typed)} at character {word.At}: {wrong}"));
            }
        }
        return errors.Count > 0 ? new SearchReading([], errors) : new SearchReading(terms, []);
    }

    private static SearchReading Refuse(string message) => new([], [new SpecError("q", message)]);

    private static (SearchTerm? Term, string Wrong) One(SearchWord word, DateTimeOffset now)
    {
        if (word.IsOpen)
        {
            return (null, "the quote is not closed.");
        }
        var field = SearchField.Any;
        if (
            word.Field is { } name
            && (
                !Enum.TryParse(name, ignoreCase: true, out field)
                || field == SearchField.Any
                || !s_fields.Contains(name, StringComparer.OrdinalIgnoreCase)
            )
        )
        {
            return (
                null,
                SpecText.Nearest(name, s_fields) is { } near
                    ? $"there is no field {SpecText.Quote(name)}; did you mean \"{near}\"?"
                    : $"there is no field {SpecText.Quote(name)}; there is {string.Join(", ", s_fields)}. Put the word in quotes to search names for it."
            );
        }
        if (word.Values.Any(string.IsNullOrWhiteSpace))
        {
            return (null, word.Values.Count > 1 ? "a value between the commas is missing." : "its value is missing.");
        }
        if (word.Whole.Contains('\0', StringComparison.Ordinal))
        {
            return (null, "it holds a NUL character.");
        }
        var term = new SearchTerm(field, word.Not);
        switch (field)
        {
            case SearchField.State:
                return Names<WorkloadState>(word, v => term with { States = v });
            case SearchField.Reason:
                return Names<Reason>(word, v => term with { Reasons = v });
            case SearchField.Owner or SearchField.Team or SearchField.Host:
                return (term with { Texts = word.Values }, "");
            case SearchField.Label:
                return Label(word.Whole, term);
            case SearchField.Id or SearchField.Gpus or SearchField.Origin:
                return SearchRanges.Numbers(word.Whole) is { } numbers
                    ? (term with { Numbers = numbers }, "")
                    : (null, "a number is allowed, or >5, >=5, <5, <=5, 3..5.");
            case SearchField.Submitted or SearchField.Started or SearchField.Ended:
                return SearchRanges.Times(word.Whole, now) is { } times
                    ? (term with { Times = times }, "")
                    : (
                        null,
                        "a time is allowed (2026, 2026-01, 2026-01-31, 2026-01-31T12:30, UTC), also after >, >=, <, <= or as from..to, or the last 30m, 12h, 7d, 4w."
                    );
            case SearchField.Metric:
                return SearchRanges.Metric(word.Whole) is { } metric
                    ? (term with { Texts = [metric.Name], Bound = metric.Bound }, "")
                    : (
                        null,
                        "a metric's name is allowed, also with a bound of its best value: accuracy>0.9, loss<=0.1."
                    );
            case SearchField.Pinned:
                return word.Whole.ToLowerInvariant() switch
                {
                    "yes" or "true" => (term with { Flag = true }, ""),
                    "no" or "false" => (term, ""),
                    _ => (null, "yes or no is allowed."),
                };
            default:
                return (term with { Texts = [word.Whole] }, "");
        }
    }

    private static (SearchTerm? Term, string Wrong) Names<T>(SearchWord word, Func<IReadOnlyList<T>, SearchTerm> make)
        where T : struct, Enum
    {
        var values = new List<T>();
        foreach (var text in word.Values)
        {
            // A number would be read as one of them
            if (!char.IsAsciiLetter(text[0]) || !Enum.TryParse<T>(text, ignoreCase: true, out var value))
            {
                var near = SpecText.Nearest(text, Enum.GetNames<T>());
                return (
                    null,
                    near is not null
                        ? $"there is no {SpecText.Quote(text)}; did you mean \"{near}\"?"
                        : $"there is no {SpecText.Quote(text)}; there is {string.Join(", ", Enum.GetNames<T>())}."
                );
            }
            values.Add(value);
        }
        return (make(values), "");
    }

    private static (SearchTerm? Term, string Wrong) Label(string text, SearchTerm term)
    {
        var cut = text.IndexOf('=', StringComparison.Ordinal);
        return SpecLabels.NamePattern().IsMatch(cut < 0 ? text : text[..cut])
            ? (term with { Texts = [text] }, "")
            : (
                null,
                "a label's name, or name=text is allowed; a name has 1 to 63 letters, digits, '.', '_', '/' and '-'."
            );
    }
}
