using System.Globalization;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Accounts;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Auth;

/// <summary>What checking a name and a password gave: the user, or how long to wait, or neither.</summary>
public readonly record struct SignInResult(User? User, TimeSpan? Wait);

/// <summary>Checks names and passwords, slowing down whoever guesses.</summary>
public sealed class SignIn(UserVerbs users, Passwords passwords, SignInThrottle throttle)
{
    public async Task<SignInResult> CheckAsync(HttpContext context, string userName, string password)
    {
        var ct = context.RequestAborted;
        var address = context.Connection.RemoteIpAddress?.ToString() ?? "";
        if (throttle.Begin(userName, address) is { } wait)
        {
            return new SignInResult(null, wait);
        }
        // Such names are not in the database, which could not even be asked for some of them
        var askable = userName.Length is > 0 and <= 100 && !userName.Any(char.IsControl);
        var user = askable ? await users.FindByNameAsync(userName, ct) : null;
        var known = password.Length <= Passwords.MostLength && await passwords.CheckAsync(user, password, ct);
        if (!known)
        {
            return default;
        }
        throttle.Succeeded(userName, address);
        return new SignInResult(user, null);
    }
}

/// <summary>The browser's way in and out: plain forms, so that the page works before any circuit does.</summary>
public static class SignInForms
{
    public static void MapSignIn(this IEndpointRouteBuilder routes)
    {
        // Before the page of the same address, which takes POST as well
        routes.MapPost(BrowserSession.SignInPath, SignInAsync).AllowAnonymous().WithOrder(-1).ExcludeFromDescription();
        routes.MapPost("/sign-out", SignOutAsync).WithOrder(-1).ExcludeFromDescription();
    }

    private static async Task<IResult> SignInAsync(
        HttpContext context,
        IAntiforgery antiforgery,
        SignIn signIn,
        TokenVerbs tokens,
        TimeProvider time
    )
    {
        if (!context.Request.HasFormContentType || !await antiforgery.IsRequestValidAsync(context))
        {
            return NotOurForm();
        }
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        var returnUrl = LocalUrl(form["returnUrl"]);
        var result = await signIn.CheckAsync(context, form["userName"].ToString(), form["password"].ToString());
        if (result.User is not { } user)
        {
            var why = result.Wait is { } wait
                ? string.Create(CultureInfo.InvariantCulture, $"error=wait&seconds={Math.Ceiling(wait.TotalSeconds)}")
                : "error=wrong";
            return Results.Redirect($"{BrowserSession.SignInPath}?{why}&returnUrl={Uri.EscapeDataString(returnUrl)}");
        }
        var actor = new Actor(user.Id, user.UserName, user.Role);
        var scopes = Identities.ScopesOf(user.Role);
        var created = await tokens.CreateAsync(
            actor,
            "browser",
            scopes,
            BrowserSession.Lifetime,
            context.RequestAborted
        );
        if (created is not Outcome<NewToken>.Done { Value.Token: var token })
        {
            throw new InvalidOperationException("A browser's session was refused.");
        }
        await context.SignInAsync(
            BrowserSession.SchemeName,
            Identities.Principal(
                new TokenIdentity(token.Id, actor, user.SecurityStamp, scopes, token.ExpiresAt),
                BrowserSession.SchemeName
            ),
            new AuthenticationProperties { IssuedUtc = time.GetUtcNow(), ExpiresUtc = token.ExpiresAt }
        );
        return Results.Redirect(returnUrl);
    }

    private static async Task<IResult> SignOutAsync(
        HttpContext context,
        IAntiforgery antiforgery,
        TokenVerbs tokens,
        Sessions sessions
    )
    {
        if (!context.Request.HasFormContentType || !await antiforgery.IsRequestValidAsync(context))
        {
            return NotOurForm();
        }
        await tokens.RevokeAsync(context.User.Actor(), context.User.TokenId(), context.RequestAborted);
        sessions.Forget();
        await context.SignOutAsync(BrowserSession.SchemeName);
        return Results.Redirect(BrowserSession.SignInPath);
    }

    private static IResult NotOurForm() =>
        Problems.Of(
            StatusCodes.Status400BadRequest,
            "This did not come from the console's own form; open the page again."
        );

    /// <summary>The address where it is one of ours, else the first page.</summary>
    internal static string LocalUrl(string? url) =>
        url is ['/', ..]
        && url.Length <= 2048
        && (url.Length == 1 || url[1] is not ('/' or '\\'))
        && !url.Any(c => char.IsControl(c) || c == '\\')
        && !url.StartsWith(BrowserSession.SignInPath, StringComparison.OrdinalIgnoreCase)
            ? url
            : "/";
}
