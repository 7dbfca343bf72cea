using System.Globalization;
using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Streams;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Workloads;

/// <summary>Lists, pins, deletes and hands out a job's checkpoints.</summary>
public static class CheckpointsApi
{
    internal static void MapCheckpoints(this RouteGroupBuilder api)
    {
        var read = api.MapGroup("/jobs/{id:long}/checkpoints").WithTags("jobs").RequireAuthorization(Scopes.JobsRead);
        read.MapGet("", ListAsync).WithSummary("Checkpoints that are there, the newest first.");
        read.MapGet("/{checkpoint:long}/download", DownloadAsync)
            .RequireRateLimiting(ApiLimits.Streams)
            .Produces(StatusCodes.Status200OK, contentType: "application/x-tar")
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .WithSummary("Its files as they lie there, as one tar.");

        var write = api.MapGroup("/jobs/{id:long}/checkpoints").WithTags("jobs").RequireAuthorization(Scopes.JobsWrite);
        write.MapPost("/{checkpoint:long}/pin", PinAsync).WithSummary("It stays; again is fine.");
        write.MapPost("/{checkpoint:long}/unpin", UnpinAsync).WithSummary("It stays as long as others; again is fine.");
        write.MapDelete("/{checkpoint:long}", DeleteAsync).WithSummary("Takes its files away, within seconds.");
    }

    private static async Task<Results<Ok<Page<CheckpointView>>, ProblemHttpResult>> ListAsync(
        long id,
        ClaimsPrincipal user,
        CheckpointQueries checkpoints,
        CancellationToken ct,
        string? cursor = null,
        int limit = Paging.DefaultLimit
    )
    {
        if (Paging.Refuse(limit) is { } refused)
        {
            return refused;
        }
        var outcome = await checkpoints.ListAsync(user.Actor(), id, cursor, limit, ct);
        return outcome switch
        {
            Outcome<Page<CheckpointView>>.Done done => TypedResults.Ok(done.Value),
            Outcome<Page<CheckpointView>>.Refused bad => Problems.Invalid(bad.Errors),
            _ => Problems.Of(outcome, "job"),
        };
    }

    private static Task<Results<NoContent, ProblemHttpResult>> PinAsync(
        long id,
        long checkpoint,
        ClaimsPrincipal user,
        CheckpointVerbs verbs,
        CancellationToken ct
    ) => AnswerAsync(verbs.PinAsync(user.Actor(), id, checkpoint, pinned: true, ct));

    private static Task<Results<NoContent, ProblemHttpResult>> UnpinAsync(
        long id,
        long checkpoint,
        ClaimsPrincipal user,
        CheckpointVerbs verbs,
        CancellationToken ct
    ) => AnswerAsync(verbs.PinAsync(user.Actor(), id, checkpoint, pinned: false, ct));

    private static Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(
        long id,
        long checkpoint,
        ClaimsPrincipal user,
        CheckpointVerbs verbs,
        CancellationToken ct
    ) => AnswerAsync(verbs.DeleteAsync(user.Actor(), id, checkpoint, ct));

    private static async Task<Results<NoContent, ProblemHttpResult>> AnswerAsync(Task<Outcome<long>> verb) =>
        Replies.Done(await verb, "checkpoint");

    private static async Task<IResult> DownloadAsync(
        long id,
        long checkpoint,
        HttpContext context,
        CheckpointQueries checkpoints,
        CheckpointDownloads downloads,
        CancellationToken ct
    )
    {
        var outcome = await checkpoints.PlaceAsync(context.User.Actor(), id, checkpoint, ct);
        if (outcome is not Outcome<CheckpointPlace>.Done { Value: var place })
        {
            return Problems.Of(outcome, "checkpoint");
        }
        var response = context.Response;
        try
        {
            var found = await downloads.WriteAsync(
                place,
                () =>
                {
                    response.ContentType = "application/x-tar";
                    response.Headers.ContentDisposition = string.Create(
                        CultureInfo.InvariantCulture,
                        $"attachment; filename=\"job-{id}-checkpoint-{checkpoint}.tar\""
                    );
                    return response.Body;
                },
                ct
            );
            return found ? Results.Empty : Problems.NotFound("checkpoint");
        }
        catch (Exception e)
            when (e is EngineException or EngineUnreachableException or IOException or InvalidDataException)
        {
            if (!response.HasStarted)
            {
                return Problems.Of(
                    StatusCodes.Status409Conflict,
                    "Its host does not hand it out now; try again later."
                );
            }
            // A tar that ends early must not look whole
            context.Abort();
            return Results.Empty;
        }
        catch (InvalidOperationException e) when (!response.HasStarted)
        {
            return Problems.Of(StatusCodes.Status429TooManyRequests, e.Message);
        }
    }
}
