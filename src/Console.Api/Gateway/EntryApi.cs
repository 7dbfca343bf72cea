using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Gateway;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Gateway;

/// <param name="Url">opens the endpoint in a browser, once</param>
/// <param name="ExpiresAt">of the address; who is in by then stays in</param>
public sealed record OpenedResponse(string Url, DateTimeOffset ExpiresAt);

/// <summary>The console's side of the gateway: whoever may, is given a way in.</summary>
public static class EntryApi
{
    internal static void MapGatewayEntry(this IEndpointRouteBuilder routes) =>
        routes
            .MapGet("/open/{id:long}/{endpoint}", OpenPageAsync)
            .RequireAuthorization(Scopes.JobsWrite)
            .RequireRateLimiting(ApiLimits.Calls)
            .ExcludeFromDescription();

    internal static void MapEndpoints(this RouteGroupBuilder api) =>
        api.MapGroup("/workloads")
            .WithTags("endpoints")
            .RequireAuthorization(Scopes.JobsWrite)
            .MapPost("/{id:long}/endpoints/{endpoint}/open", OpenAsync)
            .WithSummary(
                "An address that opens Jupyter, TensorBoard or a declared port in a browser, once and within a minute."
            );

    private static async Task OpenPageAsync(
        long id,
        string endpoint,
        HttpContext context,
        GatewayAddress address,
        GatewayCodes codes
    )
    {
        if (!address.IsSetUp)
        {
            await NoGateway.WriteAsync(context);
            return;
        }
        if (await IssueAsync(id, endpoint, context, address, codes) is not Outcome<OpenedResponse>.Done done)
        {
            await GatewayPage.NotHere.WriteAsync(context, "");
            return;
        }
        context.Response.Headers["Referrer-Policy"] = "no-referrer";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.Location = done.Value.Url;
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
    }

    private static async Task<Results<Ok<OpenedResponse>, ProblemHttpResult>> OpenAsync(
        long id,
        string endpoint,
        HttpContext context,
        GatewayAddress address,
        GatewayCodes codes
    )
    {
        if (!address.IsSetUp)
        {
            return Problems.Of(NoGateway.Status, NoGateway.Sentence);
        }
        var outcome = await IssueAsync(id, endpoint, context, address, codes);
        return outcome is Outcome<OpenedResponse>.Done done
            ? TypedResults.Ok(done.Value)
            : Problems.Of(outcome, "endpoint");
    }

    private static GatewayPage NoGateway { get; } =
        new(
            StatusCodes.Status409Conflict,
            "No gateway",
            "This console has no gateway: set DEEPLAB_GATEWAY_URL to the address that containers are shown at."
        );

    private static async Task<Outcome<OpenedResponse>> IssueAsync(
        long id,
        string endpoint,
        HttpContext context,
        GatewayAddress address,
        GatewayCodes codes
    )
    {
        if (id <= 0 || !GatewayRoute.IsName(endpoint))
        {
            return new Outcome<OpenedResponse>.NotFound();
        }
        var request = context.Request;
        var outcome = await codes.IssueAsync(
            context.User.Actor(),
            new GatewayPass(
                id,
                endpoint,
                context.User.TokenId(),
                context.User.StampOf(),
                $"{request.Scheme}://{request.Host}"
            ),
            context.RequestAborted
        );
        return outcome is Outcome<IssuedCode>.Done { Value: var issued }
            ? new Outcome<OpenedResponse>.Done(
                new OpenedResponse(
                    $"{address.UrlOf(request, new GatewayRoute(id, endpoint))}?code={issued.Code}",
                    issued.ExpiresAt
                )
            )
            : new Outcome<OpenedResponse>.NotFound();
    }
}
