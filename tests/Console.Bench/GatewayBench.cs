using System.Diagnostics;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace DeepLab.Bench;

/// <summary>
/// What it costs to reach a program in a container through the gateway, with ticket, session and right looked at on each request:
/// against nginx before the same upstream, which looks at nothing, and for WebSockets against the upstream itself.
/// </summary>
internal static class GatewayBench
{
    private const double TargetKept = 0.7;
    private const double TargetPlain = 2;
    private const double TargetSocket = 1.3;
    private const int Echoes = 300;
    private static readonly string s_body = new('x', 1024);

    public static async Task RunAsync(Run run, CancellationToken ct)
    {
        var rounds = run.Options.Number("rounds", 7, least: 5);
        var connections = run.Options.Number("connections", 16);
        var seconds = TimeSpan.FromSeconds(run.Options.Number("seconds", 2));
        await using var upstream = await StartUpstreamAsync(ct);
        var port = new Uri(upstream.Urls.Single()).Port;
        var gateway = TestPorts.Free();
        await using var console = await BenchConsole.StartNewAsync(
            ct,
            ("DEEPLAB_GATEWAY_URL", $"http://127.0.0.1:{gateway}")
        );
        var (path, cookie) = await EnterAsync(console, port, ct);
        await using var nginx = await Nginx.StartAsync(port, ct);
        (string What, int Port)[] ways =
        [
            ("ours", gateway),
            ("direct", port),
            .. nginx is null ? [] : ((string, int)[])[("kept", nginx.KeptPort), ("plain", nginx.PlainPort)],
        ];
        var rates = ways.ToDictionary(w => w.What, _ => new List<double>());
        var medians = ways.ToDictionary(w => w.What, _ => new List<double>());
        var echoes = (Ours: new List<double>(), Direct: new List<double>());
        for (var round = -1; round < rounds; round++)
        {
            foreach (var (what, at) in ways)
            {
                var request = $"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{gateway}\r\nCookie: {cookie}\r\n\r\n";
                var (rate, micros) = await HttpLoad.RunAsync(at, request, s_body, connections, seconds, ct);
                if (round >= 0)
                {
                    rates[what].Add(rate);
                    medians[what].Add(Spread.Of(micros).Median);
                }
            }
            var (ours, direct) = (
                await EchoAsync(gateway, path, cookie, gateway, ct),
                await EchoAsync(port, path, cookie, gateway, ct)
            );
            if (round >= 0)
            {
                echoes.Ours.Add(ours);
                echoes.Direct.Add(direct);
            }
        }
        run.Say(
            $"{connections} connections, one answer of {s_body.Length} bytes after another; all share this machine's cores"
        );
        run.Report.Add("answers a second, over direct", "1/s", rates["ours"], rates["direct"]);
        run.Report.Add("an answer (median), over direct", "us", medians["ours"], medians["direct"]);
        if (nginx is not null)
        {
            run.Report.Add("answers a second, over nginx with keep-alive", "1/s", rates["ours"], rates["kept"]);
            run.Report.Add("answers a second, over nginx as it comes", "1/s", rates["ours"], rates["plain"]);
        }
        else
        {
            run.Say("nginx is not installed here: its ratios are absent");
        }
        run.Report.Add("WebSocket echo (median), over direct", "us", echoes.Ours, echoes.Direct);
        double? Over(string way) =>
            rates.TryGetValue(way, out var theirs) ? Spread.Of(rates["ours"]).Median / Spread.Of(theirs).Median : null;
        run.Report.Judge(
            "gateway.socket",
            Spread.Of(echoes.Ours).Median / Spread.Of(echoes.Direct).Median,
            TargetSocket,
            atMost: true,
            "a WebSocket's echo over the upstream's own"
        );
        run.Report.Judge("gateway.plain", Over("plain"), TargetPlain, atMost: false, "answers over nginx as it comes");
        run.Report.Judge("gateway", Over("kept"), TargetKept, atMost: false, "answers over nginx with keep-alive");
    }

    private static async Task<WebApplication> StartUpstreamAsync(CancellationToken ct)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.UseWebSockets();
        app.Run(async context =>
        {
            if (!context.WebSockets.IsWebSocketRequest)
            {
                context.Response.ContentLength = s_body.Length;
                await context.Response.WriteAsync(s_body);
                return;
            }
            using var socket = await context.WebSockets.AcceptWebSocketAsync();
            var buffer = new byte[4096];
            while (
                await socket.ReceiveAsync(buffer, context.RequestAborted)
                    is { MessageType: not WebSocketMessageType.Close } got
            )
            {
                await socket.SendAsync(
                    buffer.AsMemory(0, got.Count),
                    got.MessageType,
                    got.EndOfMessage,
                    context.RequestAborted
                );
            }
        });
        await app.StartAsync(ct);
        return app;
    }

    /// <summary>A real job, whose container is the owner of an endpoint that leads to our upstream; and a ticket for it.</summary>
    private static async Task<(string Path, string Cookie)> EnterAsync(
        BenchConsole console,
        int upstream,
        CancellationToken ct
    )
    {
        var id = await console.SubmitAsync(Jobs.Shell("sleep 3600"), ct);
        await console.RunningAsync(id, ct);
        await console.Sql.ExecuteAsync(
            $"""
            insert into endpoints (workload_id, attempt_id, host_id, name, kind, container_port, address, port, leased_at)
            select workload_id, id, host_id, 'app', 'Http', 8000, '127.0.0.1', {upstream}, now() from attempts where workload_id = {id}
            """,
            ct
        );
        using var answer = await console.Http.PostAsync($"/api/v1/workloads/{id}/endpoints/app/open", null, ct);
        var opened = await answer.Content.ReadFromJsonAsync<JsonObject>(ct);
        BenchException.Require(answer.IsSuccessStatusCode, $"the endpoint was not opened: {opened}");
        using var http = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false });
        using var entry = await http.GetAsync((string)opened!["url"]!, ct);
        return ($"/e/{id}/app/", entry.Headers.GetValues("Set-Cookie").Single().Split(';')[0]);
    }

    /// <returns>microseconds of the median echo</returns>
    private static async Task<double> EchoAsync(int port, string path, string cookie, int gateway, CancellationToken ct)
    {
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Cookie", cookie);
        socket.Options.SetRequestHeader("Origin", $"http://127.0.0.1:{gateway}");
        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{port}{path}"), ct);
        var sent = new byte[256];
        var buffer = new byte[4096];
        var micros = new List<double>();
        for (var i = 0; i < Echoes; i++)
        {
            var began = Stopwatch.GetTimestamp();
            await socket.SendAsync(sent, WebSocketMessageType.Binary, endOfMessage: true, ct);
            var got = await socket.ReceiveAsync(buffer, ct);
            micros.Add(Stopwatch.GetElapsedTime(began).TotalMicroseconds);
            BenchException.Require(got.Count == sent.Length && got.EndOfMessage, "an echo was another one");
        }
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, ct);
        return Spread.Of(micros).Median;
    }
}
