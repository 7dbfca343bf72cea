using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using DeepLab.Api.Auth;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Auth;

public sealed class BrowserSessionTests(ApiHost host)
{
    [Fact]
    public async Task The_cookie_is_closed_to_scripts_and_other_sites()
    {
        using var browser = new Browser(host);
        using var answer = await browser.PostFormAsync(
            "/sign-in",
            ("userName", "admin"),
            ("password", ApiHost.Password)
        );
        var cookie = Assert.Single(
            answer.Headers.GetValues("Set-Cookie"),
            c => c.StartsWith("deeplab=", StringComparison.Ordinal)
        );
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=lax", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("path=/", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("domain", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Equal("admin", (await browser.Http.GetJsonAsync("/api/v1/session")).GetProperty("userName").GetString());
    }

    [Theory]
    [InlineData("/jobs?state=Running#x", "/jobs?state=Running#x")]
    [InlineData("//evil.example", "/")]
    [InlineData("/\\evil.example", "/")]
    [InlineData("\\\\evil.example", "/")]
    [InlineData("https:evil.example", "/")]
    [InlineData("https://evil.example/", "/")]
    [InlineData("/x\r\nSet-Cookie: a=b", "/")]
    [InlineData("/\t/evil.example", "/")]
    [InlineData("/a\\..\\b", "/")]
    [InlineData("javascript:alert(1)", "/")]
    [InlineData("/sign-in?returnUrl=/sign-in", "/")]
    [InlineData("", "/")]
    public async Task Only_our_own_addresses_are_returned_to(string returnUrl, string expected)
    {
        using var browser = new Browser(host);
        using var answer = await browser.PostFormAsync(
            "/sign-in",
            ("userName", "admin"),
            ("password", ApiHost.Password),
            ("returnUrl", returnUrl)
        );
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
        Assert.Equal(expected, answer.Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task A_wrong_password_returns_to_the_form_and_sets_no_cookie()
    {
        using var browser = new Browser(host);
        using var answer = await browser.PostFormAsync(
            "/sign-in",
            ("userName", "nobody-here"),
            ("password", "wrong"),
            ("returnUrl", "/jobs")
        );
        Assert.Equal("/sign-in?error=wrong&returnUrl=%2Fjobs", answer.Headers.Location!.OriginalString);
        Assert.Null(browser.Cookies.GetCookies(host.Address)["deeplab"]);
    }

    [Fact]
    public async Task A_form_of_another_site_is_refused()
    {
        using var client = host.Client();
        var fields = new Dictionary<string, string> { ["userName"] = "admin", ["password"] = ApiHost.Password };
        using var form = await client.PostAsync("/sign-in", new FormUrlEncodedContent(fields));
        await form.ProblemAsync(HttpStatusCode.BadRequest);
        using var json = await client.PostAsync("/sign-in", Answers.Json("{}"));
        await json.ProblemAsync(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Signing_out_ends_the_session_even_for_a_copy_of_the_cookie()
    {
        using var browser = await Browser.SignedInAsync(host);
        var copy = browser.Cookies.GetCookieHeader(host.Address);
        using var unasked = await browser.Http.PostAsync("/sign-out", new FormUrlEncodedContent([]));
        await unasked.ProblemAsync(HttpStatusCode.BadRequest);
        using var answer = await browser.PostFormAsync("/sign-out");
        Assert.Equal("/sign-in", answer.Headers.Location!.OriginalString);
        using var thief = host.Client();
        thief.DefaultRequestHeaders.Add("Cookie", copy);
        using var refused = await thief.GetAsync("/api/v1/session");
        await refused.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task A_changed_password_ends_the_sessions_of_the_old_one()
    {
        var member = await host.AddMemberAsync();
        using var one = await Browser.SignedInAsync(host, member.UserName);
        using var two = await Browser.SignedInAsync(host, member.UserName);
        using var wrong = await one.Http.PostAsJsonAsync(
            "/api/v1/session/password",
            new { current = "wrong", @new = "long enough now" }
        );
        Assert.Equal(["current"], (await wrong.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        using var brief = await one.Http.PostAsJsonAsync(
            "/api/v1/session/password",
            new { current = ApiHost.Password, @new = "short" }
        );
        Assert.Equal(["new"], (await brief.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        using var done = await one.Http.PostAsJsonAsync(
            "/api/v1/session/password",
            new { current = ApiHost.Password, @new = "long enough now" }
        );
        Assert.Equal(HttpStatusCode.NoContent, done.StatusCode);
        using var ended = await two.Http.GetAsync("/api/v1/session");
        await ended.ProblemAsync(HttpStatusCode.Unauthorized);
        Assert.NotEmpty(await host.SignInAsync(member.UserName, "long enough now"));
    }

    [Fact]
    public async Task A_cookie_of_another_key_ring_is_401()
    {
        using var client = host.Client();
        client.DefaultRequestHeaders.Add("Cookie", "deeplab=CfDJ8" + new string('A', 200));
        using var answer = await client.GetAsync("/api/v1/session");
        await answer.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Theory]
    [InlineData("Sec-Fetch-Site", "cross-site", false)]
    [InlineData("Sec-Fetch-Site", "same-site", false)]
    [InlineData("Origin", "https://evil.example", false)]
    [InlineData("Origin", "null", false)]
    [InlineData(null, null, false)]
    [InlineData("Sec-Fetch-Site", "same-origin", true)]
    [InlineData("Origin", "own", true)]
    public async Task Unsafe_calls_by_cookie_must_come_from_our_pages(string? header, string? value, bool allowed)
    {
        using var browser = await Browser.SignedInAsync(host);
        browser.Http.DefaultRequestHeaders.Remove("Sec-Fetch-Site");
        if (header is not null)
        {
            browser.Http.DefaultRequestHeaders.Add(
                header,
                value == "own" ? host.Address.GetLeftPart(UriPartial.Authority) : value
            );
        }
        using var answer = await browser.Http.PostAsync(
            "/api/v1/tokens",
            Answers.Json("""{"name":"a","scopes":["jobs:read"]}""")
        );
        if (allowed)
        {
            await answer.OkAsync(HttpStatusCode.Created);
        }
        else
        {
            await answer.ProblemAsync(HttpStatusCode.BadRequest);
        }
    }

    [Fact]
    public async Task Json_as_plain_text_or_as_a_form_is_refused()
    {
        const string Json = """{"name":"a"}""";
        using var browser = await Browser.SignedInAsync(host);
        foreach (var path in (string[])["/api/v1/tokens", "/api/v1/jobs", "/api/v1/environments"])
        {
            // What a form of another site can send without asking first
            HttpContent[] forms =
            [
                new StringContent(Json),
                new FormUrlEncodedContent([new(Json, "")]),
                new MultipartFormDataContent { { new StringContent(Json), "body" } },
            ];
            foreach (var form in forms)
            {
                using var answer = await browser.Http.PostAsync(path, form);
                await answer.ProblemAsync(HttpStatusCode.UnsupportedMediaType);
            }
        }
    }

    [Theory]
    [InlineData("https://evil.example", 403)]
    [InlineData("a container's page", 403)]
    [InlineData(null, 403)]
    [InlineData("own", 101)]
    public async Task Another_site_cannot_open_a_socket(string? origin, int status)
    {
        using var browser = await Browser.SignedInAsync(host);
        using var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        socket.Options.Cookies = browser.Cookies;
        if (origin is not null)
        {
            var ours = origin == "own" ? host.Address : host.Gateway;
            socket.Options.SetRequestHeader(
                "Origin",
                origin.StartsWith("https:", StringComparison.Ordinal) ? origin : ours.GetLeftPart(UriPartial.Authority)
            );
        }
        var address = new UriBuilder(host.Address) { Scheme = "ws", Path = "/hubs/live" }.Uri;
        try
        {
            await socket.ConnectAsync(address, TestContext.Current.CancellationToken);
        }
        catch (WebSocketException)
        {
            // The status says which
        }
        Assert.Equal((HttpStatusCode)status, socket.HttpStatusCode);
    }

    [Fact]
    public async Task A_role_taken_away_counts_for_open_sessions()
    {
        var member = await host.AddMemberAsync();
        using var browser = await Browser.SignedInAsync(host, member.UserName);
        await using (var db = await host.DbAsync())
        {
            await db
                .Users.Where(u => u.Id == member.Id)
                .ExecuteUpdateAsync(s => s.SetProperty(u => u.SecurityStamp, "changed with the role"));
        }
        ((Sessions)host.Services.GetService(typeof(Sessions))!).Forget();
        using var answer = await browser.Http.GetAsync("/api/v1/session");
        await answer.ProblemAsync(HttpStatusCode.Unauthorized);
    }
}
