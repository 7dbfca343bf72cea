using System.Net.Sockets;

namespace DeepLab.Core.Engines;

/// <summary>Opens the connection to an engine: `unix:///path` or `tcp://address:port`.</summary>
internal static class EngineSocket
{
    /// <summary>An engine that does not take a connection within this is not reachable.</summary>
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    /// <exception cref="SocketException">Refused, or no such socket.</exception>
    /// <exception cref="OperationCanceledException">Cancelled, or no answer in time.</exception>
    public static async Task<Socket> OpenAsync(Uri address, CancellationToken ct)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(ct);
        bounded.CancelAfter(ConnectTimeout);
        var unix = address.Scheme == "unix";
        var socket = unix
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (unix)
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(address.LocalPath), bounded.Token);
            }
            else
            {
                KeepAlive(socket);
                await socket.ConnectAsync(address.Host, address.Port, bounded.Token);
            }
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
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
