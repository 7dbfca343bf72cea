using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core;
using DeepLab.Core.Operations.Gateway;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace DeepLab.Api.Gateway;

/// <summary>
/// The gateway's origin, before anything of the console's: what comes in there meets no endpoint of the console, and the
/// console's own port meets none of this. The order is the guard: name, ticket, session, origin, right, and then the container.
/// </summary>
internal sealed partial class GatewayMiddleware(
    RequestDelegate next,
    GatewayAddress address,
    Tickets tickets,
    GatewayCodes codes,
    Sessions sessions,
    Doors doors,
    OpenRequests open,
    ContainerForwarder forwarder,
    GatewayUse use,
    ILogger<GatewayMiddleware> logger
)
{
    public Task InvokeAsync(HttpContext context) => address.Takes(context) ? GuardAsync(context) : next(context);

    private async Task GuardAsync(HttpContext context)
    {
        try
        {
            await WalkAsync(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The browser is gone
        }
        catch (BadHttpRequestException e)
        {
            await new GatewayPage(e.StatusCode, "Refused", e.Message).WriteAsync(context);
        }
        catch (SecretBoxException e)
        {
            Log.NotReadable(logger, e.Message);
            await GatewayPage.NotReadable.WriteAsync(context);
        }
        catch (Exception e) when (Problems.IsDatabaseTrouble(e))
        {
            Log.DatabaseTrouble(logger, e.GetBaseException().Message);
            await GatewayPage.Unavailable.WriteAsync(context);
        }
    }

    private async Task WalkAsync(HttpContext context)
    {
        var request = context.Request;
        if (Framing.IsAmbiguous(request))
        {
            context.Response.Headers.Connection = "close";
            await GatewayPage.Ambiguous.WriteAsync(context);
            return;
        }
        if (
            !GatewayRoute.TryParse(request.Path.Value, out var route, out var rest)
            || !address.IsRightHost(request, route)
        )
        {
            await GatewayPage.NotHere.WriteAsync(context);
            return;
        }
        if (rest.Length == 0)
        {
            // Cookies go by the path with its slash
            context.Response.Redirect(route.Path + request.QueryString, permanent: false, preserveMethod: true);
            return;
        }
        if (HttpMethods.IsGet(request.Method) && CodeIn(request, rest) is { } code)
        {
            await EnterAsync(context, route, code);
            return;
        }
        if (tickets.Read(request, route) is not { } pass)
        {
            await GatewayPage.NotOpened.WriteAsync(context);
            return;
        }
        var who = await sessions.RefreshAsync(pass.TokenId, pass.SecurityStamp, context.RequestAborted);
        if (who is null)
        {
            await GatewayPage.NotOpened.WriteAsync(context, pass.Console);
            return;
        }
        if (Refuse(request, route) is { } refused)
        {
            await refused.WriteAsync(context);
            return;
        }
        var door = await doors.FindAsync(route, context.RequestAborted);
        if (door is null || (!door.IsDeleted && !door.MayBeOpenedBy(Identities.ActorOf(who))))
        {
            await GatewayPage.NotHere.WriteAsync(context, pass.Console);
            return;
        }
        if (door.State != DoorState.Open)
        {
            var page = door.State == DoorState.Starting ? GatewayPage.Starting : GatewayPage.Ended;
            await page.WriteAsync(context, pass.Console, door.Kind, door.IsDeleted ? 0 : route.WorkloadId);
            return;
        }
        if (door.Kind == WorkloadKind.Environment)
        {
            await use.NoteAsync(route, Identities.ActorOf(who), context.RequestAborted);
        }
        await ForwardAsync(context, route, pass, door);
    }

    /// <summary>A code of ours at the endpoint's first page; a program's own parameter of that name is none.</summary>
    private static string? CodeIn(HttpRequest request, string rest) =>
        rest == "/"
        && request.Query["code"] is [{ } code]
        && code.StartsWith(GatewayCodes.Prefix, StringComparison.Ordinal)
            ? code
            : null;

    private async Task EnterAsync(HttpContext context, GatewayRoute route, string code)
    {
        var pass = await codes.RedeemAsync(code, context.RequestAborted);
        if (pass is not null && (pass.WorkloadId, pass.Endpoint) == (route.WorkloadId, route.Endpoint))
        {
            tickets.Give(context, route, pass);
        }
        else if (tickets.Read(context.Request, route) is null)
        {
            await GatewayPage.UsedLink.WriteAsync(context);
            return;
        }
        // The code leaves the address bar, the history and every Referer
        var headers = context.Response.Headers;
        headers["Referrer-Policy"] = "no-referrer";
        headers.CacheControl = "no-store";
        headers.Location = route.Path;
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
    }

    private GatewayPage? Refuse(HttpRequest request, GatewayRoute route)
    {
        if (!OwnOrigin.Sent(request, address, route))
        {
            return GatewayPage.Foreign;
        }
        if (
            OwnOrigin.IsUpgrade(request)
            && !string.Equals(request.Headers.Upgrade, "websocket", StringComparison.OrdinalIgnoreCase)
        )
        {
            return GatewayPage.NoOtherProtocol;
        }
        // On the console's own origin such a script would outlive the container that brought it
        return address.ForTrustedTeam && request.Headers["Service-Worker"] == "script" ? GatewayPage.Foreign : null;
    }

    private async Task ForwardAsync(HttpContext context, GatewayRoute route, GatewayPass pass, Door door)
    {
        using var entry = open.TryEnter(route, pass, door.EndpointId, context.RequestAborted);
        if (entry is null)
        {
            await GatewayPage.TooMany.WriteAsync(context);
            return;
        }
        // Notebooks and data sets are large, and are streamed
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = null;
        }
        var result = await forwarder.SendAsync(context, route, door, entry.Token);
        if (entry.Token.IsCancellationRequested)
        {
            context.Abort();
            return;
        }
        var page = result switch
        {
            ForwardResult.NotListening => GatewayPage.NotListening,
            ForwardResult.BadRequest => GatewayPage.BadRequest,
            ForwardResult.BadAnswer => GatewayPage.BadAnswer,
            ForwardResult.TooSlow => GatewayPage.TooSlow,
            _ => null,
        };
        if (page is not null)
        {
            await page.WriteAsync(context, pass.Console, door.Kind, route.WorkloadId);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The gateway cannot ask the database: {Error}")]
        public static partial void DatabaseTrouble(ILogger logger, string error);

        [LoggerMessage(LogLevel.Error, "The gateway cannot read an environment's token: {Error}")]
        public static partial void NotReadable(ILogger logger, string error);
    }
}
