using System.Net;
using System.Net.Sockets;

namespace DeepLab.Tests;

/// <summary>
/// Ports of this machine for what a test starts in a moment. Between what consoles lease to containers (20000-29999) and what the
/// system gives to whoever asks for any: one of those may be another connection's by the time that it is listened on.
/// </summary>
internal static class TestPorts
{
    private const int First = 30_000;
    private const int Last = 32_767;
    private const int MostTries = 1_000;

    public static int Free()
    {
        for (var tries = 1; ; tries++)
        {
            var port = Random.Shared.Next(First, Last + 1);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse && tries < MostTries)
            {
                // Another's: the next one
            }
        }
    }
}
