using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Docker.DotNet;

namespace DeepLab.Core.Engines;

/// <summary>What the engine's answers mean. It says most things only in the message, so the messages decide first.</summary>
internal static class EngineErrors
{
    /// <summary>The engine answered with an error, or the connection to it failed.</summary>
    public static bool Covers(Exception e) =>
        e switch
        {
            DockerApiException or HttpRequestException or IOException or SocketException or AuthenticationException =>
                true,
            // The managed handler wraps a refused TCP connection so
            AggregateException { InnerException: { } inner } => Covers(inner),
            _ => false,
        };

    public static Exception Map(Exception e, Uri address) =>
        e switch
        {
            DockerApiException api => FromAnswer(api.StatusCode, api.ResponseBody, api),
            AggregateException { InnerException: { } inner } => Map(inner, address),
            _ => Unreachable(e, address),
        };

    public static EngineUnreachableException Unreachable(Exception e, Uri address) =>
        new(
            Refusal(e) is { } refusal
                ? $"The engine at {address} is not trusted: {refusal.Message}"
                : $"The engine at {address} does not answer: {e.GetBaseException().Message}",
            e
        );

    /// <summary>Ours names the reason; below it stands only the runtime's "failed".</summary>
    private static AuthenticationException? Refusal(Exception? e) =>
        e is null ? null : e as AuthenticationException ?? Refusal(e.InnerException);

    public static EngineException FromAnswer(HttpStatusCode status, string? body, Exception? inner = null)
    {
        var message = MessageOf(body) ?? $"The engine answered {(int)status}.";
        return new EngineException(KindOf(status, message), message, inner);
    }

    /// <summary>An error that came inside a progress stream, whose status had been sent already.</summary>
    public static EngineException FromProgress(string message) =>
        new(KindOf(HttpStatusCode.InternalServerError, message), message);

    internal static EngineErrorKind KindOf(HttpStatusCode status, string message)
    {
        bool Says(string part) => message.Contains(part, StringComparison.OrdinalIgnoreCase);
        if (Says("no space left on device") || Says("disk quota exceeded"))
        {
            return EngineErrorKind.DiskFull;
        }
        if (Says("is already in use by container"))
        {
            return EngineErrorKind.NameTaken;
        }
        if (Says("no such image") || Says("manifest unknown") || Says("pull access denied") || SaysImageIsMissing())
        {
            return EngineErrorKind.ImageNotFound;
        }
        if (Says("could not select device driver") || Says("nvidia-container-cli") || Says("unknown device"))
        {
            return EngineErrorKind.NoSuchDevice;
        }
        if (PortErrors.SaysTaken(message))
        {
            return EngineErrorKind.PortTaken;
        }
        if (Says("attaching to network failed") || Says("could not attach to network"))
        {
            return EngineErrorKind.NetworkNotReady;
        }
        // Of a network across hosts, engines say so as a bad request
        if (Says("is in use by task") || Says("has active endpoints"))
        {
            return EngineErrorKind.Conflict;
        }
        // runc names the program it was to run: exec: "x": ...
        if (Says("executable file not found") || (Says("exec: \"") && Says("no such file or directory")))
        {
            return EngineErrorKind.CommandNotFound;
        }
        if (Says("exec format error") || (Says("exec: \"") && (Says("permission denied") || Says("is a directory"))))
        {
            return EngineErrorKind.CommandNotExecutable;
        }
        return status switch
        {
            HttpStatusCode.NotFound => EngineErrorKind.NotFound,
            HttpStatusCode.BadRequest => EngineErrorKind.BadRequest,
            HttpStatusCode.Conflict => EngineErrorKind.Conflict,
            _ => EngineErrorKind.Other,
        };

        bool SaysImageIsMissing() => Says("manifest for") && Says("not found");
    }

    /// <summary>
    /// Of a start: the container's network across hosts, which its creation was told of, has not come to this engine yet, or has
    /// gone from it for a moment while the Swarm makes others.
    /// </summary>
    public static bool IsNetworkOnItsWay(EngineException e) =>
        e.Kind == EngineErrorKind.NotFound
        && e.Message.StartsWith("network ", StringComparison.Ordinal)
        && e.Message.EndsWith(" not found", StringComparison.Ordinal);

    /// <summary>The engine answers `{"message":"…"}`.</summary>
    private static string? MessageOf(string? body)
    {
        if (string.IsNullOrWhiteSpace(body))
        {
            return null;
        }
        try
        {
            return System.Text.Json.JsonSerializer.Deserialize(body, EngineJson.Default.ErrorAnswer)?.Message
                ?? body.Trim();
        }
        catch (System.Text.Json.JsonException)
        {
            return body.Trim();
        }
    }
}
