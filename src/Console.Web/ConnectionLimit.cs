using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Connections;

namespace DeepLab.Web;

/// <summary>
/// A third of the files that this process may open is for callers, the rest for the database, the engines and itself. A caller past
/// that is told to come back, and costs no file for long.
/// </summary>
internal sealed class ConnectionLimit(int most)
{
    private const string Body =
        """{"title":"Service Unavailable","status":503,"detail":"This console has as many connections as it may have. Try again later."}""";

    /// <summary>Past the limit so many are told; any more are closed without a word.</summary>
    private const int MostTold = 64;
    private static readonly TimeSpan s_hearing = TimeSpan.FromSeconds(1);
    private static readonly byte[] s_answer = Encoding.ASCII.GetBytes(
        $"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nContent-Length: {Body.Length}\r\nRetry-After: 5\r\nConnection: close\r\n\r\n{Body}"
    );
    private int _open;

    public static ConnectionLimit OfThisProcess() => new((int)Math.Clamp(MostFiles() / 3, 1, int.MaxValue));

    public ConnectionDelegate Before(ConnectionDelegate next) =>
        async connection =>
        {
            try
            {
                var open = Interlocked.Increment(ref _open);
                if (open <= most)
                {
                    await next(connection);
                }
                else if (open <= most + MostTold)
                {
                    await RefuseAsync(connection);
                }
            }
            finally
            {
                Interlocked.Decrement(ref _open);
            }
        };

    private static async Task RefuseAsync(ConnectionContext connection)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed);
        patience.CancelAfter(s_hearing);
        try
        {
            await connection.Transport.Output.WriteAsync(s_answer, patience.Token);
            // A connection that is closed with a request unread is reset, and the answer lost
            await connection.Transport.Input.ReadAsync(patience.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // It asked nothing, or is gone
        }
        await connection.Transport.Output.CompleteAsync();
    }

    private static long MostFiles()
    {
        const string path = "/proc/self/limits";
        var line = File.Exists(path)
            ? File.ReadLines(path).FirstOrDefault(l => l.StartsWith("Max open files", StringComparison.Ordinal))
            : null;
        return
            line?.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, _, _, var soft, ..]
            && long.TryParse(soft, CultureInfo.InvariantCulture, out var files)
            ? files
            : long.MaxValue;
    }
}
