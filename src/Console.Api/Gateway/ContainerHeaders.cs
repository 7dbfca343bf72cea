using System.Net.Http.Headers;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;
using Yarp.ReverseProxy.Forwarder;

namespace DeepLab.Api.Gateway;

/// <summary>
/// What of a request a container is shown, and what of its answer a browser is shown. Path and Host stay as they came, since
/// programs behind a prefix compare them; nothing of the console's passes either way.
/// </summary>
internal sealed class ContainerHeaders(
    GatewayAddress address,
    GatewayRoute route,
    string? token,
    Action<HttpRequestMessage> aim
) : HttpTransformer
{
    /// <summary>Ours, or what a proxy before us may have set and the container would believe.</summary>
    private static readonly string[] s_notSent =
    [
        HeaderNames.Authorization,
        HeaderNames.ProxyAuthorization,
        HeaderNames.Cookie,
        "RequestVerificationToken",
        "Forwarded",
        "Via",
        "X-Real-IP",
        "X-Client-IP",
        "True-Client-IP",
        "X-Scheme",
        "X-Original-URL",
        "X-Original-Host",
        "X-Rewrite-URL",
        "X-HTTP-Method",
        "X-HTTP-Method-Override",
        "X-Method-Override",
    ];

    /// <summary>What would outlive the page, or reach beyond the endpoint's own path.</summary>
    private static readonly string[] s_notReturned =
    [
        HeaderNames.StrictTransportSecurity,
        HeaderNames.AltSvc,
        "Clear-Site-Data",
        "Service-Worker-Allowed",
        "Public-Key-Pins",
        "Expect-CT",
        "NEL",
        "Report-To",
        "Reporting-Endpoints",
        "Accept-CH",
    ];

    public override async ValueTask TransformRequestAsync(
        HttpContext httpContext,
        HttpRequestMessage proxyRequest,
        string destinationPrefix,
        CancellationToken cancellationToken
    )
    {
        await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
        var from = httpContext.Request;
        var to = proxyRequest.Headers;
        foreach (var name in s_notSent)
        {
            to.Remove(name);
        }
        foreach (
            var name in to
                .NonValidated.Select(h => h.Key)
                .Where(n => n.StartsWith("X-Forwarded", StringComparison.OrdinalIgnoreCase))
                .ToList()
        )
        {
            to.Remove(name);
        }
        if (ReservedCookies.Without(string.Join("; ", from.Headers.Cookie.ToArray())) is { } cookies)
        {
            to.TryAddWithoutValidation(HeaderNames.Cookie, cookies);
        }
        to.TryAddWithoutValidation("X-Forwarded-For", httpContext.Connection.RemoteIpAddress?.ToString());
        to.TryAddWithoutValidation("X-Forwarded-Proto", address.IsHttps(from) ? "https" : "http");
        to.TryAddWithoutValidation("X-Forwarded-Host", from.Host.Value);
        if (token is not null)
        {
            to.Authorization = new AuthenticationHeaderValue("token", token);
        }
        proxyRequest.RequestUri = AsItCame(httpContext, destinationPrefix);
        aim(proxyRequest);
    }

    /// <summary>
    /// The address to the letter, since `a%2Fb` in it is one name to Jupyter. Null, for the server's own reading of it, where that
    /// resolved something: what was checked is what is sent.
    /// </summary>
    private Uri? AsItCame(HttpContext context, string destinationPrefix)
    {
        var target = context.Features.Get<IHttpRequestFeature>()?.RawTarget ?? "";
        var path = target.AsSpan(0, target.IndexOf('?') is >= 0 and var at ? at : target.Length);
        var resolved =
            !path.StartsWith(route.Path, StringComparison.Ordinal)
            || path.Contains("/.", StringComparison.Ordinal)
            || path.Contains("%2e", StringComparison.OrdinalIgnoreCase);
        return resolved
            ? null
            : new Uri(
                destinationPrefix + target,
                new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }
            );
    }

    public override async ValueTask<bool> TransformResponseAsync(
        HttpContext httpContext,
        HttpResponseMessage? proxyResponse,
        CancellationToken cancellationToken
    )
    {
        var passes = await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
        var headers = httpContext.Response.Headers;
        foreach (var name in s_notReturned)
        {
            headers.Remove(name);
        }
        if (headers.SetCookie.Count > 0)
        {
            headers.SetCookie = new StringValues([
                .. headers.SetCookie.Select(c => ReservedCookies.Confine(c ?? "", route.Path)).OfType<string>(),
            ]);
        }
        // Beside the container's own policy: of two, a browser keeps both
        headers.Append(HeaderNames.ContentSecurityPolicy, "frame-ancestors 'self'");
        if (!headers.ContainsKey("Referrer-Policy"))
        {
            headers["Referrer-Policy"] = "same-origin";
        }
        return passes;
    }
}
