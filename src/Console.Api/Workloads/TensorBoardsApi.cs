using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Workloads;

/// <summary>TensorBoards of jobs. Each is an environment, and is looked at, stopped and deleted as one.</summary>
public static class TensorBoardsApi
{
    internal static void MapTensorBoards(this RouteGroupBuilder api)
    {
        api.MapGroup("/jobs")
            .WithTags("jobs")
            .RequireAuthorization(Scopes.JobsWrite)
            .MapPost("/{id:long}/tensorboard", OpenOfJobAsync)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .WithSummary(
                "Starts TensorBoard on the job's event files, or answers the one that there is. Again is fine."
            );
        api.MapGroup("/tensorboards")
            .WithTags("jobs")
            .RequireAuthorization(Scopes.JobsWrite)
            .MapPost("", OpenAsync)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .WithSummary("Starts TensorBoard on the event files of several jobs side by side. Again is fine.");
    }

    private static Task<
        Results<Created<TensorBoardResponse>, Ok<TensorBoardResponse>, ProblemHttpResult>
    > OpenOfJobAsync(long id, ClaimsPrincipal user, OpenTensorBoard open, CancellationToken ct, string? image = null) =>
        RunAsync(open, user, [id], image, ct);

    private static Task<Results<Created<TensorBoardResponse>, Ok<TensorBoardResponse>, ProblemHttpResult>> OpenAsync(
        TensorBoardBody body,
        ClaimsPrincipal user,
        OpenTensorBoard open,
        CancellationToken ct
    ) => RunAsync(open, user, body.Jobs ?? [], body.Image, ct);

    private static async Task<
        Results<Created<TensorBoardResponse>, Ok<TensorBoardResponse>, ProblemHttpResult>
    > RunAsync(
        OpenTensorBoard open,
        ClaimsPrincipal user,
        IReadOnlyList<long> jobs,
        string? image,
        CancellationToken ct
    )
    {
        var outcome = await open.RunAsync(user.Actor(), jobs, image, ct);
        if (outcome is not Outcome<Submitted>.Done { Value: var made })
        {
            return Problems.Of(outcome, "job");
        }
        var answer = new TensorBoardResponse(
            made.Id,
            $"/api/v1/environments/{made.Id}",
            $"/open/{made.Id}/{Core.Workloads.Endpoint.TensorBoard}"
        );
        return made.Replayed ? TypedResults.Ok(answer) : TypedResults.Created(answer.Url, answer);
    }
}

/// <param name="Jobs">1-20 ids</param>
/// <param name="Image">a reference or a name of the catalogue; absent = one that has TensorBoard</param>
public sealed record TensorBoardBody(IReadOnlyList<long>? Jobs = null, string? Image = null);

/// <param name="Id">of the environment that it is</param>
/// <param name="Url">how far it is: `progress.step` is `Ready` once it answers</param>
/// <param name="Open">page of this console that leads a signed-in browser into it</param>
public sealed record TensorBoardResponse(long Id, string Url, string Open);
