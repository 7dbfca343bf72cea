using System.Net;
using System.Net.WebSockets;
using System.Text.RegularExpressions;
using static Microsoft.Playwright.Assertions;

namespace DeepLab.Browser.Tests;

/// <summary>The circuit behind an open page: who may open one, and when it ends.</summary>
public sealed class SessionTests(ConsoleProcess console, Chromium chromium)
{
    private const float BoundMilliseconds = 10_000;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_page_of_a_user_who_is_disabled_is_closed_within_ten_seconds()
    {
        const string User = "leaver";
        const string Password = "long enough for a leaver";
        await using var admin = await chromium.VisitAsync(console);
        await admin.SignInAsync();
        await Expect(admin.Page.Locator(".shell h1").First).ToBeVisibleAsync();
        var made = await admin.CallAsync("POST", "users", new { userName = User, password = Password });
        Assert.True(made.Ok, await made.TextAsync());
        await using var visit = await chromium.VisitAsync(console);
        await visit.SignInAsync(Password, User);
        await Expect(visit.Page.Locator(".shell h1").First).ToBeVisibleAsync();
        await visit.OpenAsync("/environments");

        var ended = await admin.CallAsync("PATCH", $"users/{User}", new { disabled = true });
        Assert.True(ended.Ok, await ended.TextAsync());

        await Expect(visit.Page).ToHaveURLAsync(new Regex("/sign-in"), new() { Timeout = BoundMilliseconds });
    }

    [Fact]
    public async Task Only_the_consoles_own_pages_open_a_circuit()
    {
        await using var visit = await chromium.VisitAsync(console);
        await visit.SignInAsync();
        await Expect(visit.Page.Locator(".shell h1").First).ToBeVisibleAsync();
        var cookies = await visit.Page.Context.CookiesAsync();
        var cookie = string.Join("; ", cookies.Select(c => $"{c.Name}={c.Value}"));
        foreach (var origin in (string?[])["https://evil.example", console.GatewayAddress, "null", null])
        {
            Assert.Equal((origin, HttpStatusCode.Forbidden), (origin, await OpenAsync(cookie, origin)));
        }
        Assert.Equal(HttpStatusCode.SwitchingProtocols, await OpenAsync(cookie, console.Address));
    }

    private async Task<HttpStatusCode> OpenAsync(string cookie, string? origin)
    {
        using var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        socket.Options.SetRequestHeader("Cookie", cookie);
        if (origin is not null)
        {
            socket.Options.SetRequestHeader("Origin", origin);
        }
        try
        {
            await socket.ConnectAsync(new UriBuilder(console.Address) { Scheme = "ws", Path = "/_blazor" }.Uri, Ct);
        }
        catch (WebSocketException)
        {
            // The status says which
        }
        return socket.HttpStatusCode;
    }
}
