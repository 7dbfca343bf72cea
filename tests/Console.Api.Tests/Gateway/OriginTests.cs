using System.Net;
using DeepLab.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Gateway;

/// <summary>Two origins that share a process, and nothing else.</summary>
public sealed class OriginTests(ApiHost host)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_endpoint_of_the_console_answers_at_the_gateways_port()
    {
        using var browser = await Browser.SignedInAsync(host);
        using var visitor = new Visitor(host.Gateway, browser.Cookies.GetCookieHeader(host.Address));
        var asked = 0;
        foreach (
            var endpoint in host
                .Services.GetServices<EndpointDataSource>()
                .SelectMany(s => s.Endpoints)
                .OfType<RouteEndpoint>()
        )
        {
            var path = "/" + endpoint.RoutePattern.RawText!.Trim('/');
            foreach (var claimed in (string[])[host.Gateway.Authority, host.Address.Authority])
            {
                asked++;
                using var answer = await visitor.SendAsync(
                    HttpMethod.Get,
                    path.Replace('{', '1').Replace('}', '1'),
                    ("Host", claimed)
                );
                Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
                Assert.Contains(
                    "There is no such endpoint",
                    await answer.Content.ReadAsStringAsync(),
                    StringComparison.Ordinal
                );
            }
        }
        Assert.True(asked > 80, $"only {asked} were asked");
    }

    [Fact]
    public async Task No_path_of_the_gateway_answers_at_the_consoles_port()
    {
        await using var container = await Container.StartAsync();
        var owner = await host.AddMemberAsync();
        var workload = await RunningWorkload.AddAsync(host, owner, container.Address);
        using var console = await Browser.SignedInAsync(host, owner.UserName);
        using var visitor = await Visitor.EnterAsync(host, console, workload);
        using var same = new Visitor(
            host.Address,
            $"{console.Cookies.GetCookieHeader(host.Address)}; {visitor.Cookie}"
        );
        foreach (var claimed in (string[])[host.Gateway.Authority, host.Address.Authority])
        {
            using var answer = await same.SendAsync(HttpMethod.Get, workload.Path, ("Host", claimed));
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        }
        Assert.Equal(0, container.Connections);
    }

    [Fact]
    public async Task Where_names_are_free_each_endpoint_has_an_origin_of_its_own()
    {
        await using var container = await Container.StartAsync();
        var owner = await host.AddMemberAsync();
        var one = await RunningWorkload.AddAsync(host, owner, container.Address);
        var two = await RunningWorkload.AddAsync(host, owner, RunningWorkload.Nowhere());
        var gateway = new Uri($"http://127.0.0.1:{TestPorts.Free()}");
        await using var app = ApiHost.Build(host.Options with { Gateway = ApiHost.At(gateway, hostPerEndpoint: true) });
        await app.StartAsync(Ct);
        using var console = await Browser.SignedInAsync(new Uri(app.Urls.First()), owner.UserName);
        using var open = await console.Http.GetAsync($"/open/{one.Id}/jupyter", Ct);
        var link = open.Headers.Location!;
        Assert.Equal($"{one.Id}-jupyter.localhost:{gateway.Port}", link.Authority);
        using var stranger = new Visitor(gateway);
        using var entry = await stranger.SendAsync(HttpMethod.Get, link.PathAndQuery, ("Host", link.Authority));
        using var visitor = new Visitor(gateway, entry.Headers.GetValues("Set-Cookie").Single().Split(';')[0]);
        using var good = await visitor.SendAsync(HttpMethod.Get, one.Path, ("Host", link.Authority));
        Assert.Equal("hello", await good.Content.ReadAsStringAsync(Ct));
        foreach (var name in (string[])[$"{two.Id}-jupyter.localhost:{gateway.Port}", gateway.Authority, "localhost"])
        {
            using var wrong = await visitor.SendAsync(HttpMethod.Get, one.Path, ("Host", name));
            Assert.Equal(HttpStatusCode.NotFound, wrong.StatusCode);
        }
        // A neighbour is another site
        using var neighbour = await visitor.SendAsync(
            HttpMethod.Post,
            one.Path,
            ("Host", link.Authority),
            ("Origin", $"http://{two.Id}-jupyter.localhost:{gateway.Port}"),
            ("Sec-Fetch-Site", "same-site")
        );
        Assert.Equal(HttpStatusCode.Forbidden, neighbour.StatusCode);
        Assert.Single(container.Requests);
        await app.StopAsync(Ct);
    }

    [Fact]
    public async Task A_trusted_team_finds_it_below_the_consoles_own_address()
    {
        await using var container = await Container.StartAsync();
        var owner = await host.AddMemberAsync();
        var workload = await RunningWorkload.AddAsync(host, owner, container.Address);
        await using var app = ApiHost.Build(host.Options with { Gateway = new GatewayOptions { TrustedTeam = true } });
        await app.StartAsync(Ct);
        var address = new Uri(app.Urls.Single());
        using var console = await Browser.SignedInAsync(address, owner.UserName);
        using var open = await console.Http.GetAsync($"/open/{workload.Id}/jupyter", Ct);
        Assert.Equal(address.Authority, open.Headers.Location!.Authority);
        using var entry = await console.Http.GetAsync(open.Headers.Location, Ct);
        Assert.Equal(HttpStatusCode.SeeOther, entry.StatusCode);
        Assert.Equal("hello", await console.Http.GetStringAsync(workload.Path, Ct));
        Assert.DoesNotContain("deeplab", container.Requests.Single()["Cookie"] ?? "", StringComparison.Ordinal);
        // The session of the console alone opens nothing
        using var fresh = await Browser.SignedInAsync(address, owner.UserName);
        using var closed = await fresh.Http.GetAsync(workload.Path, Ct);
        Assert.Equal(HttpStatusCode.Unauthorized, closed.StatusCode);
        using var worker = new HttpRequestMessage(HttpMethod.Get, workload.Path + "sw.js");
        worker.Headers.Add("Service-Worker", "script");
        using var refused = await console.Http.SendAsync(worker, Ct);
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.Single(container.Requests);
        await app.StopAsync(Ct);
    }

    [Fact]
    public async Task Without_a_gateway_the_console_says_which_setting_is_missing()
    {
        var owner = await host.AddMemberAsync();
        var workload = await RunningWorkload.AddAsync(host, owner, RunningWorkload.Nowhere());
        await using var app = ApiHost.Build(host.Options with { Gateway = null });
        await app.StartAsync(Ct);
        using var console = await Browser.SignedInAsync(new Uri(app.Urls.Single()), owner.UserName);
        using var api = await console.Http.PostAsync(
            $"/api/v1/workloads/{workload.Id}/endpoints/jupyter/open",
            null,
            Ct
        );
        var problem = await api.ProblemAsync(HttpStatusCode.Conflict);
        Assert.Contains("DEEPLAB_GATEWAY_URL", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        using var page = await console.Http.GetAsync($"/open/{workload.Id}/jupyter", Ct);
        Assert.Equal(HttpStatusCode.Conflict, page.StatusCode);
        await app.StopAsync(Ct);
    }

    [Theory]
    [InlineData("same-site", "cors", 403)]
    [InlineData("same-site", "no-cors", 403)]
    [InlineData("cross-site", "no-cors", 403)]
    [InlineData("same-site", "navigate", 200)]
    [InlineData("same-origin", "cors", 200)]
    [InlineData("none", "navigate", 200)]
    public async Task A_containers_page_reads_nothing_of_the_console_with_its_users_cookie(
        string site,
        string mode,
        int status
    )
    {
        using var browser = await Browser.SignedInAsync(host);
        browser.Http.DefaultRequestHeaders.Remove("Sec-Fetch-Site");
        browser.Http.DefaultRequestHeaders.Add("Sec-Fetch-Site", site);
        browser.Http.DefaultRequestHeaders.Add("Sec-Fetch-Mode", mode);
        browser.Http.DefaultRequestHeaders.Add("Origin", host.Gateway.GetLeftPart(UriPartial.Authority));
        using var answer = await browser.Http.GetAsync("/api/v1/session", Ct);
        Assert.Equal((HttpStatusCode)status, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Access-Control-Allow-Origin"));
    }
}
