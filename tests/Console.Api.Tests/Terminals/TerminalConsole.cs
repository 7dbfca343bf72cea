using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using DeepLab.Api.Tests.Gateway;
using DeepLab.Core.Engines;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Tests.Engines;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Terminals;

/// <summary>A second console on the database of all tests, whose every host is one engine in memory.</summary>
public sealed class TerminalConsole(ApiHost host) : IAsyncLifetime
{
    private WebApplication _app = null!;

    public FakeEngine Engine { get; } =
        new(TimeProvider.System)
        {
            OnExec = (_, _) => (0, [], ""),
            Images = { ["image"] = new ImageInfo("id", "image", 1, new Dictionary<string, string>()) },
        };
    public ApiHost First => host;
    public Uri Address { get; private set; } = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var gateway = new Uri($"http://127.0.0.1:{TestPorts.Free()}");
        _app = ApiHost.Build(
            host.Options with
            {
                Gateway = ApiHost.At(gateway),
            },
            services => services.AddSingleton<IEngineFactory>(new OneEngine(Engine))
        );
        await _app.StartAsync();
        Address = new Uri(_app.Urls.First());
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    /// <summary>A member's environment, which runs in a container of the engine.</summary>
    public async Task<RunningWorkload> RunAsync(User owner)
    {
        var workload = await RunningWorkload.AddAsync(host, owner, RunningWorkload.Nowhere());
        var id = await Engine.CreateAsync(
            new ContainerPlan
            {
                Name = $"dl-{workload.Id}",
                Image = "image",
                Env = new Dictionary<string, string>(),
                Labels = new Dictionary<string, string>(),
                Cpus = 1,
                Memory = 1,
                Shm = 1,
            },
            Ct
        );
        await Engine.StartAsync(id, Ct);
        await using var db = await host.DbAsync();
        await db
            .Attempts.Where(a => a.Id == workload.AttemptId)
            .ExecuteUpdateAsync(s => s.SetProperty(a => a.ContainerId, id), Ct);
        return workload;
    }

    public HttpClient Client(string token)
    {
        var client = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = Address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    public static string PathOf(RunningWorkload workload) => $"/api/v1/workloads/{workload.Id}/terminals";

    /// <summary>Opens one; answers its number and what speaks in it.</summary>
    public async Task<(string Id, FakeTerminal Program)> OpenAsync(HttpClient client, RunningWorkload workload)
    {
        using var answer = await client.PostAsJsonAsync(PathOf(workload), new { }, Ct);
        var id = (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetString()!;
        return (id, Engine.Terminals.Last());
    }

    /// <param name="headers">who asks, and from where</param>
    public async Task<(ClientWebSocket Socket, HttpStatusCode Status)> AttachAsync(
        RunningWorkload workload,
        string terminal,
        params (string Name, string Value)[] headers
    )
    {
        var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        foreach (var (name, value) in headers)
        {
            socket.Options.SetRequestHeader(name, value);
        }
        try
        {
            await socket.ConnectAsync(
                new UriBuilder(Address) { Scheme = "ws", Path = $"{PathOf(workload)}/{terminal}/attach" }.Uri,
                Ct
            );
        }
        catch (WebSocketException)
        {
            // The status says which
        }
        return (socket, socket.HttpStatusCode);
    }

    /// <summary>What comes until the text is among it; messages in text are in angle brackets.</summary>
    public static async Task<string> HearAsync(ClientWebSocket socket, string text)
    {
        var heard = new StringBuilder();
        var buffer = new byte[64 << 10];
        while (!heard.ToString().Contains(text, StringComparison.Ordinal))
        {
            var got = await socket.ReceiveAsync(buffer.AsMemory(), Ct);
            Assert.True(got.MessageType != WebSocketMessageType.Close, $"closed after {heard}");
            var said = Encoding.UTF8.GetString(buffer, 0, got.Count);
            heard.Append(got.MessageType == WebSocketMessageType.Text ? $"<{said}>" : said);
        }
        return heard.ToString();
    }

    /// <summary>Reads until it is closed; null where it was cut.</summary>
    public static async Task<int?> UntilClosedAsync(ClientWebSocket socket)
    {
        var buffer = new byte[64 << 10];
        try
        {
            while ((await socket.ReceiveAsync(buffer.AsMemory(), Ct)).MessageType != WebSocketMessageType.Close) { }
            return (int?)socket.CloseStatus;
        }
        catch (WebSocketException)
        {
            return null;
        }
    }

    public static JsonElement[] Items(JsonElement list) => [.. list.EnumerateArray()];

    private sealed class OneEngine(FakeEngine engine) : IEngineFactory
    {
        public IContainerEngine Get(string address, string? sealedCredentials = null) => engine;
    }
}
