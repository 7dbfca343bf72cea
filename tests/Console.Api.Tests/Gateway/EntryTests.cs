using System.Net;
using System.Security.Cryptography;
using System.Text;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Gateway;

public sealed class EntryTests(ApiHost host)
{
    [Fact]
    public async Task A_link_of_the_console_becomes_a_cookie_for_that_one_endpoint()
    {
        await using var container = await Container.StartAsync();
        var owner = await host.AddMemberAsync();
        var workload = await RunningWorkload.AddAsync(host, owner, container.Address);
        using var console = await Browser.SignedInAsync(host, owner.UserName);
        using var open = await console.Http.GetAsync($"/open/{workload.Id}/jupyter");
        Assert.Equal(HttpStatusCode.SeeOther, open.StatusCode);
        Assert.Equal("no-referrer", open.Headers.GetValues("Referrer-Policy").Single());
        var link = open.Headers.Location!;
        Assert.Equal(host.Gateway.Authority, link.Authority);
        Assert.Equal(workload.Path, link.AbsolutePath);

        using var visitor = new Visitor(host.Gateway);
        using var entry = await visitor.Http.GetAsync(link);
        Assert.Equal(HttpStatusCode.SeeOther, entry.StatusCode);
        Assert.Equal(workload.Path, entry.Headers.Location!.OriginalString);
        Assert.Equal("no-referrer", entry.Headers.GetValues("Referrer-Policy").Single());
        var cookie = entry.Headers.GetValues("Set-Cookie").Single();
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=lax", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains($"path={workload.Path}", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("domain", cookie, StringComparison.OrdinalIgnoreCase);
        // On the way in nothing reached the container
        Assert.Empty(container.Requests);

        using var again = await visitor.Http.GetAsync(link);
        Assert.Equal(HttpStatusCode.Unauthorized, again.StatusCode);
        Assert.False(again.Headers.Contains("Set-Cookie"));

        using var inside = new Visitor(host.Gateway, cookie.Split(';')[0]);
        Assert.Equal("hello", await inside.Http.GetStringAsync(workload.Path));
    }

    [Fact]
    public async Task A_code_is_kept_as_a_hash_for_a_minute_and_opens_no_other_endpoint()
    {
        await using var container = await Container.StartAsync();
        var owner = await host.AddMemberAsync();
        var workload = await RunningWorkload.AddAsync(host, owner, container.Address);
        var other = await RunningWorkload.AddAsync(host, owner, RunningWorkload.Nowhere());
        using var console = await Browser.SignedInAsync(host, owner.UserName);
        using var visitor = new Visitor(host.Gateway);
        var code = (await LinkAsync(console, workload)).Query["?code=".Length..];
        await using (var db = await host.DbAsync())
        {
            var kept = Assert.Single(await db.GatewayCodes.Where(c => c.WorkloadId == workload.Id).ToListAsync());
            Assert.Equal(SHA256.HashData(Encoding.UTF8.GetBytes(code)), kept.Hash);
            Assert.InRange(
                kept.ExpiresAt,
                TimeProvider.System.GetUtcNow(),
                TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(61)
            );
        }
        using var wrong = await visitor.Http.GetAsync($"{other.Path}?code={code}");
        Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);
        using var spent = await visitor.Http.GetAsync($"{workload.Path}?code={code}");
        Assert.Equal(HttpStatusCode.Unauthorized, spent.StatusCode);

        var late = await LinkAsync(console, workload);
        await using (var db = await host.DbAsync())
        {
            await db
                .GatewayCodes.Where(c => c.WorkloadId == workload.Id)
                .ExecuteUpdateAsync(s =>
                    s.SetProperty(c => c.ExpiresAt, TimeProvider.System.GetUtcNow() - TimeSpan.FromSeconds(1))
                );
        }
        using var old = await visitor.Http.GetAsync(late);
        Assert.Equal(HttpStatusCode.Unauthorized, old.StatusCode);
        Assert.Equal(0, container.Connections);
    }

    [Fact]
    public async Task Of_two_that_use_one_code_at_once_one_gets_in()
    {
        await using var container = await Container.StartAsync();
        var owner = await host.AddMemberAsync();
        var workload = await RunningWorkload.AddAsync(host, owner, container.Address);
        using var console = await Browser.SignedInAsync(host, owner.UserName);
        using var visitor = new Visitor(host.Gateway);
        var link = await LinkAsync(console, workload);
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => visitor.Http.GetAsync(link)));
        Assert.Single(answers, a => a.StatusCode == HttpStatusCode.SeeOther);
        Assert.Equal(7, answers.Count(a => a.StatusCode == HttpStatusCode.Unauthorized));
    }

    [Theory]
    [InlineData("theirs")]
    [InlineData("missing")]
    [InlineData("deleted")]
    [InlineData("ssh")]
    [InlineData("no-such-port")]
    public async Task What_is_not_there_and_what_is_anothers_look_the_same(string which)
    {
        await using var container = await Container.StartAsync();
        var owner = await host.AddMemberAsync();
        var workload = await RunningWorkload.AddAsync(host, owner, container.Address);
        var ssh = await RunningWorkload.AddAsync(host, owner, RunningWorkload.Nowhere(), "ssh", EndpointKind.Tcp);
        var deleted = await RunningWorkload.AddAsync(host, owner, RunningWorkload.Nowhere());
        await deleted.EndAttemptAsync();
        await deleted.ChangeAsync(w => w.DeletedAt = TimeProvider.System.GetUtcNow());
        var (id, name) = which switch
        {
            "missing" => (987654321L, "jupyter"),
            "deleted" => (deleted.Id, "jupyter"),
            "ssh" => (ssh.Id, "ssh"),
            "no-such-port" => (workload.Id, "other"),
            _ => (workload.Id, "jupyter"),
        };
        var asker = which == "theirs" ? (await host.AddMemberAsync()).UserName : owner.UserName;
        using var client = host.Client(await host.SignInAsync(asker, ApiHost.Password));
        using var none = await client.PostAsync("/api/v1/workloads/987654321/endpoints/jupyter/open", null);
        using var answer = await client.PostAsync($"/api/v1/workloads/{id}/endpoints/{name}/open", null);
        Assert.Equal(await WordsAsync(none), await WordsAsync(answer));
        using var console = await Browser.SignedInAsync(host, asker);
        using var page = await console.Http.GetAsync($"/open/{id}/{name}");
        Assert.Equal(HttpStatusCode.NotFound, page.StatusCode);
        Assert.Equal(0, container.Connections);
    }

    [Fact]
    public async Task A_script_gets_the_address_and_an_admin_gets_in_and_both_are_audited()
    {
        await using var container = await Container.StartAsync();
        var owner = await host.AddMemberAsync();
        var workload = await RunningWorkload.AddAsync(host, owner, container.Address);
        using var script = host.Client(await host.SignInAsync(owner.UserName, ApiHost.Password, "jobs:write"));
        using var answer = await script.PostAsync($"/api/v1/workloads/{workload.Id}/endpoints/jupyter/open", null);
        var url = (await answer.OkAsync()).GetProperty("url").GetString()!;
        using var visitor = new Visitor(host.Gateway);
        using var entry = await visitor.Http.GetAsync(url);
        Assert.Equal(HttpStatusCode.SeeOther, entry.StatusCode);

        using var reader = host.Client(await host.SignInAsync(owner.UserName, ApiHost.Password, "jobs:read"));
        using var refused = await reader.PostAsync($"/api/v1/workloads/{workload.Id}/endpoints/jupyter/open", null);
        await refused.ProblemAsync(HttpStatusCode.Forbidden);

        using var console = await Browser.SignedInAsync(host);
        using var admin = await Visitor.EnterAsync(host, console, workload);
        Assert.Equal("hello", await admin.Http.GetStringAsync(workload.Path));
        await using var db = await host.DbAsync();
        var target = $"jupyter of workload {workload.Id}";
        var audit = await db.Audit.Where(a => a.Action == "endpoint.open" && a.Target == target).ToListAsync();
        Assert.Equal([owner.UserName, "admin"], audit.OrderBy(a => a.Id).Select(a => a.Actor));
    }

    [Fact]
    public async Task A_ticket_is_worth_nothing_elsewhere()
    {
        await using var container = await Container.StartAsync();
        var owner = await host.AddMemberAsync();
        var workload = await RunningWorkload.AddAsync(host, owner, container.Address);
        var other = await RunningWorkload.AddAsync(host, owner, RunningWorkload.Nowhere());
        using var console = await Browser.SignedInAsync(host, owner.UserName);
        using var visitor = await Visitor.EnterAsync(host, console, workload);
        var value = visitor.Cookie!.Split('=', 2)[1];
        using var renamed = new Visitor(host.Gateway, $"deeplab-{other.Id}-jupyter={value}");
        using var wrong = await renamed.Http.GetAsync(other.Path);
        Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);
        using var thief = host.Client();
        thief.DefaultRequestHeaders.Add("Cookie", "deeplab=" + value);
        using var session = await thief.GetAsync("/api/v1/session");
        await session.ProblemAsync(HttpStatusCode.Unauthorized);
        // Nor does the console's own cookie open anything at the gateway, where a browser sends it by itself
        using var raw = new Visitor(host.Gateway, console.Cookies.GetCookieHeader(host.Address));
        using var closed = await raw.Http.GetAsync(workload.Path);
        Assert.Equal(HttpStatusCode.Unauthorized, closed.StatusCode);
    }

    private static async Task<string> WordsAsync(HttpResponseMessage answer) =>
        (await answer.ProblemAsync(HttpStatusCode.NotFound)).GetProperty("detail").GetString()!;

    private static async Task<Uri> LinkAsync(Browser console, RunningWorkload workload)
    {
        using var open = await console.Http.GetAsync($"/open/{workload.Id}/{workload.Name}");
        return open.Headers.Location!;
    }
}
