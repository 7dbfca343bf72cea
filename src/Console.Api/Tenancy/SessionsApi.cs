using System.Globalization;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Accounts;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Tenancy;

/// <param name="Name">of the token in lists; `session` where absent</param>
/// <param name="Scopes">all of the user's where absent</param>
/// <param name="Lifetime">`hh:mm:ss` or `d.hh:mm:ss`, at most 366 days; 12 hours where absent</param>
public sealed record SignInRequest(
    string UserName,
    string Password,
    string? Name = null,
    string[]? Scopes = null,
    TimeSpan? Lifetime = null
);

/// <param name="Token">`dl_…`, told this once</param>
public sealed record SessionResponse(Guid Id, string Token, DateTimeOffset ExpiresAt, IReadOnlyList<string> Scopes);

public sealed record WhoResponse(Guid UserId, string UserName, UserRole Role, IReadOnlyList<string> Scopes);

public sealed record PasswordRequest(string Current, string New);

/// <summary>Signing in for scripts: name and password for a token.</summary>
public static class SessionsApi
{
    internal static void MapSessions(this RouteGroupBuilder api)
    {
        var session = api.MapGroup("/session").WithTags("session");
        session
            .MapPost("", SignInAsync)
            .AllowAnonymous()
            .RequireRateLimiting(ApiLimits.SignIns)
            .WithSummary("Exchanges a name and a password for a token, of 12 hours unless a lifetime is given.");
        session.MapGet("", Who).WithSummary("Who am I, and what may I do?");
        session
            .MapDelete("", SignOutAsync)
            .WithSummary("Revokes the token, or ends the browser's session, that sends this.");
        session
            .MapPost("/password", ChangePasswordAsync)
            .RequireAuthorization(Policies.Person)
            .WithSummary("Changes one's own password; the browser's other sessions end.");
    }

    private static async Task<Results<Ok<SessionResponse>, ProblemHttpResult>> SignInAsync(
        SignInRequest request,
        HttpContext context,
        SignIn signIn,
        TokenVerbs tokens
    )
    {
        var result = await signIn.CheckAsync(context, request.UserName, request.Password);
        if (result.Wait is { } wait)
        {
            var seconds = Math.Ceiling(wait.TotalSeconds);
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
            return Problems.Of(
                StatusCodes.Status429TooManyRequests,
                $"Too many failed sign-ins; try again in {seconds} seconds."
            );
        }
        if (result.User is not { } user)
        {
            return Problems.Of(StatusCodes.Status401Unauthorized, "The name or the password is wrong.");
        }
        var own = Identities.ScopesOf(user.Role);
        var created = await tokens.CreateAsync(
            new Actor(user.Id, user.UserName, user.Role),
            request.Name ?? "session",
            request.Scopes ?? own,
            request.Lifetime ?? BrowserSession.Lifetime,
            context.RequestAborted
        );
        return created is Outcome<NewToken>.Done { Value: var token }
            ? TypedResults.Ok(
                new SessionResponse(token.Token.Id, token.Secret, token.Token.ExpiresAt, token.Token.Scopes)
            )
            : Problems.Of(created, "user");
    }

    private static Ok<WhoResponse> Who(HttpContext context)
    {
        var actor = context.User.Actor();
        return TypedResults.Ok(new WhoResponse(actor.UserId, actor.UserName, actor.Role, context.User.ScopesOf()));
    }

    private static async Task<NoContent> SignOutAsync(
        HttpContext context,
        TokenVerbs tokens,
        Sessions sessions,
        CancellationToken ct
    )
    {
        await tokens.RevokeAsync(context.User.Actor(), context.User.TokenId(), ct);
        sessions.Forget();
        return TypedResults.NoContent();
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> ChangePasswordAsync(
        PasswordRequest request,
        HttpContext context,
        SignIn signIn,
        UserVerbs users,
        Passwords passwords,
        Sessions sessions,
        CancellationToken ct
    )
    {
        if (Passwords.WhyRefused(request.New) is { } why)
        {
            return Problems.Invalid([new SpecError("new", why)]);
        }
        var actor = context.User.Actor();
        var result = await signIn.CheckAsync(context, actor.UserName, request.Current);
        if (result.User is null)
        {
            return Problems.Invalid([new SpecError("current", "This is not your password.")]);
        }
        await users.ChangePasswordAsync(actor.UserId, passwords.Hash(request.New), ct);
        sessions.Forget();
        return TypedResults.NoContent();
    }
}
