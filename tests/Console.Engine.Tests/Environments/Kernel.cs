using System.Net.WebSockets;
using System.Text;
using System.Text.Json;

namespace DeepLab.Engine.Tests.Environments;

/// <summary>A kernel of a real Jupyter that computes and says nothing, with nobody looking.</summary>
internal static class Kernel
{
    /// <summary>Starts one, gives it work that lasts for minutes, returns when it is at it, and goes away. Answers its id.</summary>
    public static async Task<string> BusyAsync(EnvironmentConsole lab, Uri jupyter, string token, CancellationToken ct)
    {
        using var answer = await lab.SendAsync(HttpMethod.Post, new Uri(jupyter, "api/kernels"), token, "{}");
        answer.EnsureSuccessStatusCode();
        var id = JsonDocument
            .Parse(await answer.Content.ReadAsStringAsync(ct))
            .RootElement.GetProperty("id")
            .GetString()!;
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Authorization", $"token {token}");
        var channels = new UriBuilder(new Uri(jupyter, $"api/kernels/{id}/channels?session_id=s")) { Scheme = "ws" };
        await socket.ConnectAsync(channels.Uri, ct);
        var work = JsonSerializer.Serialize(
            new
            {
                header = new
                {
                    msg_id = "work",
                    username = "u",
                    session = "s",
                    msg_type = "execute_request",
                    version = "5.3",
                },
                parent_header = new { },
                metadata = new { },
                content = new
                {
                    code = "import time; time.sleep(600)",
                    silent = false,
                    store_history = false,
                    user_expressions = new { },
                    allow_stdin = false,
                    stop_on_error = true,
                },
                channel = "shell",
                buffers = Array.Empty<string>(),
            }
        );
        await socket.SendAsync(Encoding.UTF8.GetBytes(work), WebSocketMessageType.Text, true, ct);
        while (true)
        {
            using var message = JsonDocument.Parse(await ReadAsync(socket, ct));
            var root = message.RootElement;
            if (
                root.GetProperty("header").GetProperty("msg_type").GetString() == "status"
                && root.GetProperty("content").GetProperty("execution_state").GetString() == "busy"
                && root.GetProperty("parent_header").TryGetProperty("msg_id", out var of)
                && of.GetString() == "work"
            )
            {
                return id;
            }
        }
    }

    private static async Task<string> ReadAsync(ClientWebSocket socket, CancellationToken ct)
    {
        var text = new MemoryStream();
        var buffer = new byte[16 << 10];
        while (true)
        {
            var part = await socket.ReceiveAsync(buffer, ct);
            text.Write(buffer, 0, part.Count);
            if (part.EndOfMessage)
            {
                return Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length);
            }
        }
    }
}
