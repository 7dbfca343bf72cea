using System.Globalization;
using System.Text.Encodings.Web;
using DeepLab.Api.Errors;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Http;

namespace DeepLab.Api.Gateway;

/// <summary>What the gateway says itself where no container answers: a page for people, a problem for programs.</summary>
/// <param name="RetrySeconds">null where waiting does not help</param>
internal sealed record GatewayPage(int Status, string Title, string Sentence, int? RetrySeconds = null)
{
    private const int Soon = 2;

    public static GatewayPage NotHere { get; } =
        new(StatusCodes.Status404NotFound, "Nothing here", "There is no such endpoint, or it is not yours.");

    public static GatewayPage NotOpened { get; } =
        new(
            StatusCodes.Status401Unauthorized,
            "Not opened yet",
            "Open it from the console: the link there lets this browser in."
        );

    public static GatewayPage UsedLink { get; } =
        new(
            StatusCodes.Status401Unauthorized,
            "This link is used up",
            "A link works once and for a minute. Open it from the console again."
        );

    public static GatewayPage Foreign { get; } =
        new(StatusCodes.Status403Forbidden, "Refused", "Another site may not send this here.");

    public static GatewayPage Ended { get; } =
        new(
            StatusCodes.Status410Gone,
            "It has ended",
            "What ran here was stopped or has ended. The console says how, and may start it again."
        );

    public static GatewayPage Starting { get; } =
        new(
            StatusCodes.Status503ServiceUnavailable,
            "It is starting",
            "The container is not running yet; this page tries again by itself.",
            Soon
        );

    public static GatewayPage NotListening { get; } =
        new(
            StatusCodes.Status503ServiceUnavailable,
            "Waiting for the program",
            "The container runs, but nothing in it answers at this port yet; this page tries again by itself.",
            Soon
        );

    public static GatewayPage BadAnswer { get; } =
        new(
            StatusCodes.Status502BadGateway,
            "No good answer",
            "The program in the container broke off, or answered what cannot be passed on."
        );

    public static GatewayPage TooSlow { get; } =
        new(StatusCodes.Status504GatewayTimeout, "No answer", "The program in the container did not answer in time.");

    public static GatewayPage TooMany { get; } =
        new(
            StatusCodes.Status429TooManyRequests,
            "Too many at once",
            FormattableString.Invariant(
                $"A session may have {OpenRequests.MostOfSession} requests open at a time; close some."
            ),
            Soon
        );

    public static GatewayPage BadRequest { get; } =
        new(StatusCodes.Status400BadRequest, "Refused", "The body of the request broke off or is malformed.");

    public static GatewayPage Ambiguous { get; } =
        new(StatusCodes.Status400BadRequest, "Refused", "The length of the body is said in two ways.");

    public static GatewayPage NoOtherProtocol { get; } =
        new(StatusCodes.Status400BadRequest, "Refused", "Of other protocols, only websocket is passed on.");

    public static GatewayPage Unavailable { get; } =
        new(
            StatusCodes.Status503ServiceUnavailable,
            "The console's database does not answer",
            "What runs goes on; this page tries again by itself.",
            Soon
        );

    public static GatewayPage NotReadable { get; } =
        new(
            StatusCodes.Status502BadGateway,
            "The token cannot be read",
            "The console's key for secrets is another one than the one that sealed this environment's token."
        );

    /// <param name="console">`https://lab.example`; null where it is not known</param>
    public async Task WriteAsync(
        HttpContext context,
        string? console = null,
        WorkloadKind kind = WorkloadKind.Environment,
        long workloadId = 0
    )
    {
        if (context.Response.HasStarted)
        {
            return;
        }
        var headers = context.Response.Headers;
        headers.CacheControl = "no-store";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.ContentSecurityPolicy =
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        if (RetrySeconds is { } seconds)
        {
            headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }
        if (!context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase))
        {
            await Problems.WriteAsync(context, Status, Sentence);
            return;
        }
        context.Response.StatusCode = Status;
        context.Response.ContentType = "text/html; charset=utf-8";
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await context.Response.WriteAsync(Html(Link(console, kind, workloadId)), context.RequestAborted);
        }
    }

    private static string? Link(string? console, WorkloadKind kind, long workloadId) =>
        console is null ? null
        : workloadId == 0 ? console + "/"
        : string.Create(
            CultureInfo.InvariantCulture,
            $"{console}/{(kind == WorkloadKind.Job ? "jobs" : "environments")}/{workloadId}"
        );

    private string Html(string? link)
    {
        var refresh = RetrySeconds is { } s ? $"""<meta http-equiv="refresh" content="{s}">""" : "";
        var back = link is null ? "" : $"""<p><a href="{Encode(link)}">Back to the console</a></p>""";
        return $$"""
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">{{refresh}}
            <title>{{Encode(Title)}}</title>
            <style>
            :root { color-scheme: light dark }
            body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 20vh auto 0; padding: 0 1.5rem }
            h1 { font-size: 1.4rem }
            </style></head>
            <body><h1>{{Encode(Title)}}</h1><p>{{Encode(Sentence)}}</p>{{back}}</body></html>
            """;
    }

    private static string Encode(string text) => HtmlEncoder.Default.Encode(text);
}
