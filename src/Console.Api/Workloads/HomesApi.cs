using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Workloads;

/// <summary>Homes that were kept when their environments were deleted. A new environment takes one by `"home": id`.</summary>
public static class HomesApi
{
    private const string What = "kept home";

    internal static void MapHomes(this RouteGroupBuilder api)
    {
        api.MapGroup("/homes")
            .WithTags("environments")
            .RequireAuthorization(Scopes.JobsRead)
            .MapGet("", ListAsync)
            .WithSummary("Homes that outlived their environments, the newest first.");
        api.MapGroup("/homes")
            .WithTags("environments")
            .RequireAuthorization(Scopes.JobsWrite)
            .MapDelete("/{id:long}", DeleteAsync)
            .WithSummary("Removes a kept home from its host, for ever.");
    }

    private static async Task<Ok<IReadOnlyList<KeptHomeView>>> ListAsync(
        ClaimsPrincipal user,
        KeptHomes homes,
        CancellationToken ct
    ) => TypedResults.Ok(await homes.ListAsync(user.Actor(), ct));

    private static async Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(
        long id,
        ClaimsPrincipal user,
        KeptHomes homes,
        CancellationToken ct
    ) => Replies.Done(await homes.DiscardAsync(user.Actor(), id, ct), What);
}
