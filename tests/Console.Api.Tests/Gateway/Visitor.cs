using System.Net;
using System.Net.WebSockets;
using DeepLab.Core.Tenancy;

namespace DeepLab.Api.Tests.Gateway;

/// <summary>A browser that came to the gateway from the console, with the one cookie it was given there.</summary>
public sealed class Visitor : IDisposable
{
    private static readonly Lock s_gate = new();
    private static Task<(User, Browser)>? s_regular;
    private readonly Uri _origin;

    public Visitor(Uri gateway, string? cookie = null)
    {
        _origin = gateway;
        Cookie = cookie;
        Http = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false })
        {
            BaseAddress = gateway,
        };
        if (cookie is not null)
        {
            Http.DefaultRequestHeaders.Add("Cookie", cookie);
        }
    }

    public HttpClient Http { get; }

    /// <summary>`name=value`</summary>
    public string? Cookie { get; }
    public string Origin => _origin.GetLeftPart(UriPartial.Authority);

    public static async Task<Visitor> EnterAsync(ApiHost host, Browser console, RunningWorkload workload)
    {
        using var open = await console.Http.GetAsync($"/open/{workload.Id}/{workload.Name}");
        Assert.Equal(HttpStatusCode.SeeOther, open.StatusCode);
        using var stranger = new Visitor(host.Gateway);
        using var entry = await stranger.Http.GetAsync(open.Headers.Location);
        Assert.Equal(HttpStatusCode.SeeOther, entry.StatusCode);
        return new Visitor(host.Gateway, entry.Headers.GetValues("Set-Cookie").Single().Split(';')[0]);
    }

    /// <summary>A new environment with this container, entered by its owner: one member for all tests that end nobody's access.</summary>
    public static async Task<(RunningWorkload, Visitor)> EnterAsync(
        ApiHost host,
        IPEndPoint container,
        string name = "jupyter"
    )
    {
        Task<(User, Browser)> regular;
        lock (s_gate)
        {
            regular = s_regular ??= SignInAsync();
        }
        var (owner, console) = await regular;
        var workload = await RunningWorkload.AddAsync(host, owner, container, name);
        return (workload, await EnterAsync(host, console, workload));

        // Each sign-in costs a password's hash
        async Task<(User, Browser)> SignInAsync()
        {
            var member = await host.AddMemberAsync();
            return (member, await Browser.SignedInAsync(host, member.UserName));
        }
    }

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, params (string, string)[] headers)
    {
        var request = new HttpRequestMessage(method, path);
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }
        return await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    /// <param name="origin">the gateway's own where absent; empty for none</param>
    public async Task<(ClientWebSocket Socket, HttpStatusCode Status)> ConnectAsync(
        string path,
        string? origin = null,
        string? protocol = null
    )
    {
        var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        origin ??= Origin;
        if (origin.Length > 0)
        {
            socket.Options.SetRequestHeader("Origin", origin);
        }
        if (Cookie is not null)
        {
            socket.Options.SetRequestHeader("Cookie", Cookie);
        }
        if (protocol is not null)
        {
            socket.Options.AddSubProtocol(protocol);
        }
        try
        {
            await socket.ConnectAsync(
                new UriBuilder(_origin) { Scheme = "ws", Path = path }.Uri,
                TestContext.Current.CancellationToken
            );
        }
        catch (WebSocketException)
        {
            // The status says which
        }
        return (socket, socket.HttpStatusCode);
    }

    public void Dispose() => Http.Dispose();
}
