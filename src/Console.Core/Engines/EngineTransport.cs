using Docker.DotNet.Handler.Abstractions;
using Docker.DotNet.LegacyHttp;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Client;

namespace DeepLab.Core.Engines;

internal sealed record EngineTransportOptions;

/// <summary>
/// The library's managed handler on our own sockets. Of the library's transports none has it all: a connection attempt
/// that can be cancelled, no limit of connections, reads of an exec that can be cancelled, and a half close.
/// </summary>
internal sealed class EngineTransport : IDockerHandlerFactory<EngineTransportOptions>
{
    public ResolvedTransport CreateHandler(ResolvedClientOptions clientOptions, ILogger logger) =>
        CreateHandler(new EngineTransportOptions(), clientOptions, logger);

    /// <remarks>Mutual TLS will come in here, as the client's auth provider and `https` below.</remarks>
    public ResolvedTransport CreateHandler(
        EngineTransportOptions transportOptions,
        ResolvedClientOptions clientOptions,
        ILogger logger
    )
    {
        var address = clientOptions.Endpoint;
        var handler = new ManagedHandler((_, _, ct) => EngineSocket.OpenAsync(address, ct), logger)
        {
            UseProxy = false,
        };
        return new ResolvedTransport(handler, HttpBase(address));
    }

    public Task<WriteClosableStream> HijackStreamAsync(HttpContent content) =>
        DockerHandlerFactory.Instance.HijackStreamAsync(content);

    public static Uri HttpBase(Uri address) =>
        address.Scheme == "unix" ? new Uri("http://engine") : new UriBuilder(address) { Scheme = "http" }.Uri;
}
