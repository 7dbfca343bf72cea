using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace DeepLab.Api.Tests.Gateway;

/// <summary>A request as a container saw it.</summary>
public sealed record Seen(string Method, string Target, IReadOnlyDictionary<string, string> Headers)
{
    public string? this[string header] => Headers.GetValueOrDefault(header);
}

/// <summary>Acts as the program in a container: answers as a test wants, and keeps what came in.</summary>
public sealed class Container : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _connections;

    private Container(WebApplication app) => _app = app;

    public ConcurrentQueue<Seen> Requests { get; } = new();
    public int Connections => Volatile.Read(ref _connections);
    public IPEndPoint Address
    {
        get
        {
            var url = new Uri(_app.Urls.Single());
            return new IPEndPoint(IPAddress.Parse(url.Host), url.Port);
        }
    }

    /// <param name="answer">says "hello" where absent</param>
    /// <param name="port">0 for any</param>
    public static async Task<Container> StartAsync(RequestDelegate? answer = null, int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        Container? container = null;
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
        builder.WebHost.ConfigureKestrel(o =>
        {
            o.AddServerHeader = false;
            o.Limits.MaxRequestBodySize = null;
            o.ConfigureEndpointDefaults(e =>
                e.Use(next =>
                    connection =>
                    {
                        Interlocked.Increment(ref container!._connections);
                        return next(connection);
                    }
                )
            );
        });
        var app = builder.Build();
        container = new Container(app);
        app.UseWebSockets();
        app.Run(context =>
        {
            var target = context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget;
            container.Requests.Enqueue(
                new Seen(
                    context.Request.Method,
                    target,
                    context.Request.Headers.ToDictionary(
                        h => h.Key,
                        h => h.Value.ToString(),
                        StringComparer.OrdinalIgnoreCase
                    )
                )
            );
            return answer is null ? context.Response.WriteAsync("hello") : answer(context);
        });
        await app.StartAsync();
        return container;
    }

    /// <summary>Sends back each message of a WebSocket, and its close frame.</summary>
    public static async Task EchoAsync(HttpContext context)
    {
        var wanted = context.WebSockets.WebSocketRequestedProtocols;
        using var socket = await context.WebSockets.AcceptWebSocketAsync(wanted.Count > 0 ? wanted[0] : null);
        var buffer = new byte[64 << 10];
        while (true)
        {
            var got = await socket.ReceiveAsync(buffer, context.RequestAborted);
            if (got.CloseStatus is { } status)
            {
                await socket.CloseOutputAsync(status, got.CloseStatusDescription, context.RequestAborted);
                return;
            }
            await socket.SendAsync(
                buffer.AsMemory(0, got.Count),
                got.MessageType,
                got.EndOfMessage,
                context.RequestAborted
            );
        }
    }

    public async ValueTask DisposeAsync()
    {
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await _app.StopAsync(soon.Token);
        await _app.DisposeAsync();
    }
}
