using System.Globalization;
using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads.Receipts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Workloads;

/// <summary>The curves of a job's program, what its containers used, and the receipt of it all.</summary>
public static class JobMetricsApi
{
    private const int MostAttempts = 64;

    internal static void MapJobMetrics(this RouteGroupBuilder api)
    {
        var jobs = api.MapGroup("/jobs/{id:long}").WithTags("jobs").RequireAuthorization(Scopes.JobsRead);
        jobs.MapGet("/metrics", AnswerAsync)
            .Produces<Page<SeriesResponse>>()
            .WithSummary("The job's series with their last values; with name, the points of those series.");
        jobs.MapGet("/metrics/csv", CsvAsync)
            .RequireRateLimiting(ApiLimits.Streams)
            .Produces(StatusCodes.Status200OK, contentType: CsvText.ContentType)
            .WithSummary("Every point of the named series as CSV; of machines, also the GPUs that the job held.");
        jobs.MapGet("/receipt", ReceiptAsync)
            .WithSummary("Where the job's time went, as time and GPU-seconds, and what is to be learned from it.");
    }

    private static async Task<IResult> AnswerAsync(
        long id,
        [AsParameters] SeriesQuery query,
        ClaimsPrincipal user,
        JobQueries jobs,
        SeriesAnswers answers,
        CancellationToken ct
    )
    {
        if (await jobs.FindAsync(user.Actor(), id, ct) is not { } job)
        {
            return Problems.NotFound("job");
        }
        var attempts = Newest(job).Select(a => (SeriesOwner.Attempt, a.Attempt.Id.ToString(), a.Label));
        return await answers.AnswerAsync(query, [(SeriesOwner.Job, id.ToString(), ""), .. attempts], ct);
    }

    private static async Task<IResult> CsvAsync(
        HttpContext context,
        long id,
        [AsParameters] SeriesCsvQuery query,
        JobQueries jobs,
        SeriesCsv csv,
        CancellationToken ct
    )
    {
        if (await jobs.FindAsync(context.User.Actor(), id, ct) is not { } job)
        {
            return Problems.NotFound("job");
        }
        var holders = new List<SeriesHolder> { new(SeriesOwner.Job, id.ToString(CultureInfo.InvariantCulture), "") };
        foreach (var (attempt, label) in Newest(job))
        {
            holders.Add(new(SeriesOwner.Attempt, attempt.Id.ToString(CultureInfo.InvariantCulture), label));
            holders.AddRange(
                attempt.Gpus.Select(
                    (uuid, i) =>
                        new SeriesHolder(SeriesOwner.Gpu, uuid, $"{label} GPU {i}")
                        {
                            // Before and after, others held it
                            From = attempt.LeasedAt,
                            To = attempt.EndedAt,
                        }
                )
            );
        }
        return await csv.AnswerAsync(context.Response, query, holders, $"job-{id}", ct);
    }

    private static async Task<Results<Ok<Receipt>, ProblemHttpResult>> ReceiptAsync(
        long id,
        ClaimsPrincipal user,
        JobReceipts receipts,
        CancellationToken ct
    ) =>
        await receipts.FindAsync(user.Actor(), id, ct) is { } receipt
            ? TypedResults.Ok(receipt)
            : Problems.NotFound("job");

    private static IEnumerable<(AttemptView Attempt, string Label)> Newest(JobDetail job) =>
        job.Replicas.SelectMany(r => r.Attempts.Select(a => (a, $"{r.Name}/{a.Number}"))).TakeLast(MostAttempts);
}
