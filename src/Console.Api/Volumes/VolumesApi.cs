using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Volumes;

/// <summary>Data that jobs mount by name.</summary>
public static class VolumesApi
{
    internal static void MapVolumes(this RouteGroupBuilder api)
    {
        var volumes = api.MapGroup("/volumes").WithTags("volumes");
        volumes.MapGet("", ListAsync).WithSummary("Volumes that you may mount.");
        volumes.MapPost("", CreateAsync).RequireAuthorization(Scopes.Admin).WithSummary("Defines a volume.");
        volumes
            .MapDelete("/{name}", DeleteAsync)
            .RequireAuthorization(Scopes.Admin)
            .WithSummary("Forgets a volume that nothing mounts; its data stays where it lies.");
    }

    private static async Task<Ok<Page<VolumeView>>> ListAsync(
        HttpContext context,
        VolumeVerbs volumes,
        CancellationToken ct
    ) => TypedResults.Ok(Paging.All(await volumes.ListAsync(context.User.Actor(), ct)));

    private static async Task<Results<Created, ProblemHttpResult>> CreateAsync(
        VolumeInput request,
        HttpContext context,
        VolumeVerbs volumes,
        CancellationToken ct
    ) => Replies.Made(await volumes.CreateAsync(context.User.Actor(), request, ct), "/api/v1/volumes", "volume");

    private static async Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(
        string name,
        HttpContext context,
        VolumeVerbs volumes,
        CancellationToken ct
    ) => Replies.Done(await volumes.DeleteAsync(context.User.Actor(), name, ct), "volume");
}
