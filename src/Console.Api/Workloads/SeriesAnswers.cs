using DeepLab.Api.Errors;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace DeepLab.Api.Workloads;

/// <summary>Which series, and which of their points. Without a name, the list of series is answered.</summary>
/// <param name="Source">as the list shows it; all where absent</param>
/// <param name="From">ISO 8601</param>
/// <param name="By">`time` or `step`</param>
public sealed record SeriesQuery(
    [FromQuery(Name = "name")] string? Name = null,
    [FromQuery(Name = "source")] string? Source = null,
    [FromQuery(Name = "maxPoints")] int MaxPoints = 500,
    [FromQuery(Name = "from")] DateTimeOffset? From = null,
    [FromQuery(Name = "to")] DateTimeOffset? To = null,
    [FromQuery(Name = "by")] string By = "time"
);

/// <param name="Step">the program's step; 0 for samples of the machine</param>
public sealed record SeriesValue(long Step, DateTimeOffset At, double Value);

/// <param name="Owner">`Job` for the program's curves, else what was measured</param>
public sealed record SeriesResponse(string Name, string Source, SeriesOwner Owner, long Points, SeriesValue? Last);

/// <summary>One bucket of points.</summary>
public sealed record SeriesBucket(long Step, DateTimeOffset At, double Min, double Mean, double Max)
{
    internal static SeriesBucket Of(ChartPoint p) =>
        new(p.Step, DateTimeOffset.FromUnixTimeMilliseconds(p.UnixMillis), p.Min, p.Mean, p.Max);
}

public sealed record SeriesPointsResponse(
    string Name,
    string Source,
    SeriesOwner Owner,
    long TotalPoints,
    IReadOnlyList<SeriesBucket> Points
);

/// <summary>Answers lists of series and their points, for jobs, hosts and GPUs alike.</summary>
public sealed class SeriesAnswers(SeriesReader reader)
{
    private const int MostPoints = 5000;

    /// <summary>Series drawn in one answer.</summary>
    private const int MostSeries = 64;

    /// <param name="owners">whose series; the label is the source of series that name none</param>
    internal async Task<IResult> AnswerAsync(
        SeriesQuery query,
        IReadOnlyList<(SeriesOwner Owner, string Id, string Label)> owners,
        CancellationToken ct
    )
    {
        if (Check(query) is { Count: > 0 } errors)
        {
            return Problems.Invalid(errors);
        }
        var found = new List<(SeriesInfo Info, string Source)>();
        foreach (var (owner, id, label) in owners)
        {
            found.AddRange(
                (await reader.ListAsync(owner, id, ct)).Select(i => (i, i.Key.Source.Length > 0 ? i.Key.Source : label))
            );
        }
        if (query.Name is null)
        {
            return TypedResults.Ok(
                Paging.All<SeriesResponse>([
                    .. found
                        .OrderBy(f => f.Info.Key.Name, StringComparer.Ordinal)
                        .ThenBy(f => f.Source, StringComparer.Ordinal)
                        .Select(f => new SeriesResponse(
                            f.Info.Key.Name,
                            f.Source,
                            f.Info.Key.Owner,
                            f.Info.Points,
                            f.Info.Last is { } p ? new SeriesValue(p.Step, Time(p.UnixMillis), p.Value) : null
                        )),
                ])
            );
        }
        var chosen = found
            .Where(f => f.Info.Key.Name == query.Name && (query.Source is null || f.Source == query.Source))
            .Take(MostSeries)
            .ToList();
        if (chosen.Count == 0)
        {
            return Problems.NotFound("series");
        }
        var answer = new List<SeriesPointsResponse>();
        foreach (var (info, source) in chosen)
        {
            answer.Add(await PointsAsync(info, source, query, ct));
        }
        return TypedResults.Ok(Paging.All(answer));
    }

    private async Task<SeriesPointsResponse> PointsAsync(
        SeriesInfo info,
        string source,
        SeriesQuery query,
        CancellationToken ct
    )
    {
        var chart = await reader.ChartAsync(
            info,
            query.From?.ToUnixTimeMilliseconds() ?? 0,
            query.To?.ToUnixTimeMilliseconds() ?? long.MaxValue,
            query.MaxPoints,
            query.By == "step",
            ct
        );
        return new SeriesPointsResponse(
            info.Key.Name,
            source,
            info.Key.Owner,
            chart.TotalPoints,
            [.. chart.Points.Select(SeriesBucket.Of)]
        );
    }

    private static List<SpecError> Check(SeriesQuery query)
    {
        var errors = new List<SpecError>();
        if (query.MaxPoints is < 2 or > MostPoints)
        {
            errors.Add(new SpecError("maxPoints", $"This is {query.MaxPoints}; 2 to {MostPoints} is allowed."));
        }
        errors.AddRange(CheckAxis(query.By));
        if (query.From > query.To)
        {
            errors.Add(new SpecError("to", "The end lies before the beginning."));
        }
        return errors;
    }

    /// <summary>By what points are put into buckets.</summary>
    internal static IReadOnlyList<SpecError> CheckAxis(string by) =>
        by is "time" or "step" ? [] : [new SpecError("by", "\"time\" or \"step\" is allowed.")];

    private static DateTimeOffset Time(long unixMillis) => DateTimeOffset.FromUnixTimeMilliseconds(unixMillis);
}
