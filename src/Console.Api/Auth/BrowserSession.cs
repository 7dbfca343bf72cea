using DeepLab.Api.Errors;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Http;

namespace DeepLab.Api.Auth;

/// <summary>Follows the session's token row on each request: signing out or losing a role counts at once.</summary>
public sealed class BrowserSession(Sessions sessions) : CookieAuthenticationEvents
{
    public const string SchemeName = CookieAuthenticationDefaults.AuthenticationScheme;
    public const string SignInPath = "/sign-in";

    /// <summary>Absolute: use does not lengthen it.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(12);

    public override async Task ValidatePrincipal(CookieValidatePrincipalContext context)
    {
        var identity = context.Principal is { } user
            ? await sessions.RefreshAsync(user, context.HttpContext.RequestAborted)
            : null;
        if (identity is null)
        {
            context.RejectPrincipal();
        }
        else
        {
            context.ReplacePrincipal(Identities.Principal(identity, SchemeName));
        }
    }

    public override Task RedirectToLogin(RedirectContext<CookieAuthenticationOptions> context)
    {
        if (IsPage(context.Request))
        {
            return base.RedirectToLogin(context);
        }
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return Problems.WriteAsync(
            context.HttpContext,
            StatusCodes.Status401Unauthorized,
            "Sign in, or send a token as Authorization: Bearer dl_…."
        );
    }

    public override Task RedirectToAccessDenied(RedirectContext<CookieAuthenticationOptions> context) =>
        Problems.WriteAsync(context.HttpContext, StatusCodes.Status403Forbidden, "Your role does not allow this.");

    /// <summary>Only what a person opens in a browser is sent to the sign-in page.</summary>
    private static bool IsPage(HttpRequest request) =>
        HttpMethods.IsGet(request.Method)
        && request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase)
        && !ApiPaths.IsProgram(request.Path);
}

/// <summary>Which addresses are for programs: they answer problems, never pages.</summary>
internal static class ApiPaths
{
    public static bool IsProgram(PathString path) =>
        path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase)
        || path.StartsWithSegments("/hubs", StringComparison.OrdinalIgnoreCase)
        || path.StartsWithSegments("/openapi", StringComparison.OrdinalIgnoreCase)
        || path.StartsWithSegments("/metrics", StringComparison.OrdinalIgnoreCase)
        || path.StartsWithSegments("/health", StringComparison.OrdinalIgnoreCase)
        || path.StartsWithSegments("/_blazor", StringComparison.OrdinalIgnoreCase);
}

/// <summary>
/// Names cookies `__Host-…` on https, where browsers then refuse one that a neighbour host planted. Plain http, as on the
/// first evening on one's own machine, cannot use that prefix.
/// </summary>
internal sealed class HostCookies : ICookieManager
{
    private readonly ChunkingCookieManager _inner = new();

    private static string Name(HttpContext context, string key) => context.Request.IsHttps ? "__Host-" + key : key;

    public string? GetRequestCookie(HttpContext context, string key) =>
        _inner.GetRequestCookie(context, Name(context, key));

    public void AppendResponseCookie(HttpContext context, string key, string? value, CookieOptions options) =>
        _inner.AppendResponseCookie(context, Name(context, key), value, options);

    public void DeleteCookie(HttpContext context, string key, CookieOptions options) =>
        _inner.DeleteCookie(context, Name(context, key), options);
}
