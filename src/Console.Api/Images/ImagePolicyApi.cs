using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Maintenance;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Images;

/// <summary>When images leave their hosts by themselves.</summary>
public static class ImagePolicyApi
{
    internal static void MapImagePolicy(this RouteGroupBuilder api)
    {
        var admin = api.MapGroup("/image-policy").WithTags("images").RequireAuthorization(Scopes.Admin);
        admin
            .MapGet("", FindAsync)
            .WithSummary("When images leave their hosts by themselves; off unless an admin said so.");
        admin
            .MapPut("", SaveAsync)
            .Produces<ImagePolicyInput>()
            .Produces<Page<PolicyRow>>()
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .WithSummary("Says so; with dryRun=true, lists what would go now with its size, and changes nothing.");
    }

    private static async Task<Ok<ImagePolicyInput>> FindAsync(ImagePolicyVerbs policy, CancellationToken ct) =>
        TypedResults.Ok(await policy.FindAsync(ct));

    private static async Task<IResult> SaveAsync(
        ImagePolicyInput request,
        ClaimsPrincipal user,
        ImagePolicyVerbs policy,
        ImagePruning pruning,
        CancellationToken ct,
        bool dryRun = false
    )
    {
        if (dryRun)
        {
            return ImagePolicyVerbs.Refuse(request) is { } refused
                ? Problems.Invalid([refused], StatusCodes.Status422UnprocessableEntity)
                : TypedResults.Ok(Paging.All(await pruning.PreviewAsync(request.ToPolicy(), ct)));
        }
        var outcome = await policy.SaveAsync(user.Actor(), request, ct);
        return outcome is Outcome<ImagePolicyInput>.Done { Value: var saved }
            ? TypedResults.Ok(saved)
            : Problems.Of(outcome, "policy");
    }
}
