using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using DeepLab.Core.Tenancy;

namespace DeepLab.Api.Tests.Workloads;

public sealed class SavedViewsApiTests(ApiHost host)
{
    private async Task<(HttpClient Client, User User)> MemberAsync()
    {
        var user = await host.AddMemberAsync();
        return (host.Client(await host.SignInAsync(user.UserName, ApiHost.Password)), user);
    }

    private static async Task<JsonElement> SaveAsync(HttpClient client, object view)
    {
        using var answer = await client.PostAsJsonAsync("/api/v1/views", view);
        return await answer.OkAsync(HttpStatusCode.Created);
    }

    private static async Task<string[]> NamesAsync(HttpClient client) =>
        [
            .. (await client.GetJsonAsync("/api/v1/views"))
                .GetProperty("items")
                .EnumerateArray()
                .Select(v => v.GetProperty("name").GetString()!),
        ];

    [Fact]
    public async Task A_view_is_its_owner_s_until_a_team_sees_it()
    {
        var (ann, annUser) = await MemberAsync();
        var (bob, bobUser) = await MemberAsync();
        using var admin = host.Admin();
        var team = "t" + Guid.NewGuid().ToString("N")[..8];
        using var made = await admin.PostAsJsonAsync(
            "/api/v1/teams",
            new { name = team, members = new[] { annUser.UserName, bobUser.UserName } }
        );
        await made.OkAsync(HttpStatusCode.Created);

        var view = await SaveAsync(ann, new { name = "mine", query = "state:failed  lr" });
        await SaveAsync(bob, new { name = "bob's", query = "owner:bob" });
        Assert.Equal(["mine"], await NamesAsync(ann));
        Assert.Equal(["bob's"], await NamesAsync(bob));

        var at = $"/api/v1/views/{view.GetProperty("id").GetString()}";
        using var shared = await ann.PutAsJsonAsync(
            at,
            new
            {
                name = "ours",
                query = "state:failed",
                team,
            }
        );
        Assert.Equal(team, (await shared.OkAsync()).GetProperty("team").GetString());
        Assert.Equal(["bob's", "ours"], await NamesAsync(bob));
        Assert.DoesNotContain("ours", await NamesAsync(admin));

        using var foreign = await bob.PutAsJsonAsync(at, new { name = "x", query = "y" });
        await foreign.ProblemAsync(HttpStatusCode.NotFound);
        using var kept = await bob.DeleteAsync(at);
        await kept.ProblemAsync(HttpStatusCode.NotFound);
        using var gone = await ann.DeleteAsync(at);
        await gone.OkAsync(HttpStatusCode.NoContent);
        Assert.Equal(["bob's"], await NamesAsync(bob));
        ann.Dispose();
        bob.Dispose();
    }

    [Fact]
    public async Task All_that_is_wrong_with_a_view_is_told_at_once()
    {
        var (client, _) = await MemberAsync();
        using var empty = await client.PostAsJsonAsync("/api/v1/views", new { });
        Assert.Equal(["name", "query"], (await empty.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        using var wrong = await client.PostAsJsonAsync(
            "/api/v1/views",
            new
            {
                name = new string('x', 61),
                query = "stat:x id:y",
                team = "not-mine",
            }
        );
        Assert.Equal(["name", "query", "query", "team"], (await wrong.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        await SaveAsync(client, new { name = "once", query = "lr" });
        using var twice = await client.PostAsJsonAsync("/api/v1/views", new { name = "once", query = "lr" });
        Assert.Equal(["name"], (await twice.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        client.Dispose();
    }
}
