using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DeepLab.Api.Tests.Gateway;

/// <summary>Bytes to a port and back, for what no client library would send.</summary>
internal static class RawWire
{
    /// <summary>The first line of the answer, and whether the server then closed; empty where it closed without one.</summary>
    public static async Task<(string Status, bool Closed)> SendAsync(Uri to, string text)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(10));
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, to.Port, patience.Token);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(text), patience.Token);
        var all = new StringBuilder();
        var buffer = new byte[8 << 10];
        try
        {
            while (true)
            {
                var n = await stream.ReadAsync(buffer, patience.Token);
                if (n == 0)
                {
                    return (FirstLine(all), true);
                }
                all.Append(Encoding.Latin1.GetString(buffer, 0, n));
                if (all.ToString().EndsWith("\r\n0\r\n\r\n", StringComparison.Ordinal))
                {
                    // Whole; whether it closes now is told by the next read, which must not wait long
                    patience.CancelAfter(TimeSpan.FromSeconds(2));
                }
            }
        }
        catch (OperationCanceledException)
        {
            return (FirstLine(all), false);
        }
        catch (IOException)
        {
            return (FirstLine(all), true);
        }
    }

    private static string FirstLine(StringBuilder all) => all.ToString().Split("\r\n")[0];
}
