using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Images;

/// <summary>Pulls, copies, snapshots, builds and removals of images. Members find those that they asked for, admins all.</summary>
public static class ImageTasksApi
{
    internal const string Path = "/api/v1/image-tasks";
    private const string What = "image task";

    internal static void MapImageTasks(this RouteGroupBuilder api)
    {
        var read = api.MapGroup("/image-tasks").WithTags("images").RequireAuthorization(Scopes.JobsRead);
        read.MapGet("", ListAsync).WithSummary("Tasks with images, newest first, at most a hundred.");
        read.MapGet("/{id:long}", FindAsync).WithSummary("One task with an image: how far it is.");
        read.MapGet("/{id:long}/log", LogAsync)
            .WithSummary("What a build has said so far, its last 512 Ki characters.");
        api.MapGroup("/image-tasks")
            .WithTags("images")
            .RequireAuthorization(Scopes.JobsWrite)
            .MapPost("/{id:long}/cancel", CancelAsync)
            .WithSummary("Asks for the end of a task. Again is fine.");
    }

    private static async Task<Ok<Page<ImageTaskView>>> ListAsync(
        ClaimsPrincipal user,
        ImageQueries images,
        CancellationToken ct,
        bool open = false
    ) => TypedResults.Ok(Paging.All(await images.TasksAsync(user.Actor(), open, ct)));

    private static async Task<Results<Ok<ImageTaskView>, ProblemHttpResult>> FindAsync(
        long id,
        ClaimsPrincipal user,
        ImageQueries images,
        CancellationToken ct
    ) =>
        await images.FindTaskAsync(user.Actor(), id, ct) is { } found
            ? TypedResults.Ok(found)
            : Problems.NotFound(What);

    private static async Task<Results<ContentHttpResult, ProblemHttpResult>> LogAsync(
        long id,
        ClaimsPrincipal user,
        ImageQueries images,
        CancellationToken ct
    ) =>
        await images.LogAsync(user.Actor(), id, ct) is { } log
            ? TypedResults.Text(log, "text/plain")
            : Problems.NotFound(What);

    private static async Task<Results<Accepted<ImageTaskView>, ProblemHttpResult>> CancelAsync(
        long id,
        ClaimsPrincipal user,
        ImageTaskVerbs tasks,
        ImageQueries images,
        CancellationToken ct
    )
    {
        var outcome = await tasks.CancelAsync(user.Actor(), id, ct);
        if (outcome is not Outcome<long>.Done)
        {
            return Problems.Of(outcome, What);
        }
        return await images.FindTaskAsync(user.Actor(), id, ct) is { } found
            ? TypedResults.Accepted($"{Path}/{id}", found)
            : Problems.NotFound(What);
    }
}
