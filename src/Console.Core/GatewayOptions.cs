namespace DeepLab.Core;

/// <summary>
/// Where what runs in containers is shown to browsers. Its own origin keeps a container's pages from the console's; a trusted
/// team, whose containers may do all that their users may, can do without one.
/// </summary>
public sealed record GatewayOptions
{
    /// <summary>The value of `DEEPLAB_GATEWAY` that gives up the separate origin.</summary>
    public const string TrustedTeamMode = "trusted-team";
    private const string OwnOriginMode = "own-origin";
    private const string Wildcard = "*.";

    /// <summary>`DEEPLAB_GATEWAY=trusted-team`: below `/e/` of the console's own origin, and nowhere else.</summary>
    public bool TrustedTeam { get; init; }

    /// <summary>`http` or `https`, of `DEEPLAB_GATEWAY_URL`, as browsers see it.</summary>
    public string Scheme { get; init; } = "http";

    /// <summary>Host of `DEEPLAB_GATEWAY_URL`, without the `*.` that gives each endpoint a host of its own.</summary>
    public string Host { get; init; } = "";
    public int Port { get; init; }

    /// <summary>Each endpoint has a host name, and so an origin, of its own.</summary>
    public bool HostPerEndpoint { get; init; }

    /// <summary>`DEEPLAB_GATEWAY_LISTEN`: what the console listens on for it, `http://ADDRESS:PORT`.</summary>
    public string Listen { get; init; } = "";

    /// <summary>Port of <see cref="Listen"/>: what comes in there is for the gateway, and nothing else is.</summary>
    public int ListenPort { get; init; }

    /// <summary>`12-jupyter.apps.example:8081`: what a browser sends as Host to this endpoint.</summary>
    public string AuthorityOf(long workloadId, string endpoint)
    {
        var host = HostPerEndpoint
            ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{workloadId}-{endpoint}.{Host}")
            : Host;
        return Port == (Scheme == "https" ? 443 : 80)
            ? host
            : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{host}:{Port}");
    }

    /// <summary>Null where nothing is set: then nothing in a container is reached through the console.</summary>
    internal static GatewayOptions? Read(Func<string, string?> read, List<string> errors)
    {
        const string example = "http://*.localhost:8081";
        var mode = read("DEEPLAB_GATEWAY") is { Length: > 0 } m ? m : OwnOriginMode;
        if (mode is not (OwnOriginMode or TrustedTeamMode))
        {
            errors.Add($"DEEPLAB_GATEWAY is \"{mode}\"; {OwnOriginMode} and {TrustedTeamMode} are allowed.");
            return null;
        }
        if (mode == TrustedTeamMode)
        {
            return new GatewayOptions { TrustedTeam = true };
        }
        if (read("DEEPLAB_GATEWAY_URL") is not { Length: > 0 } text)
        {
            return null;
        }
        // A star is none in a host's name, and so not in an address either
        var wildcard = text.Contains("://" + Wildcard, StringComparison.Ordinal);
        var plain = wildcard ? text.Replace("://" + Wildcard, "://", StringComparison.Ordinal) : text;
        if (
            !Uri.TryCreate(plain, UriKind.Absolute, out var url)
            || url.Scheme is not ("http" or "https")
            || url.PathAndQuery != "/"
            || url.UserInfo.Length > 0
            || url.Fragment.Length > 0
            || (wildcard && url.HostNameType != UriHostNameType.Dns)
        )
        {
            errors.Add(
                $"DEEPLAB_GATEWAY_URL is \"{text}\"; http or https, a host and a port are allowed, such as {example}."
            );
            return null;
        }
        var local = url.IsLoopback || url.Host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase);
        var listen = read("DEEPLAB_GATEWAY_LISTEN") is { Length: > 0 } l
            ? l
            : $"http://{(local ? "localhost" : "*")}:{url.Port}";
        // As for the server, a star is every address of the machine
        if (
            !Uri.TryCreate(listen.Replace("://*", "://0.0.0.0", StringComparison.Ordinal), UriKind.Absolute, out var on)
            || on.Scheme != "http"
            || on.PathAndQuery != "/"
        )
        {
            errors.Add(
                $"DEEPLAB_GATEWAY_LISTEN is \"{listen}\"; http, an address and a port are allowed, such as http://127.0.0.1:8081."
            );
            return null;
        }
        return new GatewayOptions
        {
            Scheme = url.Scheme,
            Host = url.Host,
            Port = url.Port,
            HostPerEndpoint = wildcard,
            Listen = listen,
            ListenPort = on.Port,
        };
    }
}
