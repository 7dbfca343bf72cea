using System.Net.WebSockets;
using System.Text;
using System.Text.Json;

namespace DeepLab.Api.Tests.Hubs;

/// <summary>SignalR's JSON protocol over a WebSocket, as a script without its client library would speak it.</summary>
internal sealed class HubConnection : IDisposable
{
    private const byte End = 0x1e;
    private const int StreamItem = 2;
    private const int Invoke = 4;
    private const int Completion = 3;
    private readonly ClientWebSocket _socket = new();
    private readonly List<byte> _read = [];

    public static async Task<HubConnection> OpenAsync(ApiHost host, string token)
    {
        var hub = new HubConnection();
        hub._socket.Options.SetRequestHeader("Authorization", "Bearer " + token);
        await hub._socket.ConnectAsync(new UriBuilder(host.Address) { Scheme = "ws", Path = "/hubs/live" }.Uri, Ct);
        await hub.SendAsync(new { protocol = "json", version = 1 });
        Assert.Equal("{}", (await hub.ReadAsync()).GetRawText());
        return hub;
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public Task StreamAsync(string id, string method, params object?[] arguments) =>
        SendAsync(
            new
            {
                type = Invoke,
                invocationId = id,
                target = method,
                arguments,
            }
        );

    /// <summary>The next item of any stream; null with the error where one ended.</summary>
    public async Task<(JsonElement? Item, string? Error)> NextAsync()
    {
        while (true)
        {
            var message = await ReadAsync();
            switch (message.GetProperty("type").GetInt32())
            {
                case StreamItem:
                    return (message.GetProperty("item"), null);
                case Completion:
                    return (null, message.TryGetProperty("error", out var e) ? e.GetString() : "");
            }
        }
    }

    private Task SendAsync(object message) =>
        _socket.SendAsync(
            (byte[])[.. JsonSerializer.SerializeToUtf8Bytes(message), End],
            WebSocketMessageType.Text,
            endOfMessage: true,
            Ct
        );

    private async Task<JsonElement> ReadAsync()
    {
        var buffer = new byte[16 << 10];
        int at;
        while ((at = _read.IndexOf(End)) < 0)
        {
            var got = await _socket.ReceiveAsync(buffer, Ct);
            Assert.NotEqual(WebSocketMessageType.Close, got.MessageType);
            _read.AddRange(buffer.AsSpan(0, got.Count));
        }
        var text = Encoding.UTF8.GetString([.. _read[..at]]);
        _read.RemoveRange(0, at + 1);
        return JsonDocument.Parse(text).RootElement;
    }

    public void Dispose() => _socket.Dispose();
}
