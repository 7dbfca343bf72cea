using System.Globalization;
using System.Text;
using DeepLab.Api.Errors;
using DeepLab.Core.Metrics;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace DeepLab.Api.Workloads;

/// <summary>Which series go into a file, and which of their points.</summary>
/// <param name="Names">once or more</param>
/// <param name="Source">as the list of series shows it; all where absent</param>
/// <param name="From">ISO 8601</param>
public sealed record SeriesCsvQuery(
    [FromQuery(Name = "name")] string[]? Names = null,
    [FromQuery(Name = "source")] string? Source = null,
    [FromQuery(Name = "from")] DateTimeOffset? From = null,
    [FromQuery(Name = "to")] DateTimeOffset? To = null
);

/// <summary>Whose series.</summary>
/// <param name="Label">the source of series that name none</param>
internal sealed record SeriesHolder(SeriesOwner Owner, string Id, string Label)
{
    /// <summary>Before the source of each series; empty where one holder is asked.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>What lies outside is another's.</summary>
    public DateTimeOffset? From { get; init; }
    public DateTimeOffset? To { get; init; }
}

/// <summary>
/// Points of series as CSV, one a line, written as they are read: every point of a program's curve, and samples of machines as finely
/// as they are still kept (means where they are rolled up).
/// </summary>
public sealed class SeriesCsv(SeriesReader reader)
{
    internal const int MostNames = 16;

    /// <summary>Of one file; about 700 MB.</summary>
    internal const long MostPoints = 10_000_000;
    private const int AtOnce = 10_000;

    private sealed record Chosen(SeriesInfo Info, string Source, long From, long To);

    internal async Task<IResult> AnswerAsync(
        HttpResponse response,
        SeriesCsvQuery query,
        IReadOnlyList<SeriesHolder> holders,
        string fileName,
        CancellationToken ct
    )
    {
        if (Check(query) is { Count: > 0 } errors)
        {
            return Problems.Invalid(errors);
        }
        var chosen = await FindAsync(query, holders, ct);
        if (chosen.Count == 0)
        {
            return Problems.NotFound("series");
        }
        var points = chosen.Sum(c => c.Info.Points);
        if (points > MostPoints)
        {
            return Problems.Invalid([
                new SpecError(
                    "name",
                    $"These series have {points:N0} points; a file holds at most {MostPoints:N0}. Ask for one source at a time."
                ),
            ]);
        }
        response.ContentType = $"{CsvText.ContentType}; charset=utf-8";
        response.Headers.ContentDisposition = $"attachment; filename=\"{fileName}.csv\"";
        await response.WriteAsync("name,source,step,time,value\r\n", ct);
        foreach (var series in chosen)
        {
            await WriteAsync(response, series, ct);
        }
        return Results.Empty;
    }

    private async Task<IReadOnlyList<Chosen>> FindAsync(
        SeriesCsvQuery query,
        IReadOnlyList<SeriesHolder> holders,
        CancellationToken ct
    )
    {
        var chosen = new List<Chosen>();
        foreach (var holder in holders)
        {
            var from = Math.Max(Millis(query.From, 0), Millis(holder.From, 0));
            var to = Math.Min(Millis(query.To, long.MaxValue), Millis(holder.To, long.MaxValue));
            chosen.AddRange(
                (await reader.ListAsync(holder.Owner, holder.Id, ct))
                    .Where(i => query.Names!.Contains(i.Key.Name, StringComparer.Ordinal) && i.Last is not null)
                    .Select(i => new Chosen(
                        i,
                        holder.Prefix + (i.Key.Source.Length > 0 ? i.Key.Source : holder.Label),
                        from,
                        to
                    ))
                    .Where(c => query.Source is null || c.Source == query.Source)
            );
        }
        return
        [
            .. chosen
                .OrderBy(c => c.Info.Key.Name, StringComparer.Ordinal)
                .ThenBy(c => c.Source, StringComparer.Ordinal),
        ];
    }

    private async Task WriteAsync(HttpResponse response, Chosen series, CancellationToken ct)
    {
        var text = new StringBuilder();
        var head = $"{CsvText.Cell(series.Info.Key.Name)},{CsvText.Cell(series.Source)},";
        if (series.Info.Key.Owner != SeriesOwner.Job)
        {
            // What is kept of a machine's samples is bounded
            var chart = await reader.ChartAsync(
                series.Info,
                series.From,
                series.To,
                (int)MostPoints,
                byStep: false,
                ct
            );
            foreach (var piece in chart.Points.Chunk(AtOnce))
            {
                text.Clear();
                foreach (var p in piece)
                {
                    Line(text, head, null, p.UnixMillis, p.Mean);
                }
                await SendAsync(response, text, ct);
            }
            return;
        }
        var (millis, step) = (series.From - 1, long.MaxValue);
        while (true)
        {
            var points = await reader.TailAsync(series.Info.Id, millis, step, AtOnce, ct);
            text.Clear();
            foreach (var p in points.TakeWhile(p => p.UnixMillis <= series.To))
            {
                Line(text, head, p.Step, p.UnixMillis, p.Value);
            }
            await SendAsync(response, text, ct);
            if (points.Count < AtOnce || points[^1].UnixMillis > series.To)
            {
                return;
            }
            (millis, step) = (points[^1].UnixMillis, points[^1].Step);
        }
    }

    private static void Line(StringBuilder text, string head, long? step, long millis, double value) =>
        text.Append(head)
            .Append(step?.ToString(CultureInfo.InvariantCulture))
            .Append(',')
            .Append(CsvText.Cell(DateTimeOffset.FromUnixTimeMilliseconds(millis)))
            .Append(',')
            .Append(value.ToString("R", CultureInfo.InvariantCulture))
            .Append("\r\n");

    // Flushed piece by piece: a reader that is slow makes the reading wait
    private static async Task SendAsync(HttpResponse response, StringBuilder text, CancellationToken ct)
    {
        if (text.Length > 0)
        {
            await response.WriteAsync(text.ToString(), ct);
            await response.Body.FlushAsync(ct);
        }
    }

    private static List<SpecError> Check(SeriesCsvQuery query)
    {
        var errors = new List<SpecError>();
        if (query.Names is not { Length: >= 1 and <= MostNames } || query.Names.Any(string.IsNullOrEmpty))
        {
            errors.Add(
                new SpecError("name", $"1 to {MostNames} names of series are allowed: name=loss&name=accuracy.")
            );
        }
        if (query.From > query.To)
        {
            errors.Add(new SpecError("to", "The end lies before the beginning."));
        }
        return errors;
    }

    private static long Millis(DateTimeOffset? at, long absent) => at?.ToUnixTimeMilliseconds() ?? absent;
}
