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

/// <summary>The image catalogue. What takes a while answers 202 with tasks, which are at `image-tasks`.</summary>
public static class ImagesApi
{
    private const string What = "image";

    internal static void MapImages(this RouteGroupBuilder api)
    {
        var read = api.MapGroup("/images").WithTags("images").RequireAuthorization(Scopes.JobsRead);
        read.MapGet("", ListAsync)
            .WithSummary("Images by name that you may use; a job may name these, or any image reference.");
        read.MapGet("/{name}", FindAsync).WithSummary("One image, and which hosts have it.");

        var own = api.MapGroup("/images").WithTags("images").RequireAuthorization(Scopes.JobsWrite);
        own.MapPut("/{name}/shared", ShareAsync).WithSummary("Shares your image with everyone, or no more.");
        own.MapPost("/{name}/copies", CopyAsync).WithSummary("Copies your image to other hosts, through the console.");
        own.MapDelete("/{name}", RemoveAsync)
            .WithSummary("Takes your image out of the catalogue; one that was made here leaves its hosts too.");

        var admin = api.MapGroup("/images").WithTags("images").RequireAuthorization(Scopes.Admin);
        admin.MapPost("", AddAsync).WithSummary("Enters an image.");
        admin.MapPut("/{name}", EditAsync).WithSummary("Says anew what an image is.");
        admin
            .MapPost("/{name}/pulls", PullAsync)
            .WithSummary("Pulls an image to hosts; one on its way is not pulled twice.");
        admin
            .MapPost("/builds", BuildAsync)
            .WithSummary("Builds an image from a Dockerfile, whose programs run as root with network on that host.");
        admin
            .MapGet("/unused", UnusedAsync)
            .WithSummary("What a prune would take away: images made here that nothing names.");
        admin.MapPost("/prune", PruneAsync).WithSummary("Takes away what `unused` lists.");

        api.MapGroup("/environments")
            .WithTags("environments")
            .RequireAuthorization(Scopes.JobsWrite)
            .MapPost("/{id:long}/snapshot", SnapshotAsync)
            .WithSummary("Keeps the environment as it is, without its home, as an image of yours.");
    }

    private static async Task<Ok<Page<ImageView>>> ListAsync(
        ClaimsPrincipal user,
        ImageQueries images,
        CancellationToken ct
    ) => TypedResults.Ok(Paging.All(await images.ListAsync(user.Actor(), ct)));

    private static async Task<Results<Ok<ImageView>, ProblemHttpResult>> FindAsync(
        string name,
        ClaimsPrincipal user,
        ImageQueries images,
        CancellationToken ct
    ) => await images.FindAsync(user.Actor(), name, ct) is { } found ? TypedResults.Ok(found) : Problems.NotFound(What);

    private static async Task<Results<Created, ProblemHttpResult>> AddAsync(
        ImageInput request,
        ClaimsPrincipal user,
        ImageVerbs images,
        CancellationToken ct
    )
    {
        var outcome = await images.AddAsync(user.Actor(), request, ct);
        return outcome is Outcome<string>.Done { Value: var name }
            ? TypedResults.Created($"/api/v1/images/{name}")
            : Problems.Of(outcome, What);
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> EditAsync(
        string name,
        ImageInput request,
        ClaimsPrincipal user,
        ImageVerbs images,
        CancellationToken ct
    ) => Replies.Done(await images.EditAsync(user.Actor(), name, request, ct), What);

    private static async Task<Results<NoContent, ProblemHttpResult>> ShareAsync(
        string name,
        SharedRequest request,
        ClaimsPrincipal user,
        ImageVerbs images,
        CancellationToken ct
    ) => Replies.Done(await images.ShareAsync(user.Actor(), name, request.Shared, ct), What);

    private static async Task<Results<NoContent, ProblemHttpResult>> RemoveAsync(
        string name,
        ClaimsPrincipal user,
        ImageVerbs images,
        CancellationToken ct
    ) => Replies.Done(await images.RemoveAsync(user.Actor(), name, ct), What);

    private static async Task<Results<Accepted<Page<ImageTaskView>>, ProblemHttpResult>> PullAsync(
        string name,
        HostsRequest request,
        ClaimsPrincipal user,
        ImageTaskVerbs tasks,
        CancellationToken ct
    ) => Begun(await tasks.PullAsync(user.Actor(), name, request.Hosts, ct));

    private static async Task<Results<Accepted<Page<ImageTaskView>>, ProblemHttpResult>> CopyAsync(
        string name,
        HostsRequest request,
        ClaimsPrincipal user,
        ImageTaskVerbs tasks,
        CancellationToken ct
    ) => Begun(await tasks.CopyAsync(user.Actor(), name, request.Hosts, ct));

    private static async Task<Results<Accepted<ImageTaskView>, ProblemHttpResult>> BuildAsync(
        BuildInput request,
        ClaimsPrincipal user,
        BuildImage build,
        CancellationToken ct
    ) => Begun(await build.RunAsync(user.Actor(), request, ct), What);

    private static async Task<Results<Accepted<ImageTaskView>, ProblemHttpResult>> SnapshotAsync(
        long id,
        SnapshotInput request,
        ClaimsPrincipal user,
        SnapshotEnvironment snapshot,
        CancellationToken ct
    ) => Begun(await snapshot.RunAsync(user.Actor(), id, request, ct), "environment");

    private static async Task<Results<Ok<Page<PruneRow>>, ProblemHttpResult>> UnusedAsync(
        ImageTaskVerbs tasks,
        CancellationToken ct,
        int? days = null
    ) =>
        RefuseDays(days) is { } refused
            ? refused
            : TypedResults.Ok(Paging.All(await tasks.PrunableAsync(Unused(days), ct)));

    private static async Task<Results<Accepted<Page<ImageTaskView>>, ProblemHttpResult>> PruneAsync(
        ClaimsPrincipal user,
        ImageTaskVerbs tasks,
        CancellationToken ct,
        int? days = null
    ) => RefuseDays(days) is { } refused ? refused : Begun(await tasks.PruneAsync(user.Actor(), Unused(days), ct));

    private static TimeSpan Unused(int? days) => days is { } d ? TimeSpan.FromDays(d) : ImageTaskVerbs.UnusedFor;

    private static ProblemHttpResult? RefuseDays(int? days) =>
        days is < 0 or > 3650
            ? Problems.Invalid([new Core.Workloads.SpecError("days", "0 to 3,650 are allowed.")])
            : null;

    private static Results<Accepted<Page<ImageTaskView>>, ProblemHttpResult> Begun(
        Outcome<IReadOnlyList<ImageTaskView>> outcome
    ) =>
        outcome is Outcome<IReadOnlyList<ImageTaskView>>.Done { Value: var begun }
            ? TypedResults.Accepted(ImageTasksApi.Path, Paging.All(begun))
            : Problems.Of(outcome, What);

    private static Results<Accepted<ImageTaskView>, ProblemHttpResult> Begun(
        Outcome<ImageTaskView> outcome,
        string what
    ) =>
        outcome is Outcome<ImageTaskView>.Done { Value: var begun }
            ? TypedResults.Accepted($"{ImageTasksApi.Path}/{begun.Id}", begun)
            : Problems.Of(outcome, what);
}

public sealed record SharedRequest(bool Shared);

/// <param name="Hosts">names</param>
public sealed record HostsRequest(IReadOnlyList<string> Hosts);
