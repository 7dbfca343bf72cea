using System.Net;
using System.Net.Sockets;
using DeepLab.Core.Operations.Gateway;
using Microsoft.AspNetCore.Http;
using Yarp.ReverseProxy.Forwarder;

namespace DeepLab.Api.Gateway;

/// <summary>How long nothing may pass.</summary>
/// <param name="Request">an ordinary request and its answer</param>
/// <param name="Upgraded">a WebSocket: a kernel that computes for hours says nothing meanwhile</param>
internal sealed record GatewayTimeouts(TimeSpan Request, TimeSpan Upgraded)
{
    public static GatewayTimeouts Default { get; } = new(TimeSpan.FromMinutes(10), TimeSpan.FromHours(24));
}

internal enum ForwardResult
{
    /// <summary>It was answered, or broke after the answer had begun.</summary>
    Done,

    /// <summary>Nothing listens there.</summary>
    NotListening,

    /// <summary>What came in was no request.</summary>
    BadRequest,

    /// <summary>What came back was no answer that can be passed on.</summary>
    BadAnswer,
    TooSlow,
}

/// <summary>Sends a request to a container and its answer back, streamed both ways. Where to is said by the door alone.</summary>
internal sealed class ContainerForwarder(IHttpForwarder forwarder, GatewayAddress address, GatewayTimeouts timeouts)
    : IDisposable
{
    private const int MostHeaderKilobytes = 64;
    private static readonly HttpRequestOptionsKey<IPEndPoint> s_address = new("deeplab-endpoint");
    private readonly ForwarderRequestConfig _ordinary = Config(timeouts.Request);
    private readonly ForwarderRequestConfig _upgraded = Config(timeouts.Upgraded);
    private readonly HttpMessageInvoker _invoker = new(
        new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            MaxResponseHeadersLength = MostHeaderKilobytes,
            ConnectCallback = ConnectAsync,
        }
    );

    public async Task<ForwardResult> SendAsync(HttpContext context, GatewayRoute route, Door door, CancellationToken ct)
    {
        // Connections are kept by this name: one that is still open to an earlier container is never taken for this one
        var prefix = FormattableString.Invariant($"http://endpoint-{door.EndpointId}.invalid");
        var error = await forwarder.SendAsync(
            context,
            prefix,
            _invoker,
            OwnOrigin.IsUpgrade(context.Request) ? _upgraded : _ordinary,
            new ContainerHeaders(address, route, door.Token, r => r.Options.Set(s_address, door.Address!)),
            ct
        );
        if (
            error == ForwarderError.None
            || context.Response.HasStarted
            || context.RequestAborted.IsCancellationRequested
        )
        {
            return ForwardResult.Done;
        }
        return error switch
        {
            ForwarderError.RequestTimedOut => ForwardResult.TooSlow,
            ForwarderError.RequestBodyClient => ForwardResult.BadRequest,
            _ when context.Features.Get<IForwarderErrorFeature>()?.Exception
                    is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } =>
                ForwardResult.NotListening,
            _ => ForwardResult.BadAnswer,
        };
    }

    private static ForwarderRequestConfig Config(TimeSpan silence) =>
        new()
        {
            ActivityTimeout = silence,
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken ct)
    {
        if (!context.InitialRequestMessage.Options.TryGetValue(s_address, out var address))
        {
            throw new InvalidOperationException("A request came to the forwarder without an endpoint.");
        }
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            // A host that vanished says nothing either
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 60);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 15);
            await socket.ConnectAsync(address, ct);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public void Dispose() => _invoker.Dispose();
}
