using System.Net.WebSockets;
using System.Text.Json;
using DeepLab.Api.Auth;
using DeepLab.Core.Streams.Terminals;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace DeepLab.Api.Terminals;

/// <summary>
/// One viewer's WebSocket. To it: `{"attached":…}` first, then what the shell says as binary messages, cut anywhere; at the end
/// `{"ended":…}`. From it: binary messages are typed, `{"resize":{"columns":…,"rows":…}}` and, where it is paced, `{"seen":place}`.
/// </summary>
internal sealed class TerminalSocket(Sessions sessions)
{
    /// <summary>Another viewer took its place.</summary>
    public const WebSocketCloseStatus Displaced = (WebSocketCloseStatus)4001;

    /// <summary>The terminal has ended.</summary>
    public const WebSocketCloseStatus Ended = (WebSocketCloseStatus)4002;
    private const int MostSent = 32 << 10;
    private const int MostText = 1 << 10;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);
    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web);

    /// <summary>A browser that vanished is noticed, so that its terminal does not wait for it.</summary>
    public static WebSocketOptions Options { get; } =
        new() { KeepAliveInterval = TimeSpan.FromSeconds(15), KeepAliveTimeout = TimeSpan.FromSeconds(20) };

    /// <param name="from">place up to which the caller read before</param>
    /// <param name="paced">it says what it has seen, and no more than a window is sent unseen; else its connection alone sets the pace</param>
    public async Task ServeAsync(HttpContext context, Terminal terminal, long? from, bool paced)
    {
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        await using var watch = sessions.Watch(context.User, context.RequestAborted);
        using var viewer = terminal.Attach(from);
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(watch.Token);
        // Apart: whoever cancels a WebSocket's receiving cuts it, and the browser is to hear why it ends
        using var deaf = new CancellationTokenSource();
        var hearing = HearAsync(socket, terminal, viewer, gone, deaf.Token);
        try
        {
            await SpeakAsync(socket, terminal, viewer, paced, gone.Token);
            await (
                viewer.Displaced
                    ? CloseAsync(socket, Displaced, "It was opened in another window.")
                    : CloseAsync(socket, Ended, "The terminal has ended.")
            );
        }
        catch (OperationCanceledException) when (watch.Token.IsCancellationRequested)
        {
            await CloseAsync(socket, WebSocketCloseStatus.PolicyViolation, "Your session has ended.");
        }
        catch (OperationCanceledException) when (gone.IsCancellationRequested)
        {
            var (status, why) = await hearing ?? new Refusal(WebSocketCloseStatus.NormalClosure, "");
            await CloseAsync(socket, status, why);
        }
        catch (WebSocketException)
        {
            // The browser is gone
        }
        deaf.CancelAfter(s_patience);
        await hearing;
    }

    private static async Task SpeakAsync(
        WebSocket socket,
        Terminal terminal,
        TerminalViewer viewer,
        bool paced,
        CancellationToken ct
    )
    {
        await TellAsync(
            socket,
            new
            {
                attached = new
                {
                    terminal = terminal.Id,
                    terminal.Request.Replica,
                    viewer.From,
                    terminal.Said,
                },
            },
            ct
        );
        var buffer = new byte[MostSent];
        while (await viewer.ReadAsync(buffer, ct) is > 0 and var count)
        {
            await socket.SendAsync(buffer.AsMemory(0, count), WebSocketMessageType.Binary, endOfMessage: true, ct);
            if (!paced)
            {
                viewer.Saw(viewer.Sent);
            }
        }
        if (!viewer.Displaced && terminal.End is { } end)
        {
            await TellAsync(
                socket,
                new
                {
                    ended = new
                    {
                        reason = end.Reason.ToString(),
                        end.ExitCode,
                        end.Message,
                    },
                },
                ct
            );
        }
    }

    private readonly record struct Refusal(WebSocketCloseStatus Status, string Why);

    /// <summary>Hears until the socket closes; answers what was wrong with what it heard, or null.</summary>
    private static async Task<Refusal?> HearAsync(
        WebSocket socket,
        Terminal terminal,
        TerminalViewer viewer,
        CancellationTokenSource gone,
        CancellationToken ct
    )
    {
        var buffer = new byte[MostSent];
        try
        {
            while (true)
            {
                var got = await socket.ReceiveAsync(buffer.AsMemory(), ct);
                switch (got.MessageType)
                {
                    case WebSocketMessageType.Close:
                        return null;
                    case WebSocketMessageType.Binary when !terminal.TryWrite(buffer.AsMemory(0, got.Count)):
                        return new Refusal(
                            WebSocketCloseStatus.MessageTooBig,
                            "The program in the terminal does not read what is typed."
                        );
                    case WebSocketMessageType.Text
                        when !got.EndOfMessage
                            || got.Count > MostText
                            || !await TakeAsync(terminal, viewer, buffer.AsMemory(0, got.Count), ct):
                        return new Refusal(
                            WebSocketCloseStatus.InvalidPayloadData,
                            """Text is {"resize":{"columns":80,"rows":24}} or {"seen":1024}; what is typed is binary."""
                        );
                }
            }
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException)
        {
            return null;
        }
        finally
        {
            await gone.CancelAsync();
        }
    }

    private static async Task<bool> TakeAsync(
        Terminal terminal,
        TerminalViewer viewer,
        ReadOnlyMemory<byte> text,
        CancellationToken ct
    )
    {
        try
        {
            var said = JsonSerializer.Deserialize<Said>(text.Span, s_json);
            if (said?.Seen is { } place)
            {
                viewer.Saw(place);
                return true;
            }
            if (said?.Resize is { } size && TerminalsApi.Wrong(size).Count == 0)
            {
                await terminal.ResizeAsync(size, ct);
                return true;
            }
            return false;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private sealed record Said(TerminalSize? Resize, long? Seen);

    private static ValueTask TellAsync<T>(WebSocket socket, T message, CancellationToken ct) =>
        socket.SendAsync(
            JsonSerializer.SerializeToUtf8Bytes(message, s_json),
            WebSocketMessageType.Text,
            WebSocketMessageFlags.EndOfMessage,
            ct
        );

    private static async Task CloseAsync(WebSocket socket, WebSocketCloseStatus status, string why)
    {
        using var patience = new CancellationTokenSource(s_patience);
        try
        {
            await socket.CloseOutputAsync(status, why, patience.Token);
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or ObjectDisposedException)
        {
            // It is closed already
        }
    }
}
