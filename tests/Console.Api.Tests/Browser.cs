using System.Net;

namespace DeepLab.Api.Tests;

/// <summary>A client with cookies, as a browser has them, and the headers a browser sends from our own pages.</summary>
public sealed class Browser : IDisposable
{
    private readonly SocketsHttpHandler _handler;

    public Browser(ApiHost host)
    {
        _handler = new SocketsHttpHandler { CookieContainer = Cookies, AllowAutoRedirect = false };
        Http = new HttpClient(_handler) { BaseAddress = host.Address };
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

    public static async Task<Browser> SignedInAsync(ApiHost host, string userName = "admin")
    {
        var browser = new Browser(host);
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
