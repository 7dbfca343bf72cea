using System.Globalization;
using System.Net;
using System.Text.Json;
using DeepLab.Api.Tests;
using DeepLab.Api.Tests.Gateway;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Playwright;
using ApiBrowser = DeepLab.Api.Tests.Browser;

namespace DeepLab.Browser.Tests;

/// <summary>What a hostile page of a container can do in a real browser whose user is signed in at the console.</summary>
public sealed class GatewayTests(Chromium chromium, ApiHost host) : IClassFixture<ApiHost>
{
    /// <summary>Tries everything on the console, and then what it may do at home; answers what came of each.</summary>
    private const string Attack = """
        async console => {
          const said = {};
          const tried = async (name, deed) => {
            try { said[name] = String(await deed()) } catch (e) { said[name] = 'refused' }
          };
          const socket = (url) => new Promise((done, fail) => {
            const s = new WebSocket(url);
            s.onmessage = e => { done(e.data); s.close() };
            s.onopen = () => s.send('hello');
            s.onerror = fail;
          });
          await tried('read', async () => (await fetch(console + '/api/v1/session', { credentials: 'include' })).text());
          await tried('blind', async () =>
            (await fetch(console + '/api/v1/session', { credentials: 'include', mode: 'no-cors' })).type);
          await tried('mint', async () => (await fetch(console + '/api/v1/tokens', {
            method: 'POST', credentials: 'include', mode: 'no-cors',
            body: JSON.stringify({ name: 'stolen', scopes: ['jobs:read'] }) })).type);
          await tried('image', () => new Promise((done, fail) => {
            const i = new Image();
            i.onload = done; i.onerror = fail; i.src = console + '/api/v1/session';
            document.body.append(i);
          }));
          await tried('hub', () => socket(console.replace('http', 'ws') + '/hubs/live'));
          await tried('frame', () => new Promise(done => {
            const f = document.createElement('iframe');
            f.onload = () => done('loaded'); f.src = console + '/';
            document.body.append(f);
          }));
          await tried('cookies', () => document.cookie);
          await tried('wide worker', async () => (await navigator.serviceWorker.register('sw.js', { scope: '/' })).scope);
          await tried('own worker', async () => new URL((await navigator.serviceWorker.register('sw.js')).scope).pathname);
          await tried('own data', async () => (await fetch('data')).text());
          await tried('own post', async () => (await fetch('data', { method: 'POST', body: 'x' })).text());
          await tried('own socket', () => socket('ws://' + location.host + location.pathname + 'ws'));
          return JSON.stringify(said);
        }
        """;

    private static Task AnswerAsync(HttpContext c)
    {
        if (c.WebSockets.IsWebSocketRequest)
        {
            return Container.EchoAsync(c);
        }
        var path = c.Request.Path.Value!;
        c.Response.ContentType =
            path.EndsWith("sw.js", StringComparison.Ordinal) ? "text/javascript"
            : path.EndsWith('/') ? "text/html"
            : "text/plain";
        c.Response.Headers["Service-Worker-Allowed"] = "/";
        return c.Response.WriteAsync(path.EndsWith('/') ? "<!doctype html><title>evil</title><body>hello" : "");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_hostile_page_gets_nothing_of_the_console_and_works_at_home(bool hostPerEndpoint)
    {
        var ct = TestContext.Current.CancellationToken;
        await using var container = await Container.StartAsync(AnswerAsync);
        var owner = await host.AddMemberAsync();
        var workload = await RunningWorkload.AddAsync(host, owner, container.Address, "app");
        var gateway = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{TestPorts.Free()}"));
        await using var app = ApiHost.Build(host.Options with { Gateway = ApiHost.At(gateway, hostPerEndpoint) });
        await app.StartAsync(ct);
        var address = new Uri(app.Urls.First());
        using var session = await ApiBrowser.SignedInAsync(address, owner.UserName);
        await using var context = await chromium.NewContextAsync();
        await context.AddCookiesAsync(
            session
                .Cookies.GetCookies(address)
                .Select(c => new Microsoft.Playwright.Cookie
                {
                    Name = c.Name,
                    Value = c.Value,
                    Domain = "127.0.0.1",
                    Path = "/",
                    HttpOnly = true,
                    SameSite = SameSiteAttribute.Lax,
                })
        );
        var page = await context.NewPageAsync();
        await page.GotoAsync(new Uri(address, $"/open/{workload.Id}/app").ToString());
        var home = hostPerEndpoint
            ? string.Create(CultureInfo.InvariantCulture, $"http://{workload.Id}-app.localhost:{gateway.Port}")
            : gateway.GetLeftPart(UriPartial.Authority);
        Assert.Equal(home + workload.Path, page.Url);
        Assert.Equal("hello", await page.InnerTextAsync("body"));

        var console = address.GetLeftPart(UriPartial.Authority);
        var said = JsonSerializer.Deserialize<Dictionary<string, string>>(
            await page.EvaluateAsync<string>(Attack, console)
        )!;
        Assert.Equal(
            new Dictionary<string, string>
            {
                ["read"] = "refused",
                ["blind"] = "opaque",
                ["mint"] = "opaque",
                ["image"] = "refused",
                ["hub"] = "refused",
                ["frame"] = "loaded",
                ["cookies"] = "",
                ["wide worker"] = "refused",
                ["own worker"] = workload.Path,
                ["own data"] = "",
                ["own post"] = "",
                ["own socket"] = "hello",
            }.OrderBy(e => e.Key),
            said.OrderBy(e => e.Key)
        );
        // A refused frame shows the browser's own page
        Assert.StartsWith("chrome-error:", page.Frames[1].Url, StringComparison.Ordinal);
        await using (var db = await host.DbAsync())
        {
            Assert.False(await db.Tokens.AnyAsync(t => t.UserId == owner.Id && t.Name == "stolen", ct));
        }
        // A window that it opens cannot be read or steered by it
        var popup = await page.RunAndWaitForPopupAsync(() =>
            page.EvaluateAsync("console => { window.stolen = window.open(console + '/') }", console)
        );
        await popup.WaitForLoadStateAsync();
        Assert.Equal("first page", await popup.InnerTextAsync("body"));
        Assert.True(
            await page.EvaluateAsync<bool>(
                "() => { try { return !window.stolen.location.href } catch { return true } }"
            )
        );
        Assert.True(await popup.EvaluateAsync<bool>("() => window.opener === null"));
        // Nothing of the console's went to the container
        Assert.DoesNotContain(
            container.Requests,
            r => r["Cookie"]?.Contains("deeplab", StringComparison.Ordinal) == true
        );
        // Whoever has no ticket is told so by a page
        await context.ClearCookiesAsync();
        var closed = await page.GotoAsync(home + workload.Path);
        Assert.Equal((int)HttpStatusCode.Unauthorized, closed!.Status);
        await app.StopAsync(ct);
    }
}
