using System.Net;
using System.Text.Json;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Volumes;

public sealed class VolumesApiTests(ApiHost host)
{
    private static string NewName(string kind) => $"{kind}-{Guid.NewGuid().ToString("N")[..8]}";

    [Fact]
    public async Task A_volume_is_defined_listed_mounted_and_forgotten()
    {
        await host.MakeRoomAsync();
        using var client = host.Admin();
        var name = NewName("data");
        using var made = await client.PostAsync(
            "/api/v1/volumes",
            Answers.Json($$"""{"name":"{{name}}","path":"/srv/{{name}}","description":"digits"}""")
        );
        await made.OkAsync(HttpStatusCode.Created);
        using var again = await client.PostAsync(
            "/api/v1/volumes",
            Answers.Json($$"""{"name":"{{name}}","path":"/srv/other"}""")
        );
        await again.ProblemAsync(HttpStatusCode.Conflict);

        var listed = await FindAsync(client, name);
        Assert.Equal($"/srv/{name}", listed.GetProperty("path").GetString());
        Assert.Equal(0, listed.GetProperty("inUse").GetInt32());

        using var submitted = await client.PostAsync("/api/v1/jobs", Job(name));
        var id = (await submitted.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        Assert.Equal(1, (await FindAsync(client, name)).GetProperty("inUse").GetInt32());
        using var inUse = await client.DeleteAsync($"/api/v1/volumes/{name}");
        await inUse.ProblemAsync(HttpStatusCode.Conflict);
        await using (var db = await host.DbAsync())
        {
            // No loop runs here that would end it
            await db
                .Workloads.Where(w => w.Id == id)
                .ExecuteUpdateAsync(s => s.SetProperty(w => w.State, WorkloadState.Stopped));
        }
        using var removed = await client.DeleteAsync($"/api/v1/volumes/{name}");
        await removed.OkAsync(HttpStatusCode.NoContent);
        using var gone = await client.DeleteAsync($"/api/v1/volumes/{name}");
        await gone.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_members_eyes_see_no_path_and_only_the_volumes_of_their_teams()
    {
        using var client = host.Admin();
        var (open, closed, team, user) = (NewName("open"), NewName("closed"), NewName("team"), NewName("user"));
        using var madeTeam = await client.PostAsync("/api/v1/teams", Answers.Json($$"""{"name":"{{team}}"}"""));
        await madeTeam.OkAsync(HttpStatusCode.Created);
        using var madeUser = await client.PostAsync("/api/v1/users", Answers.Json($$"""{"userName":"{{user}}"}"""));
        var password = (await madeUser.OkAsync(HttpStatusCode.Created)).GetProperty("password").GetString()!;
        using var first = await client.PostAsync(
            "/api/v1/volumes",
            Answers.Json($$"""{"name":"{{open}}","path":"/srv/open","readOnly":true}""")
        );
        await first.OkAsync(HttpStatusCode.Created);
        using var second = await client.PostAsync(
            "/api/v1/volumes",
            Answers.Json($$"""{"name":"{{closed}}","path":"/srv/closed","team":"{{team}}"}""")
        );
        await second.OkAsync(HttpStatusCode.Created);

        using var member = host.Client(await host.SignInAsync(user, password));
        var seen = await FindAsync(member, open);
        Assert.Equal(JsonValueKind.Null, seen.GetProperty("path").ValueKind);
        var all = (await member.GetJsonAsync("/api/v1/volumes")).GetProperty("items").EnumerateArray();
        Assert.DoesNotContain(all, v => v.GetProperty("name").GetString() == closed);
        using var foreign = await member.PostAsync("/api/v1/jobs", Job(closed));
        Assert.Equal(["volumes[0].name"], (await foreign.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        using var writing = await member.PostAsync("/api/v1/jobs", Job(open));
        Assert.Equal(["volumes[0].readOnly"], (await writing.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        using var making = await member.PostAsync(
            "/api/v1/volumes",
            Answers.Json("""{"name":"mine","path":"/srv/mine"}""")
        );
        await making.ProblemAsync(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task An_environment_starts_again_only_while_its_user_may_mount_its_volumes()
    {
        await host.MakeRoomAsync();
        using var client = host.Admin();
        var (name, team) = (NewName("once"), NewName("team"));
        using var volume = await client.PostAsync(
            "/api/v1/volumes",
            Answers.Json($$"""{"name":"{{name}}","path":"/srv/{{name}}"}""")
        );
        await volume.OkAsync(HttpStatusCode.Created);
        using var member = host.Client(
            await host.SignInAsync((await host.AddMemberAsync()).UserName, ApiHost.Password)
        );
        using var made = await member.PostAsync(
            "/api/v1/environments",
            Answers.Json(
                $$"""{"name":"{{name}}","image":"pytorch-cpu","cpus":0.5,"volumes":[{"name":"{{name}}","mountPath":"/v"}]}"""
            )
        );
        var id = (await made.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        await EndAsync(id);
        using var again = await member.PostAsync($"/api/v1/environments/{id}/start", null);
        await again.OkAsync(HttpStatusCode.Accepted);
        await EndAsync(id);

        using var madeTeam = await client.PostAsync("/api/v1/teams", Answers.Json($$"""{"name":"{{team}}"}"""));
        await madeTeam.OkAsync(HttpStatusCode.Created);
        await using (var db = await host.DbAsync())
        {
            var of = await db.Teams.Where(t => t.Name == team).Select(t => t.Id).SingleAsync();
            await db.Volumes.Where(v => v.Name == name).ExecuteUpdateAsync(s => s.SetProperty(v => v.TeamId, of));
        }
        foreach (var verb in (string[])["start", "restart"])
        {
            using var without = await member.PostAsync($"/api/v1/environments/{id}/{verb}", null);
            var why = (await without.ProblemAsync(HttpStatusCode.Conflict)).GetProperty("detail").GetString()!;
            Assert.StartsWith("It cannot mount what it was made with. There is no volume", why);
        }
    }

    private async Task EndAsync(long id)
    {
        await using var db = await host.DbAsync();
        await db
            .Workloads.Where(w => w.Id == id)
            .ExecuteUpdateAsync(s => s.SetProperty(w => w.State, WorkloadState.Stopped));
    }

    [Fact]
    public async Task Everything_that_is_wrong_is_told_at_once()
    {
        using var client = host.Admin();
        using var answer = await client.PostAsync(
            "/api/v1/volumes",
            Answers.Json(
                """{"name":"A b","path":"/var/run/docker.sock","hosts":["no-such-host"],"team":"no-such-team"}"""
            )
        );
        var problem = await answer.ProblemAsync(HttpStatusCode.UnprocessableEntity);
        Assert.Equal(["name", "path", "hosts[0]", "team"], problem.Paths());
        using var homeless = await client.PostAsync("/api/v1/volumes", Answers.Json("""{"name":"own"}"""));
        Assert.Equal(["hosts"], (await homeless.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
    }

    private static HttpContent Job(string volume) =>
        Answers.Json(
            $$"""
            {"name":"mounts","image":"base","roles":[{"name":"worker","command":["true"]}],
             "volumes":[{"name":"{{volume}}","mountPath":"/data"}]}
            """
        );

    private static async Task<JsonElement> FindAsync(HttpClient client, string name) =>
        (await client.GetJsonAsync("/api/v1/volumes"))
            .GetProperty("items")
            .EnumerateArray()
            .Single(v => v.GetProperty("name").GetString() == name);
}
