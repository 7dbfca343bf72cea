using DeepLab.Api.Auth;
using DeepLab.Core;
using Microsoft.AspNetCore.Http;

namespace DeepLab.Api.Gateway;

/// <summary>Tells the gateway's requests from the console's, and what an endpoint's origin is.</summary>
internal sealed class GatewayAddress(ConsoleOptions options)
{
    private readonly GatewayOptions? _options = options.Gateway;

    public bool IsSetUp => _options is not null;

    public bool ForTrustedTeam => _options is { TrustedTeam: true };

    /// <summary>By the port that the connection came in on, which no header can claim to be another.</summary>
    public bool Takes(HttpContext context) =>
        _options switch
        {
            null => false,
            { TrustedTeam: true } => context.Request.Path.Value is { } path
                && path.StartsWith(GatewayRoute.Prefix, StringComparison.Ordinal),
            var o => context.Connection.LocalPort == o.ListenPort,
        };

    /// <summary>False for an endpoint's address at another name than its own: a name that somebody pointed here, or a neighbour's.</summary>
    public bool IsRightHost(HttpRequest request, GatewayRoute route) =>
        ForTrustedTeam || string.Equals(request.Host.Value, AuthorityOf(route), StringComparison.OrdinalIgnoreCase);

    /// <param name="origin">of a request's Origin header</param>
    public bool IsOrigin(string origin, HttpRequest request, GatewayRoute route) =>
        ForTrustedTeam
            ? SameOrigin.IsOf(origin, request.Host)
            : string.Equals(origin, $"{_options!.Scheme}://{AuthorityOf(route)}", StringComparison.OrdinalIgnoreCase);

    public bool IsHttps(HttpRequest request) => ForTrustedTeam ? request.IsHttps : _options!.Scheme == "https";

    /// <summary>Where a browser finds the endpoint, ending with a slash.</summary>
    /// <param name="console">a request to the console</param>
    public string UrlOf(HttpRequest console, GatewayRoute route) =>
        ForTrustedTeam
            ? $"{console.Scheme}://{console.Host}{route.Path}"
            : $"{_options!.Scheme}://{AuthorityOf(route)}{route.Path}";

    private string AuthorityOf(GatewayRoute route) => _options!.AuthorityOf(route.WorkloadId, route.Endpoint);
}
