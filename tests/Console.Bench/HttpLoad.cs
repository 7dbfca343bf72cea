using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DeepLab.Bench;

/// <summary>
/// One request over and over on connections that stay open, each waiting for its answer: with next to no work of its own,
/// so that what stands between is what is measured.
/// </summary>
internal static class HttpLoad
{
    private static readonly byte[] s_end = "\r\n\r\n"u8.ToArray();

    /// <param name="body">that every answer must end with</param>
    /// <returns>answers a second, and the microseconds that each took</returns>
    public static async Task<(double Rate, IReadOnlyList<double> Micros)> RunAsync(
        int port,
        string request,
        string body,
        int connections,
        TimeSpan during,
        CancellationToken ct
    )
    {
        var began = Stopwatch.GetTimestamp();
        var all = await Task.WhenAll(
            Enumerable.Range(0, connections).Select(_ => Task.Run(() => OneAsync(port, request, body, during, ct), ct))
        );
        var took = Stopwatch.GetElapsedTime(began).TotalSeconds;
        var micros = all.SelectMany(m => m).ToList();
        return (micros.Count / took, micros);
    }

    private static async Task<List<double>> OneAsync(
        int port,
        string request,
        string body,
        TimeSpan during,
        CancellationToken ct
    )
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), ct);
        var bytes = Encoding.Latin1.GetBytes(request);
        var expected = Encoding.Latin1.GetBytes(body);
        var buffer = new byte[16 << 10];
        var micros = new List<double>();
        var began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < during)
        {
            var asked = Stopwatch.GetTimestamp();
            await socket.SendAsync(bytes, ct);
            var have = 0;
            while (!IsWhole(buffer.AsSpan(0, have), expected))
            {
                var n = await socket.ReceiveAsync(buffer.AsMemory(have), ct);
                BenchException.Require(n > 0 && have + n < buffer.Length, "an answer broke off, or was another one");
                have += n;
            }
            micros.Add(Stopwatch.GetElapsedTime(asked).TotalMicroseconds);
        }
        return micros;
    }

    /// <summary>The length is said, and not in chunks: the upstream's answer is small, and every proxy keeps that.</summary>
    private static bool IsWhole(ReadOnlySpan<byte> answer, ReadOnlySpan<byte> body)
    {
        var at = answer.IndexOf(s_end);
        if (at < 0)
        {
            return false;
        }
        BenchException.Require(
            answer.StartsWith("HTTP/1.1 200 "u8),
            $"answered {Encoding.Latin1.GetString(answer[..Math.Min(at, 80)])}"
        );
        return answer[(at + s_end.Length)..].SequenceEqual(body);
    }
}
