using System.Net;

namespace DeepLab.Api.Tests;

/// <summary>A client with cookies, as a browser has them, and the headers a browser sends from our own pages.</summary>
public sealed class Browser : IDisposable
{
    private readonly SocketsHttpHandler _handler;

    public Browser(ApiHost host)
        : this(host.Address) { }

    /// <param name="console">another console on the same database and key ring</param>
    public Browser(Uri console)
    {
        _handler = new SocketsHttpHandler { CookieContainer = Cookies, AllowAutoRedirect = false };
        Http = new HttpClient(_handler) { BaseAddress = console };
        Http.DefaultRequestHeaders.Add("Sec-Fetch-Site", "same-origin");
    }

    public CookieContainer Cookies { get; } = new();
    public HttpClient Http { get; }

    public async Task<string> FormTokenAsync() => await Http.GetStringAsync("/sign-in");

    public async Task<HttpResponseMessage> PostFormAsync(string path, params (string, string)[] fields)
    {
        var all = new Dictionary<string, string> { ["__RequestVerificationToken"] = await FormTokenAsync() };
        foreach (var (name, value) in fields)
        {
            all[name] = value;
        }
        return await Http.PostAsync(path, new FormUrlEncodedContent(all));
    }

    public static Task<Browser> SignedInAsync(ApiHost host, string userName = "admin") =>
        SignedInAsync(host.Address, userName);

    public static async Task<Browser> SignedInAsync(Uri console, string userName)
    {
        var browser = new Browser(console);
        using var answer = await browser.PostFormAsync(
            "/sign-in",
            ("userName", userName),
            ("password", ApiHost.Password)
        );
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
        Assert.Equal("/", answer.Headers.Location!.OriginalString);
        return browser;
    }

    public void Dispose()
    {
        Http.Dispose();
        _handler.Dispose();
    }
}
