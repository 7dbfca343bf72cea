using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Images;

/// <summary>The image catalogue.</summary>
public static class ImagesApi
{
    internal static void MapImages(this RouteGroupBuilder api) =>
        api.MapGet("/images", ListAsync)
            .WithTags("images")
            .RequireAuthorization(Scopes.JobsRead)
            .WithSummary("Images by name, with their framework; a job may name these, or any image reference.");

    private static async Task<Ok<Page<ImageView>>> ListAsync(FleetQueries fleet, CancellationToken ct) =>
        TypedResults.Ok(Paging.All(await fleet.ImagesAsync(ct)));
}
