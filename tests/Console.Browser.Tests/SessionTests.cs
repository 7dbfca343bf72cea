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

    [Theory]
    [InlineData("https://evil.example", HttpStatusCode.Forbidden)]
    [InlineData("a container's page", HttpStatusCode.Forbidden)]
    [InlineData(null, HttpStatusCode.Forbidden)]
    [InlineData("own", HttpStatusCode.SwitchingProtocols)]
    public async Task Only_the_consoles_own_pages_open_a_circuit(string? origin, HttpStatusCode status)
    {
        await using var visit = await chromium.VisitAsync(console);
        await visit.SignInAsync();
        await Expect(visit.Page.Locator(".shell h1").First).ToBeVisibleAsync();
        using var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        var cookies = await visit.Page.Context.CookiesAsync();
        socket.Options.SetRequestHeader("Cookie", string.Join("; ", cookies.Select(c => $"{c.Name}={c.Value}")));
        if (origin is not null)
        {
            socket.Options.SetRequestHeader(
                "Origin",
                origin switch
                {
                    "own" => console.Address,
                    "a container's page" => console.GatewayAddress,
                    _ => origin,
                }
            );
        }
        try
        {
            await socket.ConnectAsync(new UriBuilder(console.Address) { Scheme = "ws", Path = "/_blazor" }.Uri, Ct);
        }
        catch (WebSocketException)
        {
            // The status says which
        }
        Assert.Equal(status, socket.HttpStatusCode);
    }
}
