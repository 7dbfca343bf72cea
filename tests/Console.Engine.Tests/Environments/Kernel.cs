using System.Net.WebSockets;
using System.Text;
using System.Text.Json;

namespace DeepLab.Engine.Tests.Environments;

/// <summary>A kernel of a real Jupyter.</summary>
internal static class Kernel
{
    /// <summary>
    /// Starts one, gives it work that lasts for minutes and says nothing, returns when it is at it, and goes away. Answers its id.
    /// </summary>
    public static async Task<string> BusyAsync(EnvironmentConsole lab, Uri jupyter, string token, CancellationToken ct)
    {
        var (id, socket) = await WorkAsync(lab, jupyter, token, "import time; time.sleep(600)", ct);
        using (socket)
        {
            while (!IsStatus(await NextAsync(socket, ct), "busy"))
            {
                // What else is said before
            }
        }
        return id;
    }

    /// <summary>What a cell of a new notebook printed, or how it failed.</summary>
    public static async Task<string> RunAsync(
        EnvironmentConsole lab,
        Uri jupyter,
        string token,
        string code,
        CancellationToken ct
    )
    {
        var (_, socket) = await WorkAsync(lab, jupyter, token, code, ct);
        using (socket)
        {
            var said = new StringBuilder();
            while (true)
            {
                var told = await NextAsync(socket, ct);
                if (IsStatus(told, "idle"))
                {
                    return said.ToString();
                }
                if (told.Type is "stream" or "error")
                {
                    said.Append(told.Content.GetProperty(told.Type == "error" ? "evalue" : "text").GetString());
                }
            }
        }
    }

    private static bool IsStatus((string? Type, JsonElement Content) told, string state) =>
        told.Type == "status" && told.Content.GetProperty("execution_state").GetString() == state;

    private static async Task<(string Kernel, ClientWebSocket Socket)> WorkAsync(
        EnvironmentConsole lab,
        Uri jupyter,
        string token,
        string code,
        CancellationToken ct
    )
    {
        using var answer = await lab.SendAsync(HttpMethod.Post, new Uri(jupyter, "api/kernels"), token, "{}");
        answer.EnsureSuccessStatusCode();
        var id = JsonDocument
            .Parse(await answer.Content.ReadAsStringAsync(ct))
            .RootElement.GetProperty("id")
            .GetString()!;
        var socket = new ClientWebSocket();
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
                    code,
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
        return (id, socket);
    }

    /// <summary>The next that is about the work.</summary>
    private static async Task<(string? Type, JsonElement Content)> NextAsync(
        ClientWebSocket socket,
        CancellationToken ct
    )
    {
        while (true)
        {
            using var message = JsonDocument.Parse(await ReadAsync(socket, ct));
            var root = message.RootElement;
            if (root.GetProperty("parent_header").TryGetProperty("msg_id", out var of) && of.GetString() == "work")
            {
                return (
                    root.GetProperty("header").GetProperty("msg_type").GetString(),
                    root.GetProperty("content").Clone()
                );
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
