using System.Net;
using System.Text.Json;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Images;

public sealed class ImagesApiTests(ApiHost host)
{
    private static string NewName(string kind) => $"{kind}-x{Guid.NewGuid().ToString("N")[..8]}";

    [Fact]
    public async Task Only_an_admin_says_when_images_leave_their_hosts_and_until_then_none_does()
    {
        using var admin = host.Admin();
        Assert.Equal(
            JsonValueKind.Null,
            (await admin.GetJsonAsync("/api/v1/image-policy")).GetProperty("unusedDays").ValueKind
        );
        using var none = await PutAsync(admin, "?dryRun=true", "{}");
        Assert.Empty((await none.OkAsync(HttpStatusCode.OK)).GetProperty("items").EnumerateArray());
        foreach (var query in (string[])["", "?dryRun=true"])
        {
            using var refused = await PutAsync(admin, query, """{"unusedDays":0}""");
            Assert.Equal(["unusedDays"], (await refused.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        }
        var member = await host.AddMemberAsync();
        using var client = host.Client(await host.SignInAsync(member.UserName, ApiHost.Password));
        using var forbidden = await PutAsync(client, "", """{"unusedDays":30}""");
        await forbidden.ProblemAsync(HttpStatusCode.Forbidden);

        using var saved = await PutAsync(admin, "", """{"unusedDays":30,"foreign":true}""");
        Assert.Equal(30, (await saved.OkAsync(HttpStatusCode.OK)).GetProperty("unusedDays").GetInt32());
        Assert.True((await admin.GetJsonAsync("/api/v1/image-policy")).GetProperty("foreign").GetBoolean());
        using var off = await PutAsync(admin, "", "{}");
        await off.OkAsync(HttpStatusCode.OK);

        static Task<HttpResponseMessage> PutAsync(HttpClient with, string query, string body) =>
            with.PutAsync($"/api/v1/image-policy{query}", Answers.Json(body));
    }

    [Fact]
    public async Task Whoever_may_not_see_an_image_finds_none_and_uses_it_neither_by_name_nor_by_any_spelling_of_its_reference()
    {
        await host.MakeRoomAsync();
        var owner = await host.AddMemberAsync();
        var name = NewName("snap");
        var reference = MadeImages.Reference(name, "1", 7);
        await using (var db = await host.DbAsync())
        {
            db.Images.Add(
                new CatalogueImage
                {
                    Id = Guid.NewGuid(),
                    Name = name,
                    Reference = reference,
                    Framework = "PyTorch",
                    FrameworkVersion = "1",
                    Origin = ImageOrigin.Snapshot,
                    OwnerId = owner.Id,
                    OwnerName = owner.UserName,
                    Shared = false,
                    CreatedAt = TimeProvider.System.GetUtcNow(),
                }
            );
            var machine = await db.Hosts.SingleAsync(h => h.Name == "local");
            machine.Images = [.. machine.Images, reference];
            await db.SaveChangesAsync();
        }
        using var mine = host.Client(await host.SignInAsync(owner.UserName, ApiHost.Password));
        using var others = host.Client(
            await host.SignInAsync((await host.AddMemberAsync()).UserName, ApiHost.Password)
        );
        Assert.Contains(name, await NamesAsync(mine));
        Assert.DoesNotContain(name, await NamesAsync(others));
        foreach (var (method, path, body) in Ways(name))
        {
            using var refused = await others.SendAsync(
                new HttpRequestMessage(method, path) { Content = body is null ? null : Answers.Json(body) }
            );
            await refused.ProblemAsync(HttpStatusCode.NotFound);
        }
        foreach (
            var spelled in (string[])
                [reference, $"docker.io/{reference}", $"index.docker.io/{reference}", $"{reference.Split(':')[0]}:2"]
        )
        {
            using var refused = await others.PostAsync("/api/v1/jobs", Job(spelled));
            Assert.Equal(["image"], (await refused.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        }
        foreach (var id in (string[])["0123abcd", "face", $"sha256:{new string('a', 64)}", "sha256:0123ab"])
        {
            using var refused = await others.PostAsync("/api/v1/jobs", Job(id));
            Assert.Equal(["image"], (await refused.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        }

        // The name alone is nothing to them: what runs then is whatever registries call so, never the image
        using (var submitted = await others.PostAsync("/api/v1/jobs", Job(name)))
        {
            var id = (await submitted.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
            Assert.Null(await PinnedAsync(id));
        }
        using (var submitted = await mine.PostAsync("/api/v1/jobs", Job(name)))
        {
            var id = (await submitted.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
            Assert.Equal(reference, await PinnedAsync(id));
        }
        using (var inUse = await mine.DeleteAsync($"/api/v1/images/{name}"))
        {
            await inUse.ProblemAsync(HttpStatusCode.Conflict);
        }
        using (var shared = await mine.PutAsync($"/api/v1/images/{name}/shared", Answers.Json("""{"shared":true}""")))
        {
            await shared.OkAsync(HttpStatusCode.NoContent);
        }
        Assert.Contains(name, await NamesAsync(others));
        using var stillOthers = await others.DeleteAsync($"/api/v1/images/{name}");
        await stillOthers.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task An_admin_enters_edits_and_removes_an_image_and_is_told_all_that_is_wrong_at_once()
    {
        using var client = host.Admin();
        var name = NewName("torch");
        using var wrong = await client.PostAsync(
            "/api/v1/images",
            Answers.Json("""{"name":"-","reference":"deeplab-made/x:1","framework":"","features":["Jupyter !"]}""")
        );
        Assert.Equal(
            ["features[0]", "framework", "name", "reference"],
            (await wrong.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths().Order()
        );
        using var made = await client.PostAsync("/api/v1/images", Entry(name, "registry.example.org/torch:1"));
        await made.OkAsync(HttpStatusCode.Created);
        using var again = await client.PostAsync("/api/v1/images", Entry(name, "registry.example.org/torch:1"));
        await again.ProblemAsync(HttpStatusCode.Conflict);
        using var edited = await client.PutAsync($"/api/v1/images/{name}", Entry(name, "registry.example.org/torch:2"));
        await edited.OkAsync(HttpStatusCode.NoContent);
        var found = await client.GetJsonAsync($"/api/v1/images/{name}");
        Assert.Equal("registry.example.org/torch:2", found.GetProperty("reference").GetString());
        Assert.Equal("3.13", found.GetProperty("python").GetString());

        using var nowhere = await client.PostAsync(
            $"/api/v1/images/{name}/pulls",
            Answers.Json("""{"hosts":["no-such-host","another"]}""")
        );
        Assert.Equal(
            ["hosts[0]", "hosts[1]"],
            (await nowhere.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths()
        );
        using var member = host.Client(
            await host.SignInAsync((await host.AddMemberAsync()).UserName, ApiHost.Password)
        );
        foreach (
            var (path, body) in new[]
            {
                ("/api/v1/images", """{"name":"x-x","reference":"x","framework":"x"}"""),
                ($"/api/v1/images/{name}/pulls", """{"hosts":["local"]}"""),
                ("/api/v1/images/builds", """{"name":"x-x","host":"local","dockerfile":"FROM scratch"}"""),
                ("/api/v1/images/prune", "{}"),
            }
        )
        {
            using var refused = await member.PostAsync(path, Answers.Json(body));
            await refused.ProblemAsync(HttpStatusCode.Forbidden);
        }
        using var removed = await client.DeleteAsync($"/api/v1/images/{name}");
        await removed.OkAsync(HttpStatusCode.NoContent);
        using var gone = await client.GetAsync($"/api/v1/images/{name}");
        await gone.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task An_environments_definition_makes_the_same_environment_again()
    {
        await host.MakeRoomAsync();
        using var client = host.Admin();
        using var first = await client.PostAsync(
            "/api/v1/environments",
            Answers.Json(
                """
                {"name":"defined","image":"pytorch-cpu","cpus":0.5,"memory":"512MiB","env":{"A":"b"},
                 "jupyter":{"enabled":true,"password":"quite secret"},"ports":[{"name":"app","port":8080}],"idleAfter":"never"}
                """
            )
        );
        var id = (await first.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        var definition = await client.GetStringAsync($"/api/v1/environments/{id}/definition");
        Assert.DoesNotContain("quite secret", definition);
        using var second = await client.PostAsync("/api/v1/environments", Answers.Json(definition));
        var copy = (await second.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        await using var db = await host.DbAsync();
        var specs = await db.Workloads.Where(w => w.Id == id || w.Id == copy).Select(w => w.SpecHash).ToListAsync();
        Assert.Single(specs.Distinct());

        using var others = host.Client(
            await host.SignInAsync((await host.AddMemberAsync()).UserName, ApiHost.Password)
        );
        using var hidden = await others.GetAsync($"/api/v1/environments/{id}/definition");
        await hidden.ProblemAsync(HttpStatusCode.NotFound);
        using var snapshot = await others.PostAsync(
            $"/api/v1/environments/{id}/snapshot",
            Answers.Json("""{"name":"not-mine"}""")
        );
        await snapshot.ProblemAsync(HttpStatusCode.NotFound);
        using var early = await client.PostAsync(
            $"/api/v1/environments/{id}/snapshot",
            Answers.Json("""{"name":"too-early"}""")
        );
        await early.ProblemAsync(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task An_image_of_a_role_is_looked_up_and_pinned_like_the_jobs()
    {
        using var client = host.Admin();
        await host.MakeRoomAsync();
        var (mine, pinned) = ($"role-{Guid.NewGuid():N}"[..20], $"reg.example/role@sha256:{new string('7', 64)}");
        using var entry = await client.PostAsync("/api/v1/images", Entry(mine, "reg.example/role:1"));
        await entry.OkAsync(HttpStatusCode.Created);
        await using (var db = await host.DbAsync())
        {
            await db.Images.Where(i => i.Name == mine).ExecuteUpdateAsync(s => s.SetProperty(i => i.Pinned, pinned));
        }
        using var accepted = await client.PostAsync("/api/v1/jobs", Job($$"""{"name":"ps","image":"{{mine}}"}"""));
        var id = (await accepted.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        var job = await client.GetJsonAsync($"/api/v1/jobs/{id}");
        Assert.Equal(pinned, job.GetProperty("pinnedRoleImages").GetProperty(mine).GetString());
        Assert.Equal(JsonValueKind.Null, job.GetProperty("pinnedImage").ValueKind);
        Assert.Equal(mine, job.GetProperty("spec").GetProperty("roles")[1].GetProperty("image").GetString());

        using var refused = await client.PostAsync(
            "/api/v1/jobs",
            Job("""{"name":"ps","image":"deeplab-made/not-there:1-1"},{"name":"q","restartScope":"host"}""")
        );
        Assert.Equal(["roles[2].restartScope"], (await refused.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        using var unknown = await client.PostAsync(
            "/api/v1/jobs",
            Job("""{"name":"ps","image":"deeplab-made/not-there:1-1"}""")
        );
        Assert.Equal(["roles[1].image"], (await unknown.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());

        static StringContent Job(string roles) =>
            Answers.Json(
                $$"""
                {"name":"uses","image":"some/where:1","topology":"parameterServers","roles":[{"name":"worker","command":["true"]},{{roles}}]}
                """
            );
    }

    private static IEnumerable<(HttpMethod, string, string?)> Ways(string name) =>
        [
            (HttpMethod.Get, $"/api/v1/images/{name}", null),
            (HttpMethod.Put, $"/api/v1/images/{name}/shared", """{"shared":true}"""),
            (HttpMethod.Post, $"/api/v1/images/{name}/copies", """{"hosts":["local"]}"""),
            (HttpMethod.Delete, $"/api/v1/images/{name}", null),
        ];

    private static async Task<IEnumerable<string?>> NamesAsync(HttpClient client) =>
        (await client.GetJsonAsync("/api/v1/images"))
            .GetProperty("items")
            .EnumerateArray()
            .Select(i => i.GetProperty("name").GetString());

    private async Task<string?> PinnedAsync(long id)
    {
        await using var db = await host.DbAsync();
        return await db.Workloads.Where(w => w.Id == id).Select(w => w.PinnedImage).SingleAsync();
    }

    private static StringContent Job(string image) =>
        Answers.Json(
            $$$"""
            {"name":"uses","image":"{{{image}}}","roles":[{"name":"worker","command":["true"],"resources":{"cpus":0.1,"memory":"64MiB"}}]}
            """
        );

    private static StringContent Entry(string name, string reference) =>
        Answers.Json(
            $$"""
            {"name":"{{name}}","reference":"{{reference}}","framework":"PyTorch","frameworkVersion":"2.6","python":"3.13",
             "features":["jupyter"],"description":"for a test","shared":true}
            """
        );
}
