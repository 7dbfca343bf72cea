using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using DeepLab.Api.Auth;
using DeepLab.Core.Operations.Accounts;
using DeepLab.Core.Tenancy;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Auth;

public sealed class TokenTests(ApiHost host)
{
    private async Task<HttpStatusCode> AskAsync(string authorization)
    {
        using var client = host.Client();
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", authorization);
        using var answer = await client.GetAsync("/api/v1/session");
        if (answer.StatusCode != HttpStatusCode.OK)
        {
            await answer.ProblemAsync(HttpStatusCode.Unauthorized);
        }
        return answer.StatusCode;
    }

    [Fact]
    public async Task What_is_no_good_token_is_401()
    {
        Assert.Equal(HttpStatusCode.OK, await AskAsync("Bearer " + host.AdminToken));
        Assert.Equal(HttpStatusCode.OK, await AskAsync("bearer " + host.AdminToken));
        foreach (
            var wrong in (string[])
                [
                    "Bearer dl_" + new string('A', 43),
                    "Bearer " + host.AdminToken[..^1],
                    "Bearer " + host.AdminToken.ToUpperInvariant(),
                    "Bearer " + host.AdminToken + "A",
                    "Bearer",
                    "Bearer ",
                    "Basic YWRtaW46YWRtaW4=",
                    host.AdminToken,
                    "Bearer dl_" + new string('A', 100_00),
                ]
        )
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(wrong));
        }
    }

    [Fact]
    public async Task A_token_in_the_address_is_not_looked_at()
    {
        using var client = host.Client();
        using var api = await client.GetAsync("/api/v1/jobs?access_token=" + host.AdminToken);
        await api.ProblemAsync(HttpStatusCode.Unauthorized);
        using var hub = await client.PostAsync("/hubs/live/negotiate?access_token=" + host.AdminToken, null);
        await hub.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task An_expired_token_is_401()
    {
        var secret = await host.SignInAsync("admin", ApiHost.Password);
        var identity = await host
            .Services.GetRequiredService<TokenVerbs>()
            .AuthenticateAsync(secret, CancellationToken.None);
        await using (var db = await host.DbAsync())
        {
            await db
                .Tokens.Where(t => t.Id == identity!.TokenId)
                .ExecuteUpdateAsync(s =>
                    s.SetProperty(t => t.ExpiresAt, TimeProvider.System.GetUtcNow().AddSeconds(-1))
                );
        }
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync("Bearer " + secret));
    }

    [Fact]
    public async Task A_revoked_token_is_401_at_once_here()
    {
        var secret = await host.SignInAsync("admin", ApiHost.Password);
        using var client = host.Client(secret);
        using var who = await client.GetAsync("/api/v1/session");
        var me = await who.OkAsync();
        Assert.Equal("admin", me.GetProperty("userName").GetString());
        Assert.Equal("Admin", me.GetProperty("role").GetString());
        using var gone = await client.DeleteAsync("/api/v1/session");
        Assert.Equal(HttpStatusCode.NoContent, gone.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync("Bearer " + secret));
    }

    [Fact]
    public async Task A_disabled_users_token_is_401()
    {
        var member = await host.AddMemberAsync();
        var secret = await host.SignInAsync(member.UserName, ApiHost.Password);
        await using (var db = await host.DbAsync())
        {
            await db.Users.Where(u => u.Id == member.Id).ExecuteUpdateAsync(s => s.SetProperty(u => u.Disabled, true));
        }
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync("Bearer " + secret));
        using var client = host.Client();
        using var again = await client.PostAsJsonAsync(
            "/api/v1/session",
            new { userName = member.UserName, password = ApiHost.Password }
        );
        await again.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task An_admins_token_without_the_scope_acts_as_a_member()
    {
        using var client = host.Client(await host.SignInAsync("admin", ApiHost.Password, Scopes.JobsRead));
        Assert.Equal("Member", (await client.GetJsonAsync("/api/v1/session")).GetProperty("role").GetString());
    }

    [Fact]
    public async Task A_member_cannot_have_the_admin_scope()
    {
        var member = await host.AddMemberAsync();
        using var client = host.Client();
        using var answer = await client.PostAsJsonAsync(
            "/api/v1/session",
            new
            {
                userName = member.UserName,
                password = ApiHost.Password,
                scopes = new[] { "admin" },
            }
        );
        Assert.Equal(["scopes"], (await answer.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
    }

    [Fact]
    public async Task People_make_list_and_revoke_tokens()
    {
        using var browser = await Browser.SignedInAsync(host);
        using var made = await browser.Http.PostAsync(
            "/api/v1/tokens",
            Answers.Json("""{"name":"ci","scopes":["jobs:read"],"lifetime":"7.00:00:00"}""")
        );
        var token = await made.OkAsync(HttpStatusCode.Created);
        var secret = token.GetProperty("secret").GetString()!;
        var id = token.GetProperty("token").GetProperty("id").GetString();
        Assert.Equal(HttpStatusCode.OK, await AskAsync("Bearer " + secret));
        var list = await browser.Http.GetJsonAsync("/api/v1/tokens");
        Assert.Contains(list.GetProperty("items").EnumerateArray(), t => t.GetProperty("id").GetString() == id);
        Assert.DoesNotContain(secret, list.GetRawText(), StringComparison.Ordinal);
        using var gone = await browser.Http.DeleteAsync("/api/v1/tokens/" + id);
        Assert.Equal(HttpStatusCode.NoContent, gone.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync("Bearer " + secret));
    }

    [Fact]
    public async Task Another_users_token_looks_missing()
    {
        using var admin = await Browser.SignedInAsync(host);
        using var made = await admin.Http.PostAsync(
            "/api/v1/tokens",
            Answers.Json("""{"name":"a","scopes":["jobs:read"]}""")
        );
        var id = (await made.OkAsync(HttpStatusCode.Created)).GetProperty("token").GetProperty("id").GetString();
        var member = await host.AddMemberAsync();
        using var client = host.Client(await host.SignInAsync(member.UserName, ApiHost.Password));
        using var theirs = await client.DeleteAsync("/api/v1/tokens/" + id);
        using var none = await client.DeleteAsync("/api/v1/tokens/" + Guid.NewGuid());
        Assert.Equal(
            (await none.ProblemAsync(HttpStatusCode.NotFound)).GetProperty("detail").GetString(),
            (await theirs.ProblemAsync(HttpStatusCode.NotFound)).GetProperty("detail").GetString()
        );
    }

    [Theory]
    [InlineData("""{"name":"a","scopes":["jobs:read"],"userId":"x"}""", "userId")]
    [InlineData("""{"name":"a","scopes":["jobs:read"],"expiresAt":"2030-01-01"}""", "expiresAt")]
    [InlineData("""{"name":"a","name":"b","scopes":["jobs:read"]}""", "name")]
    [InlineData("""{"Name":"a","scopes":["jobs:read"]}""", "Name")]
    [InlineData("""{"name":"a","scopes":"jobs:read"}""", "scopes")]
    [InlineData("""{"name":"a","scopes":["jobs:read"],"lifetime":7}""", "lifetime")]
    public async Task Bodies_are_read_strictly(string body, string path)
    {
        using var browser = await Browser.SignedInAsync(host);
        using var answer = await browser.Http.PostAsync("/api/v1/tokens", Answers.Json(body));
        var problem = await answer.ProblemAsync(HttpStatusCode.BadRequest);
        Assert.Equal([path], problem.Paths());
        Assert.DoesNotContain("DeepLab.", problem.GetRawText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_password_lies_in_a_file_that_only_we_can_read()
    {
        var path = Path.Combine(host.DataFolder, FirstAdmin.FileName);
        Assert.Equal(ApiHost.Password + "\n", await File.ReadAllTextAsync(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
            File.GetUnixFileMode(Path.Combine(host.DataFolder, "keys"))
        );
        // A second start changes nothing
        await File.WriteAllTextAsync(path, "kept");
        await host.Services.GetRequiredService<FirstAdmin>().RunAsync(CancellationToken.None);
        Assert.Equal("kept", await File.ReadAllTextAsync(path));
        await File.WriteAllTextAsync(path, ApiHost.Password + "\n");
    }
}
