using System.Net;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Auth;

public sealed partial class DefaultDenyTests(ApiHost host)
{
    /// <summary>All that the anonymous may reach. Whatever else is mapped must ask who is there.</summary>
    private static readonly string[] s_allowed =
    [
        "GET /health/live",
        "GET /health/ready",
        "GET /sign-in",
        "POST /api/v1/session",
        "POST /sign-in",
    ];

    [Fact]
    public async Task The_anonymous_reach_nothing_but_the_allow_list()
    {
        using var client = host.Client();
        var reached = new SortedSet<string>(StringComparer.Ordinal);
        var asked = 0;
        foreach (
            var endpoint in host
                .Services.GetServices<EndpointDataSource>()
                .SelectMany(s => s.Endpoints)
                .OfType<RouteEndpoint>()
        )
        {
            var pattern = "/" + endpoint.RoutePattern.RawText!.Trim('/');
            var path = Parameter()
                .Replace(
                    pattern,
                    m => m.Value.Contains("guid", StringComparison.Ordinal) ? Guid.Empty.ToString() : "1"
                );
            var methods = endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods is { Count: > 0 } some
                ? some
                : ["GET", "POST", "DELETE"];
            foreach (var method in methods)
            {
                asked++;
                using var answer = await client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
                if (
                    answer.StatusCode == HttpStatusCode.Unauthorized
                    && method != "HEAD"
                    && !path.EndsWith("/session", StringComparison.Ordinal)
                )
                {
                    await answer.ProblemAsync(HttpStatusCode.Unauthorized);
                    Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.ToString());
                }
                else if (answer.StatusCode != HttpStatusCode.Unauthorized)
                {
                    reached.Add($"{method} {pattern}");
                }
            }
        }
        Assert.True(asked > 40, $"only {asked} endpoints were found");
        Assert.Equal(s_allowed, reached);
    }

    [Theory]
    [InlineData("/openapi")]
    [InlineData("/openapi/index.html")]
    [InlineData("/openapi/v1.json")]
    [InlineData("/hangfire")]
    [InlineData("/hangfire/js18300")]
    [InlineData("/hubs/live")]
    public async Task Programs_get_401_and_never_a_redirect(string path)
    {
        using var client = host.Client();
        using var answer = await client.GetAsync(path);
        await answer.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task A_browser_that_opens_a_page_is_sent_to_sign_in()
    {
        using var client = host.Client();
        client.DefaultRequestHeaders.Add("Accept", "text/html");
        using var page = await client.GetAsync("/?x=1");
        Assert.Equal(HttpStatusCode.Redirect, page.StatusCode);
        Assert.EndsWith(
            "/sign-in?returnUrl=%2F%3Fx%3D1",
            page.Headers.Location!.OriginalString,
            StringComparison.Ordinal
        );
        using var api = await client.GetAsync("/api/v1/jobs");
        await api.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Theory]
    [InlineData("GET", "/api/v1/jobs", "jobs:write", 403)]
    [InlineData("GET", "/api/v1/jobs", "jobs:read", 200)]
    [InlineData("POST", "/api/v1/jobs", "jobs:read", 403)]
    [InlineData("POST", "/api/v1/jobs/1/stop", "jobs:read", 403)]
    [InlineData("POST", "/api/v1/jobs/1/clone", "jobs:read", 403)]
    [InlineData("DELETE", "/api/v1/jobs/1", "jobs:read", 403)]
    [InlineData("GET", "/api/v1/code/sha256:0", "jobs:read", 403)]
    [InlineData("GET", "/api/v1/hosts", "jobs:read", 403)]
    [InlineData("GET", "/api/v1/hosts", "clusters:read", 200)]
    [InlineData("GET", "/api/v1/queue", "clusters:read", 403)]
    [InlineData("POST", "/api/v1/tokens", "admin", 403)]
    [InlineData("POST", "/api/v1/session/password", "admin", 403)]
    [InlineData("GET", "/hangfire", "admin", 403)]
    public async Task A_token_does_what_its_scope_says(string method, string path, string scope, int status)
    {
        using var client = host.Client(await host.SignInAsync("admin", ApiHost.Password, scope));
        using var answer = await client.SendAsync(
            new HttpRequestMessage(new HttpMethod(method), path)
            {
                Content = method == "POST" ? Answers.Json("{}") : null,
            }
        );
        Assert.Equal((HttpStatusCode)status, answer.StatusCode);
        if (status == 403)
        {
            await answer.ProblemAsync(HttpStatusCode.Forbidden);
        }
    }

    [Fact]
    public async Task Members_do_not_enter_the_dashboard_and_admins_do()
    {
        var member = await host.AddMemberAsync();
        using var one = await Browser.SignedInAsync(host, member.UserName);
        using var refused = await one.Http.GetAsync("/hangfire");
        await refused.ProblemAsync(HttpStatusCode.Forbidden);
        using var two = await Browser.SignedInAsync(host);
        using var answer = await two.Http.GetAsync("/hangfire");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains("DeepLab upkeep", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [GeneratedRegex(@"\{[^}]*\}", RegexOptions.NonBacktracking)]
    private static partial Regex Parameter();
}
