using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Workloads;

/// <summary>The curves of a job's program, and what its containers used.</summary>
public static class JobMetricsApi
{
    private const int MostAttempts = 64;

    internal static void MapJobMetrics(this RouteGroupBuilder api) =>
        api.MapGet("/jobs/{id:long}/metrics", AnswerAsync)
            .WithTags("jobs")
            .RequireAuthorization(Scopes.JobsRead)
            .Produces<Core.Operations.Page<SeriesResponse>>()
            .WithSummary("The job's series with their last values; with name, the points of those series.");

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
        var attempts = job
            .Replicas.SelectMany(r =>
                r.Attempts.Select(a => (SeriesOwner.Attempt, a.Id.ToString(), $"{r.Name}/{a.Number}"))
            )
            .TakeLast(MostAttempts);
        return await answers.AnswerAsync(query, [(SeriesOwner.Job, id.ToString(), ""), .. attempts], ct);
    }
}
