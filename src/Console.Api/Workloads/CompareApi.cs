using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Compare;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Workloads;

/// <summary>Which runs, and what of them.</summary>
/// <param name="Ids">2 to 10 jobs: `1,2,3`; every list of values is in this order</param>
/// <param name="Metric">by which the best run is told, and whose curves come</param>
/// <param name="Best">`least` or `greatest`; guessed from the metric's name where absent</param>
/// <param name="Points">buckets of each curve of the metric; 0 = no curves</param>
/// <param name="By">`time` or `step`</param>
public sealed record CompareQuery(
    [FromQuery(Name = "ids")] string? Ids = null,
    [FromQuery(Name = "metric")] string? Metric = null,
    [FromQuery(Name = "best")] string? Best = null,
    [FromQuery(Name = "points")] int Points = 0,
    [FromQuery(Name = "by")] string By = "step"
);

/// <param name="Ids">several where they are alike, none where no run has a finite value of the metric</param>
/// <param name="Value">null where there is none</param>
public sealed record BestResponse(string Metric, BestBy By, IReadOnlyList<long> Ids, double? Value);

/// <summary>One curve of one run.</summary>
public sealed record RunCurve(long Id, string Source, long TotalPoints, IReadOnlyList<SeriesBucket> Points);

/// <param name="Differs">what at least one run has otherwise than another</param>
/// <param name="Equal">what all have alike</param>
/// <param name="FieldsLeftOut">beyond 1,000 of each</param>
/// <param name="Metrics">that at least two runs wrote, by name</param>
/// <param name="MetricsLeftOut">beyond 200</param>
/// <param name="Best">null where no metric was asked for</param>
/// <param name="Curves">of the metric, by run and time</param>
public sealed record CompareResponse(
    IReadOnlyList<JobRow> Runs,
    IReadOnlyList<FieldLine> Differs,
    IReadOnlyList<FieldLine> Equal,
    int FieldsLeftOut,
    IReadOnlyList<MetricLine> Metrics,
    int MetricsLeftOut,
    BestResponse? Best,
    IReadOnlyList<RunCurve> Curves
)
{
    /// <summary>Those that are final test runs: all others are compared on validation.</summary>
    public IReadOnlyList<long> Final { get; init; } = [];
}

/// <summary>Runs side by side.</summary>
public static class CompareApi
{
    private const int MostPoints = 500;

    internal static void MapCompare(this RouteGroupBuilder api)
    {
        var compare = api.MapGroup("/jobs/compare").WithTags("jobs").RequireAuthorization(Scopes.JobsRead);
        compare
            .MapGet("", AnswerAsync)
            .Produces<CompareResponse>()
            .WithSummary("What differs among 2 to 10 jobs, their metrics side by side, and the best of them.");
        compare
            .MapGet("/csv", CsvAsync)
            .RequireRateLimiting(ApiLimits.Streams)
            .Produces(StatusCodes.Status200OK, contentType: CsvText.ContentType)
            .WithSummary("Every point of the named curves of 2 to 10 jobs as CSV.");
    }

    private static async Task<IResult> CsvAsync(
        HttpContext context,
        [AsParameters] SeriesCsvQuery query,
        JobQueries jobs,
        SeriesCsv csv,
        CancellationToken ct,
        string? ids = null
    )
    {
        var (runs, errors) = RunChoice.Read(ids);
        if (errors.Count > 0)
        {
            return Problems.Invalid(errors);
        }
        var found = await jobs.FindRowsAsync(context.User.Actor(), runs, ct);
        if (runs.Except(found.Select(j => j.Id)).ToArray() is { Length: > 0 } missing)
        {
            return Missing(missing);
        }
        return await csv.AnswerAsync(
            context.Response,
            query,
            [.. runs.Select(id => new SeriesHolder(SeriesOwner.Job, $"{id}", "") { Prefix = $"{id} " })],
            $"jobs-{string.Join('-', runs)}",
            ct
        );
    }

    private static ProblemHttpResult Missing(IReadOnlyList<long> ids) =>
        Problems.Of(StatusCodes.Status404NotFound, $"There is no job {string.Join(", ", ids)}, or it is not yours.");

    private static async Task<IResult> AnswerAsync(
        [AsParameters] CompareQuery query,
        ClaimsPrincipal user,
        CompareJobs compare,
        SeriesReader series,
        CancellationToken ct
    )
    {
        var (ids, errors) = RunChoice.Read(query.Ids);
        if (errors.Concat(Check(query)).ToArray() is { Length: > 0 } wrong)
        {
            return Problems.Invalid(wrong);
        }
        var compared = await compare.RunAsync(user.Actor(), ids, query.Metric, new KnownCurves(), ct);
        if (compared.Missing is { Count: > 0 } missing)
        {
            return Missing(missing);
        }
        return TypedResults.Ok(
            new CompareResponse(
                compared.Runs,
                compared.Fields.Differs,
                compared.Fields.Equal,
                compared.Fields.LeftOut,
                compared.Metrics,
                compared.Shared.LeftOut,
                BestOf(query, compared),
                await CurvesAsync(query, compared, series, ct)
            )
            {
                Final = compared.Final,
            }
        );
    }

    private static List<SpecError> Check(CompareQuery query)
    {
        var errors = new List<SpecError>();
        if (query.Best is not (null or "least" or "greatest"))
        {
            errors.Add(new SpecError("best", "\"least\" or \"greatest\" is allowed."));
        }
        if (query.Points is < 0 or 1 or > MostPoints)
        {
            errors.Add(
                new SpecError("points", $"This is {query.Points}; 2 to {MostPoints} is allowed, or 0 for no curves.")
            );
        }
        errors.AddRange(SeriesAnswers.CheckAxis(query.By));
        if (string.IsNullOrEmpty(query.Metric) && (query.Best is not null || query.Points > 0))
        {
            errors.Add(
                new SpecError("metric", "It is missing; name the metric that \"best\" and \"points\" are about.")
            );
        }
        return errors;
    }

    private static BestResponse? BestOf(CompareQuery query, Comparison compared)
    {
        if (string.IsNullOrEmpty(query.Metric))
        {
            return null;
        }
        var by = BestWay.Of(query.Best, query.Metric);
        var line = compared.Metrics.FirstOrDefault(m => m.Name == query.Metric);
        var best = line?.BestOf(by) ?? [];
        return new BestResponse(
            query.Metric,
            by,
            [.. best.Select(i => compared.Runs[i].Id)],
            best.Count > 0 ? line!.Runs[best[0]]!.By(by) : null
        );
    }

    private static async Task<IReadOnlyList<RunCurve>> CurvesAsync(
        CompareQuery query,
        Comparison compared,
        SeriesReader series,
        CancellationToken ct
    )
    {
        var curves = new List<RunCurve>();
        if (query.Points == 0 || compared.Shared.All.FirstOrDefault(m => m.Name == query.Metric) is not { } metric)
        {
            return curves;
        }
        foreach (var (run, of) in compared.Runs.Zip(metric.Curves))
        {
            foreach (var curve in of)
            {
                var chart = await series.ChartAsync(curve, 0, long.MaxValue, query.Points, query.By == "step", ct);
                curves.Add(
                    new RunCurve(run.Id, curve.Key.Source, chart.TotalPoints, [.. chart.Points.Select(SeriesBucket.Of)])
                );
            }
        }
        return curves;
    }
}
