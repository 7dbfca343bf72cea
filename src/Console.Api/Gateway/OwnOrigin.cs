using Microsoft.AspNetCore.Http;

namespace DeepLab.Api.Gateway;

/// <summary>
/// Whether a request comes from the endpoint's own pages. Jupyter believes the token that the gateway adds and asks nothing
/// more, so this is the only guard against what another site, or another container's page, makes a browser send.
/// </summary>
internal static class OwnOrigin
{
    public static bool Sent(HttpRequest request, GatewayAddress address, GatewayRoute route)
    {
        var origin = request.Headers.Origin.ToString();
        var isOurs = origin.Length > 0 && address.IsOrigin(origin, request, route);
        if (IsUpgrade(request))
        {
            return isOurs;
        }
        // A page with the policy no-referrer posts its forms as from nowhere; then only what follows tells
        const string nowhere = "null";
        if (origin.Length > 0 && !isOurs && origin != nowhere)
        {
            return false;
        }
        var safe = HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method);
        return request.Headers["Sec-Fetch-Site"].ToString() switch
        {
            "same-origin" => true,
            "none" => safe,
            // A browser without these headers, or an address that it does not trust with them
            "" => origin != nowhere && (safe || isOurs),
            // A link on another site, but not a frame, an image or a script there
            _ => safe
                && request.Headers["Sec-Fetch-Mode"] == "navigate"
                && request.Headers["Sec-Fetch-Dest"] == "document",
        };
    }

    public static bool IsUpgrade(HttpRequest request) =>
        !string.IsNullOrEmpty(request.Headers.Upgrade) || request.Headers.ContainsKey("Sec-WebSocket-Key");
}
