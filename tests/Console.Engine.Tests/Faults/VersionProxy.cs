using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// Stands in front of a real engine's socket and lets it pass for one of another API range: says so in `/version`, refuses
/// versions below its least as engines do, and asks the engine behind in the engine's own version. One request a connection.
/// </summary>
public sealed partial class VersionProxy : IAsyncDisposable
{
    private const string Behind = "1.41";
    private readonly string _engine;
    private readonly string _path;
    private volatile Version _least;
    private volatile Version _newest;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _over = new();
    private readonly HashSet<string> _asked = [];
    private readonly Task _run;

    private VersionProxy(string engine, string path, Version least, Version newest)
    {
        (_engine, _path, _least, _newest) = (engine, path, least, newest);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen();
        _run = AcceptAsync();
    }

    public string Address => $"unix://{_path}";

    /// <summary>Versions in which it was asked anything, such as `1.44`.</summary>
    public IReadOnlyCollection<string> Asked
    {
        get
        {
            lock (_asked)
            {
                return [.. _asked];
            }
        }
    }

    /// <param name="address">`unix:///path` of the engine</param>
    public static VersionProxy Start(string address, string least, string newest) =>
        new(
            new Uri(address).LocalPath,
            Path.Combine(Path.GetTempPath(), $"dlv-{Guid.NewGuid():N}"[..12]),
            Version.Parse(least),
            Version.Parse(newest)
        );

    /// <summary>As after an upgrade.</summary>
    public void Become(string least, string newest) =>
        (_least, _newest) = (Version.Parse(least), Version.Parse(newest));

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        _listener.Dispose();
        await _run.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        File.Delete(_path);
        _over.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            _ = ServeAsync(await _listener.AcceptAsync(_over.Token));
        }
    }

    private async Task ServeAsync(Socket accepted)
    {
        try
        {
            await using var client = new NetworkStream(accepted, ownsSocket: true);
            var (head, body) = await HeadAsync(client);
            var asked = VersionedPath().Match(head);
            if (asked.Success)
            {
                lock (_asked)
                {
                    _asked.Add(asked.Groups[1].Value);
                }
                if (Version.Parse(asked.Groups[1].Value) < _least)
                {
                    await AnswerAsync(
                        client,
                        "400 Bad Request",
                        $"client version {asked.Groups[1].Value} is too old. Minimum supported API version is {_least}, please upgrade your client to a newer version"
                    );
                    return;
                }
                head = $"{asked.Groups["verb"].Value} /v{Behind}{head[(asked.Index + asked.Length)..]}";
            }
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_engine), _over.Token);
            await using var engine = new NetworkStream(socket, ownsSocket: false);
            var isHijack = head.Contains("Upgrade:", StringComparison.OrdinalIgnoreCase);
            if (!isHijack)
            {
                head = head.Replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
            }
            // At once: an engine that has answered the head has hung up by the time a second write comes, even an empty one
            await engine.WriteAsync((byte[])[.. Encoding.Latin1.GetBytes(head), .. body], _over.Token);
            if (!asked.Success && head.Contains(" /version", StringComparison.Ordinal))
            {
                await TellVersionAsync(client, engine);
                return;
            }
            var up = PumpAsync(client, engine, () => socket.Shutdown(SocketShutdown.Send));
            await PumpAsync(engine, client, () => accepted.Shutdown(SocketShutdown.Both));
            await up;
        }
        catch (Exception e)
            when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Either side hung up, as they do
        }
    }

    private async Task TellVersionAsync(NetworkStream client, NetworkStream engine)
    {
        using var answer = new MemoryStream();
        await engine.CopyToAsync(answer, _over.Token);
        var text = Encoding.UTF8.GetString(answer.ToArray());
        var version = JsonNode.Parse(text[text.IndexOf('{')..(text.LastIndexOf('}') + 1)])!;
        version["ApiVersion"] = _newest.ToString();
        version["MinAPIVersion"] = _least.ToString();
        await AnswerAsync(client, "200 OK", version);
    }

    private Task AnswerAsync(NetworkStream client, string status, string message) =>
        AnswerAsync(client, status, new JsonObject { ["message"] = message });

    private async Task AnswerAsync(NetworkStream client, string status, JsonNode answer)
    {
        var bytes = Encoding.UTF8.GetBytes(answer.ToJsonString());
        var head = string.Create(
            CultureInfo.InvariantCulture,
            $"HTTP/1.1 {status}\r\nApi-Version: {_newest}\r\nContent-Type: application/json\r\nContent-Length: {bytes.Length}\r\nConnection: close\r\n\r\n"
        );
        await client.WriteAsync(Encoding.Latin1.GetBytes(head), _over.Token);
        await client.WriteAsync(bytes, _over.Token);
    }

    private async Task PumpAsync(NetworkStream from, NetworkStream to, Action atEnd)
    {
        try
        {
            await from.CopyToAsync(to, _over.Token);
        }
        finally
        {
            atEnd();
        }
    }

    /// <summary>Up to and with the blank line, and what came of the body with it.</summary>
    private async Task<(string Head, byte[] Body)> HeadAsync(NetworkStream client)
    {
        var bytes = new byte[64 << 10];
        for (var length = 0; length < bytes.Length; )
        {
            var read = await client.ReadAsync(bytes.AsMemory(length), _over.Token);
            if (read == 0)
            {
                break;
            }
            length += read;
            var end = bytes.AsSpan(0, length).IndexOf("\r\n\r\n"u8);
            if (end >= 0)
            {
                return (Encoding.Latin1.GetString(bytes, 0, end + 4), bytes[(end + 4)..length]);
            }
        }
        throw new IOException("The client hung up before its request was whole.");
    }

    [GeneratedRegex(@"^(?<verb>[A-Z]+) /v(?<1>\d+\.\d+)(?=/)")]
    private static partial Regex VersionedPath();
}
