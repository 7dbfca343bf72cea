using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Workloads;

/// <param name="Priority">0 to 100, higher first</param>
public sealed record PriorityRequest(int Priority);

/// <summary>An admin's hand on the queue. Each move is an event of the job.</summary>
public static class QueueApi
{
    internal static void MapQueueMoves(this RouteGroupBuilder api)
    {
        var jobs = api.MapGroup("/jobs/{id:long}").WithTags("queue").RequireAuthorization(Scopes.Admin);
        jobs.MapPost("/hold", HoldAsync).WithSummary("Keeps a queued job from starting.");
        jobs.MapPost("/release", ReleaseAsync).WithSummary("Lets a held job start.");
        jobs.MapPost("/front", FrontAsync).WithSummary("Gives a queued job a place before all others.");
        jobs.MapPost("/own-place", OwnPlaceAsync).WithSummary("Gives that place up.");
        jobs.MapPost("/priority", PriorityAsync).WithSummary("Changes a queued job's priority.");
    }

    private static Task<Results<NoContent, ProblemHttpResult>> HoldAsync(
        long id,
        ClaimsPrincipal user,
        QueueVerbs queue,
        CancellationToken ct
    ) => AnswerAsync(queue.HoldAsync(user.Actor(), id, ct));

    private static Task<Results<NoContent, ProblemHttpResult>> ReleaseAsync(
        long id,
        ClaimsPrincipal user,
        QueueVerbs queue,
        CancellationToken ct
    ) => AnswerAsync(queue.ReleaseAsync(user.Actor(), id, ct));

    private static Task<Results<NoContent, ProblemHttpResult>> FrontAsync(
        long id,
        ClaimsPrincipal user,
        QueueVerbs queue,
        CancellationToken ct
    ) => AnswerAsync(queue.ToFrontAsync(user.Actor(), id, ct));

    private static Task<Results<NoContent, ProblemHttpResult>> OwnPlaceAsync(
        long id,
        ClaimsPrincipal user,
        QueueVerbs queue,
        CancellationToken ct
    ) => AnswerAsync(queue.ToOwnPlaceAsync(user.Actor(), id, ct));

    private static Task<Results<NoContent, ProblemHttpResult>> PriorityAsync(
        long id,
        PriorityRequest request,
        ClaimsPrincipal user,
        QueueVerbs queue,
        CancellationToken ct
    ) => AnswerAsync(queue.PrioritiseAsync(user.Actor(), id, request.Priority, ct));

    private static async Task<Results<NoContent, ProblemHttpResult>> AnswerAsync(Task<Outcome<long>> move) =>
        Replies.Done(await move, "job");
}
