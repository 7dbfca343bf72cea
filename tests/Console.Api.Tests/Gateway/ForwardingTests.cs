using System.IO.Compression;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace DeepLab.Api.Tests.Gateway;

public sealed class ForwardingTests(ApiHost host)
{
    [Fact]
    public async Task Path_query_and_host_arrive_as_they_were_sent_with_the_environments_own_token()
    {
        await using var container = await Container.StartAsync();
        var (workload, visitor) = await Visitor.EnterAsync(host, container.Address);
        using var _ = visitor;
        const string rest = "api/contents/a%20b%2Fc.ipynb?content=1&code=not-ours&x=%2F";
        using var answer = await visitor.Http.GetAsync(workload.Path + rest);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var seen = Assert.Single(container.Requests);
        Assert.Equal(workload.Path + rest, seen.Target);
        Assert.Equal(host.Gateway.Authority, seen["Host"]);
        Assert.Equal($"token {RunningWorkload.Token}", seen["Authorization"]);

        // The token is for Jupyter alone, and an address without its slash is not the program's
        var (board, second) = await Visitor.EnterAsync(host, RunningWorkload.Nowhere(), "tensorboard");
        using var __ = second;
        await board.RunAsync(container.Address);
        using var slash = await second.Http.GetAsync(board.Path.TrimEnd('/') + "?a=1");
        Assert.Equal(board.Path + "?a=1", slash.Headers.Location!.OriginalString);
        using var plain = await second.Http.GetAsync(board.Path);
        Assert.Null(container.Requests.Last()["Authorization"]);
    }

    [Fact]
    public async Task Nothing_of_the_console_reaches_a_container()
    {
        await using var container = await Container.StartAsync(c =>
            c.WebSockets.IsWebSocketRequest ? Container.EchoAsync(c) : c.Response.WriteAsync("hello")
        );
        var (workload, visitor) = await Visitor.EnterAsync(host, container.Address, "app");
        using var _ = visitor;
        (string, string)[] headers =
        [
            (
                "Cookie",
                $"deeplab=CONSOLE; __Host-deeplab=CONSOLE; deeplab-form=CONSOLE; .AspNetCore.X=CONSOLE; own=1; {visitor.Cookie}"
            ),
            ("Authorization", "Bearer CONSOLE"),
            ("Proxy-Authorization", "Basic CONSOLE"),
            ("RequestVerificationToken", "CONSOLE"),
            ("Forwarded", "for=FORGED"),
            ("X-Forwarded-For", "FORGED"),
            ("X-Forwarded-Prefix", "FORGED"),
            ("X-Forwarded-User", "FORGED"),
            ("X-Real-IP", "FORGED"),
            ("X-Scheme", "FORGED"),
            ("X-HTTP-Method-Override", "FORGED"),
        ];
        visitor.Http.DefaultRequestHeaders.Remove("Cookie");
        using var answer = await visitor.SendAsync(HttpMethod.Get, workload.Path, headers);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var (socket, status) = await visitor.ConnectAsync(workload.Path + "ws");
        using var __ = socket;
        Assert.Equal(HttpStatusCode.SwitchingProtocols, status);
        Assert.Equal(2, container.Requests.Count);
        foreach (var seen in container.Requests)
        {
            var all = string.Join('\n', seen.Headers.Select(h => $"{h.Key}: {h.Value}"));
            Assert.DoesNotContain("CONSOLE", all, StringComparison.Ordinal);
            Assert.DoesNotContain("FORGED", all, StringComparison.Ordinal);
            Assert.DoesNotContain("deeplab", all, StringComparison.OrdinalIgnoreCase);
            Assert.Null(seen["Authorization"]);
            Assert.Equal("127.0.0.1", seen["X-Forwarded-For"]);
            Assert.Equal("http", seen["X-Forwarded-Proto"]);
        }
        Assert.Equal("own=1", container.Requests.First()["Cookie"]);
    }

    [Fact]
    public async Task A_containers_headers_do_not_reach_beyond_its_path()
    {
        await using var container = await Container.StartAsync(c =>
        {
            var h = c.Response.Headers;
            h.SetCookie = new[]
            {
                "a=1; Domain=127.0.0.1; Path=/",
                "deeplab=stolen; Path=/",
                "__Host-deeplab=stolen; Path=/; Secure",
                "__Secure-deeplab-form=x; Secure",
                "__Host-x=1; Path=/; Secure",
                "deeplab-1-jupyter=x",
                "=deeplab=x",
                "nameless",
                "root=1; path=/; HttpOnly",
                "none=1",
                "below=1; Path=" + c.Request.Path + "sub",
                "twice=1; Path=" + c.Request.Path + "; Path=/; SameSite=Strict",
            };
            h.StrictTransportSecurity = "max-age=1; includeSubDomains";
            h.AltSvc = "h3=\":443\"";
            h["Clear-Site-Data"] = "\"*\"";
            h["Service-Worker-Allowed"] = "/";
            h["Public-Key-Pins"] = "x";
            h["NEL"] = "{}";
            h["Report-To"] = "{}";
            h["X-Own"] = "kept";
            h.ContentSecurityPolicy = "default-src 'self'; frame-ancestors *";
            return c.Response.WriteAsync("hello");
        });
        var (workload, visitor) = await Visitor.EnterAsync(host, container.Address);
        using var _ = visitor;
        using var answer = await visitor.Http.GetAsync(workload.Path);
        Assert.Equal(
            [
                $"root=1; HttpOnly; Path={workload.Path}",
                $"none=1; Path={workload.Path}",
                $"below=1; Path={workload.Path}sub",
                $"twice=1; SameSite=Strict; Path={workload.Path}",
            ],
            answer.Headers.GetValues("Set-Cookie")
        );
        string[] gone =
        [
            "Strict-Transport-Security",
            "Alt-Svc",
            "Clear-Site-Data",
            "Service-Worker-Allowed",
            "Public-Key-Pins",
            "NEL",
            "Report-To",
        ];
        Assert.DoesNotContain(gone, answer.Headers.Contains);
        Assert.Equal("kept", answer.Headers.GetValues("X-Own").Single());
        Assert.Equal("same-origin", answer.Headers.GetValues("Referrer-Policy").Single());
        Assert.Equal(
            ["default-src 'self'; frame-ancestors *", "frame-ancestors 'self'"],
            answer.Headers.GetValues("Content-Security-Policy")
        );
    }

    [Theory]
    [InlineData("POST", "https://evil.example", "cross-site")]
    [InlineData("POST", "https://evil.example", null)]
    [InlineData("DELETE", "null", null)]
    [InlineData("PUT", null, null)]
    [InlineData("POST", "console", "same-site")]
    [InlineData("GET", "console", "same-site")]
    [InlineData("GET", null, "cross-site")]
    [InlineData("OPTIONS", "https://evil.example", null)]
    public async Task What_another_site_sends_is_refused_before_the_container(
        string method,
        string? origin,
        string? site
    )
    {
        await using var container = await Container.StartAsync();
        var (workload, visitor) = await Visitor.EnterAsync(host, container.Address);
        using var _ = visitor;
        var console = host.Address.GetLeftPart(UriPartial.Authority);
        using var answer = await visitor.SendAsync(
            new HttpMethod(method),
            workload.Path + "api/kernels",
            [
                .. origin is null ? [] : ((string, string)[])[("Origin", origin == "console" ? console : origin)],
                .. site is null ? [] : ((string, string)[])[("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "cors")],
            ]
        );
        await answer.ProblemAsync(HttpStatusCode.Forbidden);
        Assert.Equal(0, container.Connections);
    }

    [Theory]
    [InlineData("POST", "own", null, null, null)]
    [InlineData("POST", "own", "same-origin", "cors", "empty")]
    [InlineData("POST", "null", "same-origin", "navigate", "document")]
    [InlineData("GET", null, "none", "navigate", "document")]
    [InlineData("GET", null, "cross-site", "navigate", "document")]
    [InlineData("GET", null, "same-origin", "no-cors", "script")]
    public async Task What_its_own_pages_and_a_link_send_passes(
        string method,
        string? origin,
        string? site,
        string? mode,
        string? destination
    )
    {
        await using var container = await Container.StartAsync();
        var (workload, visitor) = await Visitor.EnterAsync(host, container.Address);
        using var _ = visitor;
        (string Name, string? Value)[] headers =
        [
            ("Origin", origin == "own" ? visitor.Origin : origin),
            ("Sec-Fetch-Site", site),
            ("Sec-Fetch-Mode", mode),
            ("Sec-Fetch-Dest", destination),
        ];
        using var answer = await visitor.SendAsync(
            new HttpMethod(method),
            workload.Path,
            [.. headers.Where(h => h.Value is not null).Select(h => (h.Name, h.Value!))]
        );
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Single(container.Requests);
    }

    [Fact]
    public async Task A_redirect_is_handed_on_and_not_followed()
    {
        await using var inside = await Container.StartAsync();
        await using var container = await Container.StartAsync(c =>
        {
            c.Response.Redirect($"http://{inside.Address}/latest/meta-data/");
            return Task.CompletedTask;
        });
        var (workload, visitor) = await Visitor.EnterAsync(host, container.Address);
        using var _ = visitor;
        using var answer = await visitor.Http.GetAsync(workload.Path);
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
        Assert.Equal($"http://{inside.Address}/latest/meta-data/", answer.Headers.Location!.OriginalString);
        Assert.Equal(0, inside.Connections);
    }

    [Fact]
    public async Task A_compressed_bomb_is_handed_on_as_it_is()
    {
        using var bomb = new MemoryStream();
        await using (var gzip = new GZipStream(bomb, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            await gzip.WriteAsync(new byte[64 << 20]);
        }
        await using var container = await Container.StartAsync(async c =>
        {
            c.Response.Headers.ContentEncoding = "gzip";
            await c.Response.Body.WriteAsync(bomb.ToArray());
        });
        var (workload, visitor) = await Visitor.EnterAsync(host, container.Address);
        using var _ = visitor;
        using var answer = await visitor.SendAsync(HttpMethod.Get, workload.Path, ("Accept-Encoding", "gzip"));
        Assert.Equal(bomb.Length, (await answer.Content.ReadAsByteArrayAsync()).Length);
        Assert.Equal(["gzip"], answer.Content.Headers.ContentEncoding);
    }

    [Fact]
    public async Task Large_uploads_and_answers_that_trickle_are_streamed()
    {
        const int megabytes = 40;
        var go = new TaskCompletionSource();
        await using var container = await Container.StartAsync(async c =>
        {
            if (HttpMethods.IsPut(c.Request.Method))
            {
                long sum = 0;
                var buffer = new byte[1 << 16];
                for (int n; (n = await c.Request.Body.ReadAsync(buffer)) > 0; sum += n) { }
                await c.Response.WriteAsync($"{sum}");
                return;
            }
            c.Response.ContentType = "text/event-stream";
            await c.Response.WriteAsync("data: one\n\n");
            await c.Response.Body.FlushAsync();
            await go.Task;
            await c.Response.WriteAsync("data: two\n\n");
        });
        var (workload, visitor) = await Visitor.EnterAsync(host, container.Address);
        using var _ = visitor;
        visitor.Http.DefaultRequestHeaders.Add("Origin", visitor.Origin);
        using var put = await visitor.Http.PutAsync(workload.Path, new ByteArrayContent(new byte[megabytes << 20]));
        Assert.Equal($"{megabytes << 20}", await put.Content.ReadAsStringAsync());
        using var events = await visitor.SendAsync(HttpMethod.Get, workload.Path);
        using var reader = new StreamReader(await events.Content.ReadAsStreamAsync(), Encoding.UTF8);
        Assert.Equal("data: one", await reader.ReadLineAsync());
        go.SetResult();
        Assert.Contains("two", await reader.ReadToEndAsync(), StringComparison.Ordinal);
    }
}
