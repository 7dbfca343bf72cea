using Docker.DotNet.Handler.Abstractions;
using Docker.DotNet.LegacyHttp;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Client;

namespace DeepLab.Core.Engines;

internal sealed record EngineTransportOptions;

/// <summary>
/// The library's managed handler on our own connections. Of the library's transports none has it all: a connection attempt
/// that can be cancelled, no limit of connections, reads of an exec that can be cancelled, a half close, and TLS that looks
/// at the engine's name. The handler speaks plain HTTP over what <see cref="EngineSocket"/> secured.
/// </summary>
internal sealed class EngineTransport(EngineSocket socket) : IDockerHandlerFactory<EngineTransportOptions>
{
    public ResolvedTransport CreateHandler(ResolvedClientOptions clientOptions, ILogger logger) =>
        CreateHandler(new EngineTransportOptions(), clientOptions, logger);

    public ResolvedTransport CreateHandler(
        EngineTransportOptions transportOptions,
        ResolvedClientOptions clientOptions,
        ILogger logger
    )
    {
        var handler = new ManagedHandler(OpenAsync, logger) { UseProxy = false };
        return new ResolvedTransport(handler, HttpBase(clientOptions.Endpoint));
    }

    public Task<WriteClosableStream> HijackStreamAsync(HttpContent content) =>
        DockerHandlerFactory.Instance.HijackStreamAsync(content);

    public static Uri HttpBase(Uri address) =>
        address.Scheme == "unix" ? new Uri("http://engine") : new UriBuilder(address) { Scheme = "http" }.Uri;

    private Task<Stream> OpenAsync(string host, int port, CancellationToken ct) => socket.OpenAsync(ct);
}
