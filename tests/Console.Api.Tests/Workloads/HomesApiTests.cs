using System.Globalization;
using System.Net;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Workloads;

/// <summary>Homes that outlive their environments.</summary>
public sealed class HomesApiTests(ApiHost host)
{
    [Fact]
    public async Task A_kept_home_is_listed_taken_once_and_kept_again_for_the_next()
    {
        using var client = host.Admin();
        var first = await KeptAsync(client);
        Assert.Equal(first, (await HomeAsync(client, first)).GetProperty("id").GetInt64());
        using (var dry = await PostAsync(client, first, "?dryRun=true"))
        {
            Assert.Empty((await dry.OkAsync()).GetProperty("errors").EnumerateArray());
        }
        var second = await TakeAsync(client, first);
        Assert.Empty(await HomesAsync(client, first));
        await using (var db = await host.DbAsync())
        {
            var rows = await db
                .Workloads.AsNoTracking()
                .Where(w => w.Id == first || w.Id == second)
                .ToDictionaryAsync(w => w.Id);
            Assert.Null(rows[first].HomeHostId);
            // It starts where the home lies
            Assert.NotNull(rows[second].HomeHostId);
        }
        using (var again = await PostAsync(client, first))
        {
            Assert.Equal(["home"], (await again.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        }
        // Of a third the volume is the first's all the same; a clone of it has none of theirs
        await DeleteAsync(client, second);
        var third = await TakeAsync(client, second);
        var spec = (await client.GetJsonAsync(At(third))).GetProperty("spec").GetProperty("environment");
        Assert.Equal(first, spec.GetProperty("home").GetInt64());
        using var clone = await client.PostAsync($"{At(third)}/clone", null);
        var copy = (await clone.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        var copied = (await client.GetJsonAsync(At(copy))).GetProperty("spec").GetProperty("environment");
        Assert.False(copied.TryGetProperty("home", out _));
    }

    [Fact]
    public async Task One_is_removed_once_and_nothing_takes_it_after_that()
    {
        using var client = host.Admin();
        var id = await KeptAsync(client);
        using (var delete = await client.DeleteAsync($"/api/v1/homes/{id}"))
        {
            Assert.Equal(HttpStatusCode.NoContent, delete.StatusCode);
        }
        Assert.Empty(await HomesAsync(client, id));
        await using (var db = await host.DbAsync())
        {
            Assert.True((await db.Workloads.AsNoTracking().SingleAsync(w => w.Id == id)).HomeDiscarded);
        }
        using (var again = await client.DeleteAsync($"/api/v1/homes/{id}"))
        {
            await again.ProblemAsync(HttpStatusCode.NotFound);
        }
        using var take = await PostAsync(client, id);
        Assert.Equal(["home"], (await take.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
    }

    [Fact]
    public async Task Others_neither_see_nor_take_nor_remove_it()
    {
        using var admin = host.Admin();
        var id = await KeptAsync(admin);
        var member = await host.AddMemberAsync();
        using var client = host.Client(await host.SignInAsync(member.UserName, ApiHost.Password));
        Assert.Empty(await HomesAsync(client, id));
        using (var delete = await client.DeleteAsync($"/api/v1/homes/{id}"))
        {
            await delete.ProblemAsync(HttpStatusCode.NotFound);
        }
        using (var take = await PostAsync(client, id))
        {
            var refused = await take.ProblemAsync(HttpStatusCode.UnprocessableEntity);
            using var unknown = await PostAsync(client, 987654321);
            var same = await unknown.ProblemAsync(HttpStatusCode.UnprocessableEntity);
            Assert.Equal(
                Told(refused).Replace(Text(id), "N", StringComparison.Ordinal),
                Told(same).Replace("987654321", "N", StringComparison.Ordinal)
            );
        }
        Assert.Single(await HomesAsync(admin, id));

        static string Told(System.Text.Json.JsonElement problem) => problem.GetProperty("errors").GetRawText();
    }

    [Fact]
    public async Task One_of_an_environment_that_is_there_is_nobodys_to_take()
    {
        using var client = host.Admin();
        var id = await MadeAsync(client);
        using var take = await PostAsync(client, id);
        Assert.Equal(["home"], (await take.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
    }

    private static string Text(long id) => id.ToString(CultureInfo.InvariantCulture);

    private static string At(long id) => $"/api/v1/environments/{Text(id)}";

    private async Task<HttpResponseMessage> PostAsync(HttpClient client, long home, string query = "")
    {
        await host.MakeRoomAsync();
        return await client.PostAsync(
            $"/api/v1/environments{query}",
            Answers.Json($$"""{"name":"next","image":"pytorch-cpu","home":{{Text(home)}}}""")
        );
    }

    private async Task<long> TakeAsync(HttpClient client, long home)
    {
        using var answer = await PostAsync(client, home);
        return (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
    }

    /// <summary>One that has a home on a host.</summary>
    private async Task<long> MadeAsync(HttpClient client)
    {
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync(
            "/api/v1/environments",
            Answers.Json("""{"name":"first","image":"pytorch-cpu"}""")
        );
        var id = (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        await using var db = await host.DbAsync();
        var on = await db.Hosts.Where(h => h.Name == "local").Select(h => h.Id).SingleAsync();
        await db.Workloads.Where(w => w.Id == id).ExecuteUpdateAsync(s => s.SetProperty(w => w.HomeHostId, on));
        return id;
    }

    private async Task<long> KeptAsync(HttpClient client)
    {
        var id = await MadeAsync(client);
        await DeleteAsync(client, id);
        return id;
    }

    private async Task DeleteAsync(HttpClient client, long id)
    {
        await using var db = await host.DbAsync();
        await db
            .Workloads.Where(w => w.Id == id)
            .ExecuteUpdateAsync(s => s.SetProperty(w => w.State, WorkloadState.Stopped));
        using var delete = await client.DeleteAsync(At(id));
        Assert.Equal(HttpStatusCode.NoContent, delete.StatusCode);
    }

    private static async Task<IReadOnlyList<System.Text.Json.JsonElement>> HomesAsync(HttpClient client, long id) =>
        [
            .. (await client.GetJsonAsync("/api/v1/homes"))
                .EnumerateArray()
                .Where(h => h.GetProperty("id").GetInt64() == id),
        ];

    private static async Task<System.Text.Json.JsonElement> HomeAsync(HttpClient client, long id) =>
        Assert.Single(await HomesAsync(client, id));
}
