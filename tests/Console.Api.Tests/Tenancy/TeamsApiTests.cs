using System.Net;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Tenancy;

public sealed class TeamsApiTests(ApiHost host)
{
    private static string NewName(string kind) => $"{kind}-{Guid.NewGuid().ToString("N")[..8]}";

    [Fact]
    public async Task A_team_is_made_changed_listed_and_removed()
    {
        using var client = host.Admin();
        var (team, user) = (NewName("team"), NewName("user"));
        using var madeUser = await client.PostAsync("/api/v1/users", Answers.Json($$"""{"userName":"{{user}}"}"""));
        var password = (await madeUser.OkAsync(HttpStatusCode.Created)).GetProperty("password").GetString()!;
        Assert.Equal(20, password.Length);
        using var made = await client.PostAsync(
            "/api/v1/teams",
            Answers.Json($$"""{"name":"{{team}}","weight":2,"quota":{"gpus":6},"members":["{{user}}"]}""")
        );
        await made.OkAsync(HttpStatusCode.Created);
        using var again = await client.PostAsync("/api/v1/teams", Answers.Json($$"""{"name":"{{team}}"}"""));
        await again.ProblemAsync(HttpStatusCode.Conflict);

        var listed = await FindAsync(client, team);
        Assert.Equal(2, listed.GetProperty("weight").GetDouble());
        Assert.Equal(6, listed.GetProperty("quota").GetProperty("gpus").GetInt32());
        Assert.Equal(user, listed.GetProperty("members")[0].GetString());

        using var changed = await client.PatchAsync(
            $"/api/v1/teams/{team}",
            Answers.Json("""{"quota":{"running":3}}""")
        );
        await changed.OkAsync(HttpStatusCode.NoContent);
        listed = await FindAsync(client, team);
        Assert.Equal(JsonValueKind.Null, listed.GetProperty("quota").GetProperty("gpus").ValueKind);
        Assert.Equal(3, listed.GetProperty("quota").GetProperty("running").GetInt32());
        Assert.Equal(2, listed.GetProperty("weight").GetDouble());

        // The member sees the team, and counts for it without naming it
        using var member = host.Client(await host.SignInAsync(user, password));
        Assert.Contains(
            (await member.GetJsonAsync("/api/v1/teams")).GetProperty("items").EnumerateArray(),
            t => t.GetProperty("name").GetString() == team
        );
        using var refused = await member.PostAsync("/api/v1/teams", Answers.Json("""{"name":"mine"}"""));
        await refused.ProblemAsync(HttpStatusCode.Forbidden);

        using var removed = await client.DeleteAsync($"/api/v1/teams/{team}");
        await removed.OkAsync(HttpStatusCode.NoContent);
        using var gone = await client.DeleteAsync($"/api/v1/teams/{team}");
        await gone.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Everything_that_is_wrong_is_told_at_once()
    {
        using var client = host.Admin();
        using var answer = await client.PostAsync(
            "/api/v1/teams",
            Answers.Json(
                """{"name":"A team","weight":-1,"quota":{"gpus":-1,"cpus":-1,"memory":-1,"running":-1},"members":["nobody-at-all"]}"""
            )
        );
        var problem = await answer.ProblemAsync(HttpStatusCode.UnprocessableEntity);
        Assert.Equal(
            ["name", "weight", "quota.gpus", "quota.cpus", "quota.memory", "quota.running", "members[0]"],
            problem.Paths()
        );
        using var unknown = await client.PostAsync("/api/v1/teams", Answers.Json("""{"name":"a","colour":"red"}"""));
        await unknown.ProblemAsync(HttpStatusCode.BadRequest);
        using var everyone = await client.DeleteAsync("/api/v1/teams/everyone");
        await everyone.ProblemAsync(HttpStatusCode.Conflict);
        using var list = await client.PatchAsync("/api/v1/teams/everyone", Answers.Json("""{"members":[]}"""));
        Assert.Equal(["members"], (await list.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
    }

    [Fact]
    public async Task A_job_is_refused_for_a_team_that_is_not_its_owners()
    {
        using var client = host.Admin();
        var team = NewName("team");
        using var made = await client.PostAsync("/api/v1/teams", Answers.Json($$"""{"name":"{{team}}"}"""));
        await made.OkAsync(HttpStatusCode.Created);
        var stranger = await host.AddMemberAsync();
        using var member = host.Client(await host.SignInAsync(stranger.UserName, ApiHost.Password));
        var job = $$"""{"name":"x","team":"{{team}}","image":"base","roles":[{"name":"worker","command":["true"]}]}""";
        using var refused = await member.PostAsync("/api/v1/jobs", Answers.Json(job));
        Assert.Contains("team", (await refused.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
    }

    [Fact]
    public async Task The_last_admin_stays_and_a_disabled_user_is_out_at_once()
    {
        using var client = host.Admin();
        // A token gives nobody a role, or a leak would last
        using var role = await client.PatchAsync("/api/v1/users/admin", Answers.Json("""{"role":"Member"}"""));
        await role.ProblemAsync(HttpStatusCode.Forbidden);
        using var second = await client.PostAsync(
            "/api/v1/users",
            Answers.Json("""{"userName":"second-admin","role":"Admin"}""")
        );
        await second.ProblemAsync(HttpStatusCode.Forbidden);
        using var disabled = await client.PatchAsync("/api/v1/users/admin", Answers.Json("""{"disabled":true}"""));
        await disabled.ProblemAsync(HttpStatusCode.Conflict);

        var user = await host.AddMemberAsync();
        using var member = host.Client(await host.SignInAsync(user.UserName, ApiHost.Password));
        await (await member.GetAsync("/api/v1/jobs")).OkAsync();
        using var off = await client.PatchAsync(
            $"/api/v1/users/{user.UserName}",
            Answers.Json("""{"disabled":true}""")
        );
        await off.OkAsync(HttpStatusCode.NoContent);
        using var out1 = await member.GetAsync("/api/v1/jobs");
        await out1.ProblemAsync(HttpStatusCode.Unauthorized);
        using var missing = await client.PatchAsync("/api/v1/users/nobody-at-all", Answers.Json("{}"));
        await missing.ProblemAsync(HttpStatusCode.NotFound);
        using var bad = await client.PostAsync(
            "/api/v1/users",
            Answers.Json("""{"userName":"Ann B","password":"longer than ten"}""")
        );
        Assert.Equal(["userName"], (await bad.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
    }

    private static async Task<JsonElement> FindAsync(HttpClient client, string team) =>
        (await client.GetJsonAsync("/api/v1/teams"))
            .GetProperty("items")
            .EnumerateArray()
            .Single(t => t.GetProperty("name").GetString() == team);
}
