using DeepLab.Api.Errors;
using Microsoft.AspNetCore.Http;

namespace DeepLab.Api.Auth;

/// <summary>
/// Refuses what another site makes a signed-in browser send: unsafe calls of the API by cookie, and every connection to a
/// hub, a circuit or a terminal, since the rules for cross-origin reading do not cover WebSockets. Calls by token are exempt: a
/// browser never adds a token by itself.
/// </summary>
internal sealed class SameOrigin(RequestDelegate next)
{
    public Task InvokeAsync(HttpContext context)
    {
        var request = context.Request;
        if (context.User.Identity?.AuthenticationType == TokenHandler.SchemeName)
        {
            return next(context);
        }
        var byCookie = context.User.Identity?.AuthenticationType == BrowserSession.SchemeName;
        var socket =
            (byCookie && IsUpgrade(request))
            || request.Path.StartsWithSegments("/_blazor", StringComparison.OrdinalIgnoreCase)
            || request.Path.StartsWithSegments("/hubs", StringComparison.OrdinalIgnoreCase);
        if (socket && !IsOurs(request, headerNeeded: IsUpgrade(request)))
        {
            return Problems.WriteAsync(
                context,
                StatusCodes.Status403Forbidden,
                "Another site may not open this connection."
            );
        }
        if (
            byCookie
            && IsUnsafe(request)
            && !IsOurs(request, headerNeeded: ApiPaths.IsProgram(request.Path) && !socket)
        )
        {
            return Problems.WriteAsync(
                context,
                StatusCodes.Status400BadRequest,
                "A call by cookie must come from the console's own pages (Sec-Fetch-Site or Origin says so); programs send a token."
            );
        }
        if (byCookie && IsReadByAnother(request))
        {
            return Problems.WriteAsync(
                context,
                StatusCodes.Status403Forbidden,
                "Another site, or a page of a container, may not read this."
            );
        }
        return next(context);
    }

    /// <summary>
    /// A container's page on another port of this host is of the same site, and its requests carry the console's cookie. A link is
    /// followed; nothing else is answered.
    /// </summary>
    private static bool IsReadByAnother(HttpRequest r) =>
        r.Headers["Sec-Fetch-Site"].ToString() is "same-site" or "cross-site"
        && r.Headers["Sec-Fetch-Mode"] != "navigate";

    private static bool IsUnsafe(HttpRequest r) =>
        !(HttpMethods.IsGet(r.Method) || HttpMethods.IsHead(r.Method) || HttpMethods.IsOptions(r.Method));

    private static bool IsUpgrade(HttpRequest r) =>
        r.Headers.ContainsKey("Sec-WebSocket-Version") || !string.IsNullOrEmpty(r.Headers.Upgrade);

    private static bool IsOurs(HttpRequest request, bool headerNeeded)
    {
        var site = request.Headers["Sec-Fetch-Site"].ToString();
        if (site.Length > 0 && site is not ("same-origin" or "none"))
        {
            return false;
        }
        var origin = request.Headers.Origin.ToString();
        if (origin.Length == 0)
        {
            return site.Length > 0 || !headerNeeded;
        }
        return IsOf(origin, request.Host);
    }

    /// <summary>The scheme is left out: behind a proxy that ends TLS, ours is http while the browser's is https.</summary>
    internal static bool IsOf(string origin, HostString host) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var from)
        && string.Equals(from.Host, host.Host.Trim('[', ']'), StringComparison.OrdinalIgnoreCase)
            | string.Equals(from.Host, host.Host, StringComparison.OrdinalIgnoreCase)
        && (host.Port is { } port ? from.Port == port : from.IsDefaultPort);
}
