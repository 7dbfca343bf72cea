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

/// <summary>What opens registries. Passwords go in, and never come out.</summary>
public static class RegistriesApi
{
    internal static void MapRegistries(this RouteGroupBuilder api)
    {
        var registries = api.MapGroup("/registries").WithTags("images").RequireAuthorization(Scopes.Admin);
        registries
            .MapGet("", ListAsync)
            .WithSummary("Registries that the console can sign in to, without the passwords.");
        registries
            .MapPut("/{registry}", PutAsync)
            .WithSummary("Enters what opens a registry; it goes to that registry alone.");
        registries.MapDelete("/{registry}", RemoveAsync).WithSummary("Forgets what opens a registry.");
    }

    private static async Task<Ok<Page<RegistryView>>> ListAsync(RegistryVerbs registries, CancellationToken ct) =>
        TypedResults.Ok(Paging.All(await registries.ListAsync(ct)));

    private static async Task<Results<NoContent, ProblemHttpResult>> PutAsync(
        string registry,
        RegistryInput request,
        ClaimsPrincipal user,
        RegistryVerbs registries,
        CancellationToken ct
    ) => Replies.Done(await registries.PutAsync(user.Actor(), registry, request, ct), "registry");

    private static async Task<Results<NoContent, ProblemHttpResult>> RemoveAsync(
        string registry,
        ClaimsPrincipal user,
        RegistryVerbs registries,
        CancellationToken ct
    ) => Replies.Done(await registries.RemoveAsync(user.Actor(), registry, ct), "registry");
}
