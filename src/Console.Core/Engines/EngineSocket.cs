using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using DeepLab.Core.Clusters;
using Docker.DotNet.Handler.Abstractions;

namespace DeepLab.Core.Engines;

/// <summary>
/// Opens connections to an engine: `unix:///path`, or `tcp://address:port` with mutual TLS. Plain TCP is refused: whoever can
/// listen or write on the way would own the machine.
/// </summary>
/// <param name="credentials">asked once, at the first connection to a `tcp://` engine; null = there are none</param>
internal sealed class EngineSocket(Uri address, Func<EngineCredentials?> credentials)
{
    /// <summary>An engine that does not take a connection within this is not reachable.</summary>
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    private EngineTls? _tls;

    /// <exception cref="SocketException">Refused, or no such socket.</exception>
    /// <exception cref="AuthenticationException">It is not the engine that it should be, or we have no credentials for it.</exception>
    /// <exception cref="OperationCanceledException">Cancelled, or no answer in time.</exception>
    public async Task<Stream> OpenAsync(CancellationToken ct)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(ct);
        bounded.CancelAfter(ConnectTimeout);
        return address.Scheme == "unix" ? await UnixAsync(bounded.Token) : await TlsAsync(bounded.Token);
    }

    private async Task<Stream> UnixAsync(CancellationToken ct)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(address.LocalPath), ct);
            return new EngineStream(
                new NetworkStream(socket, ownsSocket: true),
                () => socket.Shutdown(SocketShutdown.Send)
            );
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<Stream> TlsAsync(CancellationToken ct)
    {
        var tls = _tls ??= Tls();
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            KeepAlive(socket);
            await socket.ConnectAsync(address.IdnHost, address.Port, ct);
            var secured = await tls.SecureAsync(new NetworkStream(socket, ownsSocket: true), address.IdnHost, ct);
            return new EngineStream(secured, () => secured.ShutdownAsync().GetAwaiter().GetResult());
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private EngineTls Tls()
    {
        try
        {
            return new EngineTls(
                credentials()
                    ?? throw new AuthenticationException(
                        "tcp:// without CA, certificate and key is refused: give the host its credentials"
                    )
            );
        }
        catch (SecretBoxException e)
        {
            throw new AuthenticationException(e.Message, e);
        }
    }

    /// <summary>A follower sends nothing for hours: without probes it would wait for ever on a host that lost power.</summary>
    private static void KeepAlive(Socket socket)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 15);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
    }
}

/// <summary>A connection whose sending half can be closed alone: the library asks for it by this type.</summary>
internal sealed class EngineStream(Stream inner, Action closeWrite) : WriteClosableStream
{
    public override bool CanRead => inner.CanRead;
    public override bool CanSeek => false;
    public override bool CanWrite => inner.CanWrite;
    public override bool CanCloseWrite => true;
    public override long Length => throw new NotSupportedException();
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void CloseWrite() => closeWrite();

    public override void Flush() => inner.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        inner.ReadAsync(buffer, offset, count, cancellationToken);

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        inner.ReadAsync(buffer, cancellationToken);

    public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        inner.WriteAsync(buffer, offset, count, cancellationToken);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        inner.WriteAsync(buffer, cancellationToken);

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }
        base.Dispose(disposing);
    }
}
