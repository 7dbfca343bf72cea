using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography;
using DeepLab.Api.Gateway;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Gateway;

public sealed class SocketTests(ApiHost host)
{
    private const string KernelProtocol = "v1.kernel.websocket.jupyter.org";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_socket_keeps_its_protocol_its_bytes_and_its_close_frame()
    {
        await using var container = await Container.StartAsync(Container.EchoAsync);
        var (workload, visitor) = await Visitor.EnterAsync(host, container.Address);
        using var _ = visitor;
        var (socket, status) = await visitor.ConnectAsync(
            workload.Path + "api/kernels/1/channels",
            protocol: KernelProtocol
        );
        using var __ = socket;
        Assert.Equal(HttpStatusCode.SwitchingProtocols, status);
        Assert.Equal(KernelProtocol, socket.SubProtocol);
        var sent = RandomNumberGenerator.GetBytes(1 << 20);
        var echo = ReceiveAsync(socket);
        await socket.SendAsync(sent, WebSocketMessageType.Binary, endOfMessage: true, Ct);
        Assert.Equal(sent, await echo);
        await socket.CloseAsync((WebSocketCloseStatus)4001, "restarting", Ct);
        Assert.Equal((WebSocketCloseStatus)4001, socket.CloseStatus);
        Assert.Equal("restarting", socket.CloseStatusDescription);
        Assert.Equal($"token {RunningWorkload.Token}", container.Requests.Single()["Authorization"]);
        Assert.Equal(visitor.Origin, container.Requests.Single()["Origin"]);
    }

    [Theory]
    [InlineData("evil", 403)]
    [InlineData("none", 403)]
    [InlineData("console", 403)]
    [InlineData("null", 403)]
    [InlineData("no cookie", 401)]
    [InlineData("cookie of another's", 401)]
    [InlineData("other protocol", 400)]
    public async Task A_socket_that_may_not_be_opened_does_not_reach_the_container(string who, int status)
    {
        await using var container = await Container.StartAsync(Container.EchoAsync);
        var (workload, visitor) = await Visitor.EnterAsync(host, container.Address);
        using var _ = visitor;
        if (who == "other protocol")
        {
            using var answer = await visitor.SendAsync(
                HttpMethod.Get,
                workload.Path,
                ("Connection", "Upgrade"),
                ("Upgrade", "h2c"),
                ("Origin", visitor.Origin)
            );
            Assert.Equal((HttpStatusCode)status, answer.StatusCode);
        }
        else
        {
            await using var others = await Container.StartAsync(Container.EchoAsync);
            var (_, other) = await Visitor.EnterAsync(host, others.Address);
            using var stranger = new Visitor(host.Gateway, who == "no cookie" ? null : other.Cookie);
            var caller = who is "no cookie" or "cookie of another's" ? stranger : visitor;
            var origin = who switch
            {
                "evil" => "https://evil.example",
                "none" => "",
                "console" => host.Address.GetLeftPart(UriPartial.Authority),
                "null" => "null",
                _ => null,
            };
            var (socket, answered) = await caller.ConnectAsync(workload.Path + "ws", origin);
            socket.Dispose();
            other.Dispose();
            Assert.Equal((HttpStatusCode)status, answered);
        }
        Assert.Equal(0, container.Connections);
    }

    [Fact]
    public async Task A_silent_socket_outlives_the_patience_that_a_request_has()
    {
        await using var container = await Container.StartAsync(async c =>
        {
            if (c.WebSockets.IsWebSocketRequest)
            {
                await Container.EchoAsync(c);
                return;
            }
            await Task.Delay(Timeout.Infinite, c.RequestAborted);
        });
        var patience = TimeSpan.FromMilliseconds(500);
        var gateway = new Uri($"http://127.0.0.1:{TestPorts.Free()}");
        await using var app = ApiHost.Build(
            host.Options with
            {
                Gateway = ApiHost.At(gateway),
            },
            s => s.AddSingleton(GatewayTimeouts.Default with { Request = patience })
        );
        await app.StartAsync(Ct);
        var (workload, visitor) = await Visitor.EnterAsync(host, container.Address);
        visitor.Dispose();
        using var impatient = new Visitor(gateway, visitor.Cookie);
        var (socket, status) = await impatient.ConnectAsync(workload.Path + "ws");
        using var _ = socket;
        Assert.Equal(HttpStatusCode.SwitchingProtocols, status);
        using var late = await impatient.SendAsync(HttpMethod.Get, workload.Path);
        await late.ProblemAsync(HttpStatusCode.GatewayTimeout);
        // By now the socket has been silent for longer
        var echo = ReceiveAsync(socket);
        await socket.SendAsync("still here"u8.ToArray(), WebSocketMessageType.Text, endOfMessage: true, Ct);
        Assert.Equal("still here"u8.ToArray(), await echo);
        Assert.True(GatewayTimeouts.Default.Upgraded >= TimeSpan.FromHours(12), "a session lasts for 12 hours");
        await app.StopAsync(Ct);
    }

    private static async Task<byte[]> ReceiveAsync(ClientWebSocket socket)
    {
        var all = new MemoryStream();
        var buffer = new byte[64 << 10];
        WebSocketReceiveResult got;
        do
        {
            got = await socket.ReceiveAsync(buffer, Ct);
            all.Write(buffer, 0, got.Count);
        } while (!got.EndOfMessage);
        return all.ToArray();
    }
}
