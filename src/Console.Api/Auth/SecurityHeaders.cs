using Microsoft.AspNetCore.Http;

namespace DeepLab.Api.Auth;

/// <summary>
/// Tells browsers what a page of ours may do. Component libraries write inline styles; inline scripts are allowed only to
/// Hangfire's dashboard, which is for admins.
/// </summary>
internal sealed class SecurityHeaders(RequestDelegate next)
{
    private const string Common =
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
        + "connect-src 'self' ws: wss:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; ";

    public Task InvokeAsync(HttpContext context)
    {
        var h = context.Response.Headers;
        var dashboard = context.Request.Path.StartsWithSegments("/hangfire", StringComparison.OrdinalIgnoreCase);
        h.ContentSecurityPolicy = Common + (dashboard ? "script-src 'self' 'unsafe-inline'" : "script-src 'self'");
        h.XContentTypeOptions = "nosniff";
        h.XFrameOptions = "DENY";
        h["Referrer-Policy"] = "same-origin";
        h["Cross-Origin-Opener-Policy"] = "same-origin";
        h["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()";
        if (context.Request.IsHttps)
        {
            h.StrictTransportSecurity = "max-age=31536000";
        }
        if (context.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase))
        {
            h.CacheControl = "no-store";
        }
        return next(context);
    }
}
