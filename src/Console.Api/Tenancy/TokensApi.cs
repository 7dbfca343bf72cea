using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Accounts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Tenancy;

/// <param name="Lifetime">`d.hh:mm:ss`, 1 minute to 366 days; 90 days where absent</param>
public sealed record TokenRequest(string Name, string[] Scopes, TimeSpan? Lifetime = null);

/// <param name="Secret">`dl_…`, told this once</param>
public sealed record TokenResponse(TokenView Token, string Secret);

/// <summary>
/// One's own tokens. A token cannot make another, or a short-lived leak would become a lasting one; revoking takes power
/// away and is open to every token of the user.
/// </summary>
public static class TokensApi
{
    private static readonly TimeSpan s_lifetime = TimeSpan.FromDays(90);

    internal static void MapTokens(this RouteGroupBuilder api)
    {
        var tokens = api.MapGroup("/tokens").WithTags("tokens");
        tokens.MapGet("", ListAsync).WithSummary("Your tokens and browser sessions, newest first.");
        tokens
            .MapPost("", CreateAsync)
            .RequireAuthorization(Policies.Person)
            .WithSummary(
                "Makes a token; for people in a browser. Scripts use POST /session with a name and a lifetime."
            );
        tokens.MapDelete("/{id:guid}", RevokeAsync).WithSummary("Revokes a token.");
    }

    private static async Task<Ok<Page<TokenView>>> ListAsync(
        HttpContext context,
        TokenVerbs tokens,
        CancellationToken ct
    ) => TypedResults.Ok(Paging.All(await tokens.ListAsync(context.User.Actor(), ct)));

    private static async Task<Results<Created<TokenResponse>, ProblemHttpResult>> CreateAsync(
        TokenRequest request,
        HttpContext context,
        TokenVerbs tokens,
        CancellationToken ct
    )
    {
        var outcome = await tokens.CreateAsync(
            context.User.Actor(),
            request.Name,
            request.Scopes,
            request.Lifetime ?? s_lifetime,
            ct
        );
        return outcome is Outcome<NewToken>.Done { Value: var made }
            ? TypedResults.Created($"/api/v1/tokens/{made.Token.Id}", new TokenResponse(made.Token, made.Secret))
            : Problems.Of(outcome, "user");
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> RevokeAsync(
        Guid id,
        HttpContext context,
        TokenVerbs tokens,
        Sessions sessions,
        CancellationToken ct
    )
    {
        var outcome = await tokens.RevokeAsync(context.User.Actor(), id, ct);
        sessions.Forget();
        return Replies.Done(outcome, "token");
    }
}
