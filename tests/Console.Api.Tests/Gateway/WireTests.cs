using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DeepLab.Api.Tests.Gateway;

/// <summary>What comes over the wire that no browser sends, and what no decent server answers.</summary>
public sealed class WireTests(ApiHost host)
{
    [Theory]
    [InlineData("GET {path} HTTP/1.1\r\nHost: evil.example")]
    [InlineData("GET {path} HTTP/1.1\r\nHost: 127.0.0.1")]
    [InlineData("GET {path} HTTP/1.1\r\nHost: localhost:{port}")]
    [InlineData("GET http://169.254.169.254/latest/ HTTP/1.1\r\nHost: 169.254.169.254")]
    [InlineData("GET http://169.254.169.254{path} HTTP/1.1\r\nHost: {host}")]
    [InlineData("GET {path}..;/..;/x HTTP/1.1\r\nHost: {host}")]
    [InlineData("GET {path}%2f..%2f.. HTTP/1.1\r\nHost: {host}")]
    [InlineData("GET {path}..%5c..%5cx HTTP/1.1\r\nHost: {host}")]
    [InlineData("GET {path}..\\..\\x HTTP/1.1\r\nHost: {host}")]
    [InlineData("GET {path}../../../ HTTP/1.1\r\nHost: {host}")]
    [InlineData("GET {path}%2e%2e/%2e%2e/other/ HTTP/1.1\r\nHost: {host}")]
    [InlineData("GET /e/{id}@169.254.169.254/jupyter/ HTTP/1.1\r\nHost: {host}")]
    [InlineData("GET /e/{id}/jupyter:22/ HTTP/1.1\r\nHost: {host}")]
    [InlineData("GET /e/{id}/jupyter@169.254.169.254/ HTTP/1.1\r\nHost: {host}")]
    [InlineData("GET /e/0{id}/jupyter/ HTTP/1.1\r\nHost: {host}")]
    [InlineData("GET /e/-{id}/jupyter/ HTTP/1.1\r\nHost: {host}")]
    [InlineData("GET /e/99999999999999999999/jupyter/ HTTP/1.1\r\nHost: {host}")]
    [InlineData("GET //e/{id}/jupyter/ HTTP/1.1\r\nHost: {host}")]
    [InlineData("CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80")]
    public async Task Nothing_but_a_row_says_where_it_goes(string head)
    {
        await using var container = await Container.StartAsync();
        var (workload, visitor) = await Visitor.EnterAsync(host, container.Address);
        using var _ = visitor;
        var text = head.Replace("{path}", workload.Path, StringComparison.Ordinal)
            .Replace("{id}", workload.Id.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("{host}", host.Gateway.Authority, StringComparison.Ordinal)
            .Replace("{port}", host.Gateway.Port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
        var (status, _) = await RawWire.SendAsync(
            host.Gateway,
            $"{text}\r\nCookie: {visitor.Cookie}\r\nConnection: close\r\n\r\n"
        );
        Assert.Matches("^HTTP/1.1 (404|400) ", status);
        Assert.Equal(0, container.Connections);
    }

    [Theory]
    [InlineData("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n")]
    [InlineData("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde")]
    [InlineData("Content-Length: 4, 5\r\n\r\nabcde")]
    [InlineData("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n0;\nx\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n1;a=b\nX\r\nab\r\n0\r\n\r\n")]
    [InlineData("X-A: 1\r\n folded: 2\r\n\r\n")]
    [InlineData("X-A: 1\nX-B: 2\r\n\r\n")]
    [InlineData("X-A : 1\r\n\r\n")]
    [InlineData("X-A: a\0b\r\n\r\n")]
    public async Task A_request_that_two_servers_could_read_in_two_ways_is_refused_and_its_connection_closed(
        string rest
    )
    {
        await using var container = await Container.StartAsync(async c =>
        {
            using var reader = new StreamReader(c.Request.Body);
            await reader.ReadToEndAsync();
        });
        var (workload, visitor) = await Visitor.EnterAsync(host, container.Address);
        using var _ = visitor;
        var (status, closed) = await RawWire.SendAsync(
            host.Gateway,
            $"POST {workload.Path} HTTP/1.1\r\nHost: {host.Gateway.Authority}\r\nOrigin: {visitor.Origin}\r\nCookie: {visitor.Cookie}\r\n{rest}"
        );
        Assert.StartsWith("HTTP/1.1 400 ", status, StringComparison.Ordinal);
        Assert.True(closed);
    }

    [Theory]
    [InlineData("headers")]
    [InlineData("nonsense")]
    [InlineData("silence")]
    [InlineData("latin1")]
    [InlineData("nul")]
    public async Task An_answer_that_is_none_is_a_502_and_costs_no_memory(string kind)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var stop = new CancellationTokenSource();
        var serving = ServeAsync(listener, kind, stop.Token);
        var (workload, visitor) = await Visitor.EnterAsync(host, (IPEndPoint)listener.LocalEndpoint);
        using var _ = visitor;
        var before = GC.GetTotalAllocatedBytes();
        using var answer = await visitor.SendAsync(HttpMethod.Get, workload.Path);
        if (kind is "latin1" or "nul")
        {
            // Passed on without them, or refused, but never an error of ours
            Assert.Contains(answer.StatusCode, (HttpStatusCode[])[HttpStatusCode.OK, HttpStatusCode.BadGateway]);
            var passed = answer.Headers.TryGetValues("X-A", out var values) ? string.Concat(values) : "";
            Assert.DoesNotContain(passed, char.IsControl);
        }
        else
        {
            await answer.ProblemAsync(HttpStatusCode.BadGateway);
        }
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 60L << 20);
        await stop.CancelAsync();
        await serving;
    }

    private static async Task ServeAsync(TcpListener listener, string kind, CancellationToken ct)
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptTcpClientAsync(ct);
                await using var stream = client.GetStream();
                await stream.ReadExactlyAsync(new byte[16], ct);
                await AnswerAsync(stream, kind, ct);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or SocketException)
        {
            // The test is over, or the gateway would hear no more
        }
    }

    private static async Task AnswerAsync(NetworkStream stream, string kind, CancellationToken ct)
    {
        async Task Say(string text) => await stream.WriteAsync(Encoding.Latin1.GetBytes(text), ct);
        switch (kind)
        {
            case "headers":
                await Say("HTTP/1.1 200 OK\r\n");
                var line = "X-Long: " + new string('a', 8000) + "\r\n";
                for (var sent = 0; sent < 100 << 20; sent += line.Length)
                {
                    await Say(line);
                }
                break;
            case "nonsense":
                await Say("SSH-2.0-OpenSSH_9.2\r\n");
                break;
            case "latin1":
                await Say("HTTP/1.1 200 OK\r\nX-A: \u00e9\u0080\r\nContent-Length: 2\r\n\r\nok");
                break;
            case "nul":
                await Say("HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok");
                break;
        }
    }
}
