using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Workloads;

public sealed class EnvironmentsApiTests(ApiHost host)
{
    private const string Password = "never told again";
    private const string Key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA someone";

    private static string Body(string name, string more = "") =>
        $$"""{"name":"{{name}}","image":"pytorch-cpu","cpus":0.5,"jupyter":{"password":"{{Password}}"}{{more}}}""";

    private static string NewName() => "env-" + Guid.NewGuid().ToString("N")[..10];

    private async Task<long> CreateAsync(HttpClient client, string body)
    {
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync("/api/v1/environments", Answers.Json(body));
        var made = await answer.OkAsync(HttpStatusCode.Created);
        var id = made.GetProperty("id").GetInt64();
        Assert.Equal($"/api/v1/environments/{id}", answer.Headers.Location!.OriginalString);
        return id;
    }

    private async Task EndAsync(long id)
    {
        await using var db = await host.DbAsync();
        await db
            .Workloads.Where(w => w.Id == id)
            .ExecuteUpdateAsync(s => s.SetProperty(w => w.State, WorkloadState.Stopped));
    }

    [Fact]
    public async Task One_is_made_listed_read_stopped_started_cloned_and_deleted()
    {
        using var client = host.Admin();
        var name = NewName();
        var id = await CreateAsync(client, Body(name, ",\"idleAfter\":\"01:00:00\""));
        var made = await client.GetJsonAsync($"/api/v1/environments/{id}");
        Assert.Equal(name, made.GetProperty("name").GetString());
        Assert.Equal("Queued", made.GetProperty("state").GetString());
        Assert.Equal("Queued", made.GetProperty("progress").GetProperty("step").GetString());
        Assert.Equal("01:00:00", made.GetProperty("idle").GetProperty("after").GetString());
        Assert.Empty(made.GetProperty("links").EnumerateArray());
        Assert.True(made.GetProperty("spec").GetProperty("environment").GetProperty("jupyter").GetBoolean());
        var list = await client.GetJsonAsync($"/api/v1/environments?search={name}");
        Assert.Equal(id, Assert.Single(list.GetProperty("items").EnumerateArray()).GetProperty("id").GetInt64());
        var jobs = await client.GetJsonAsync($"/api/v1/jobs?search={name}");
        Assert.Empty(jobs.GetProperty("items").EnumerateArray());

        using var early = await client.DeleteAsync($"/api/v1/environments/{id}");
        await early.ProblemAsync(HttpStatusCode.Conflict);
        Assert.Equal("Stop", await DesiredAsync("stop"));
        await EndAsync(id);
        using (var start = await client.PostAsync($"/api/v1/environments/{id}/start", null))
        {
            var again = await start.OkAsync(HttpStatusCode.Accepted);
            Assert.Equal(
                ("Queued", "Run"),
                (again.GetProperty("state").GetString(), again.GetProperty("desired").GetString())
            );
        }
        Assert.Equal("Run", await DesiredAsync("restart"));
        using var clone = await client.PostAsync($"/api/v1/environments/{id}/clone", null);
        var second = (await clone.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        Assert.Equal(
            made.GetProperty("spec").GetRawText(),
            (await client.GetJsonAsync($"/api/v1/environments/{second}")).GetProperty("spec").GetRawText()
        );

        await EndAsync(id);
        using var wrong = await client.DeleteAsync($"/api/v1/environments/{id}?home=burn");
        Assert.Equal(["home"], (await wrong.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        using var delete = await client.DeleteAsync($"/api/v1/environments/{id}?home=delete");
        Assert.Equal(HttpStatusCode.NoContent, delete.StatusCode);
        await using var db = await host.DbAsync();
        var row = await db.Workloads.AsNoTracking().SingleAsync(w => w.Id == id);
        Assert.True(row.HomeDiscarded);
        Assert.Equal(
            [second],
            await db
                .Secrets.Where(s => s.WorkloadId == id || s.WorkloadId == second)
                .Select(s => s.WorkloadId)
                .ToListAsync()
        );

        async Task<string?> DesiredAsync(string verb)
        {
            using var answer = await client.PostAsync($"/api/v1/environments/{id}/{verb}", null);
            return (await answer.OkAsync(HttpStatusCode.Accepted)).GetProperty("desired").GetString();
        }
    }

    [Fact]
    public async Task Its_password_can_be_changed_and_taken_away()
    {
        using var client = host.Admin();
        var id = await CreateAsync(client, Body(NewName()));
        var path = $"/api/v1/environments/{id}/password";
        using (var bad = await client.PutAsJsonAsync(path, new { password = "short" }))
        {
            Assert.Equal(["password"], (await bad.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        }
        using (var missing = await client.PutAsJsonAsync(path, new { }))
        {
            Assert.Equal(["password"], (await missing.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        }
        var before = await KeptAsync();
        using (var put = await client.PutAsJsonAsync(path, new { password = "a new one, and long" }))
        {
            Assert.Equal(HttpStatusCode.NoContent, put.StatusCode);
        }
        var after = Assert.Single(await KeptAsync());
        Assert.NotEqual(Assert.Single(before), after);
        Assert.DoesNotContain("a new one", after);
        using (var away = await client.DeleteAsync(path))
        {
            Assert.Equal(HttpStatusCode.NoContent, away.StatusCode);
        }
        Assert.Empty(await KeptAsync());
        using var gone = await client.PutAsJsonAsync(
            "/api/v1/environments/99999999/password",
            new { password = "long enough" }
        );
        await gone.ProblemAsync(HttpStatusCode.NotFound);

        async Task<List<string>> KeptAsync()
        {
            await using var db = await host.DbAsync();
            return await db
                .Secrets.Where(s => s.WorkloadId == id && s.Name == WorkloadSecret.JupyterPassword)
                .Select(s => s.Sealed)
                .ToListAsync();
        }
    }

    [Fact]
    public async Task Its_password_is_never_told_again_and_stands_nowhere_in_plain()
    {
        using var client = host.Admin();
        var id = await CreateAsync(client, Body(NewName()));
        foreach (var path in (string[])["environments", $"environments/{id}", $"jobs/{id}", $"jobs/{id}/events"])
        {
            Assert.DoesNotContain(Password, await client.GetStringAsync($"/api/v1/{path}"));
        }
        await using var db = await host.DbAsync();
        var kept = await db.Secrets.AsNoTracking().Where(s => s.WorkloadId == id).ToListAsync();
        Assert.Equal(
            [WorkloadSecret.JupyterPassword, WorkloadSecret.JupyterToken],
            kept.Select(s => s.Name).Order(StringComparer.Ordinal)
        );
        Assert.All(kept, s => Assert.DoesNotContain(Password, s.Sealed));
        Assert.DoesNotContain(Password, (await db.Workloads.SingleAsync(w => w.Id == id)).SpecJson);
    }

    [Theory]
    [InlineData(
        "{\"name\":\"Bad\",\"image\":\"-v\",\"gpus\":-1,\"jupyter\":{\"password\":\"x\"}}",
        400,
        "gpus image jupyter.password name"
    )]
    [InlineData("{\"name\":\"a\",\"image\":\"img\",\"gpus\":64}", 422, "gpus")]
    [InlineData("{\"name\":\"a\",\"image\":\"img\",\"cluster\":\"elsewhere\"}", 422, "cluster")]
    [InlineData("{\"name\":\"a\",\"image\":\"pytorch-cpu\",\"tensorboard\":true}", 422, "tensorboard")]
    [InlineData("not json", 400, "")]
    public async Task What_is_wrong_is_told_at_its_field_all_at_once(string body, int status, string paths)
    {
        using var client = host.Admin();
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync("/api/v1/environments", Answers.Json(body));
        var problem = await answer.ProblemAsync((HttpStatusCode)status);
        Assert.Equal(paths, string.Join(' ', problem.Paths().Order(StringComparer.Ordinal)));
        Assert.DoesNotContain("\"x\"", problem.GetRawText());
    }

    [Fact]
    public async Task Without_any_key_ssh_is_refused_and_a_key_of_the_profile_is_enough()
    {
        var member = await host.AddMemberAsync();
        using var client = host.Client(await host.SignInAsync(member.UserName, ApiHost.Password));
        var body = Body(NewName(), ",\"ssh\":{}");
        await host.MakeRoomAsync();
        using (var refused = await client.PostAsync("/api/v1/environments", Answers.Json(body)))
        {
            Assert.Equal(["ssh"], (await refused.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        }
        using var browser = await Browser.SignedInAsync(host, member.UserName);
        using (
            var bad = await browser.Http.PutAsync(
                "/api/v1/me/ssh-keys",
                Answers.Json("""{"keys":["nonsense","ssh-rsa AAAA"]}""")
            )
        )
        {
            Assert.Equal(["keys[0]", "keys[1]"], (await bad.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        }
        var keys = JsonSerializer.Serialize(new { keys = new[] { Key, $" {Key} " } });
        using (var put = await browser.Http.PutAsync("/api/v1/me/ssh-keys", Answers.Json(keys)))
        {
            Assert.Equal(Key, Assert.Single((await put.OkAsync()).GetProperty("keys").EnumerateArray()).GetString());
        }
        using (var byToken = await client.PutAsync("/api/v1/me/ssh-keys", Answers.Json(keys)))
        {
            await byToken.ProblemAsync(HttpStatusCode.Forbidden);
        }
        Assert.Equal(
            Key,
            Assert
                .Single((await client.GetJsonAsync("/api/v1/me/ssh-keys")).GetProperty("keys").EnumerateArray())
                .GetString()
        );
        await CreateAsync(client, body);
    }

    [Fact]
    public async Task Others_find_none_and_a_job_is_none()
    {
        using var admin = host.Admin();
        var id = await CreateAsync(admin, Body(NewName()));
        using var submit = await admin.PostAsync(
            "/api/v1/jobs",
            Answers.Json("""{"name":"a","image":"base","roles":[{"name":"worker","command":["true"]}]}""")
        );
        var job = (await submit.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        var member = await host.AddMemberAsync();
        using var client = host.Client(await host.SignInAsync(member.UserName, ApiHost.Password));
        foreach (
            var (method, path) in ((string, string)[])
                [
                    ("GET", ""),
                    ("DELETE", ""),
                    ("POST", "/stop"),
                    ("POST", "/start"),
                    ("POST", "/restart"),
                    ("POST", "/clone"),
                ]
        )
        {
            Assert.Equal(await ToldAsync(client, 987654321), await ToldAsync(client, id));
            Assert.Equal(await ToldAsync(admin, 987654321), await ToldAsync(admin, job));

            async Task<string> ToldAsync(HttpClient asker, long about)
            {
                using var answer = await asker.SendAsync(
                    new HttpRequestMessage(new HttpMethod(method), $"/api/v1/environments/{about}{path}")
                );
                return (await answer.ProblemAsync(HttpStatusCode.NotFound)).GetProperty("detail").GetString()!;
            }
        }
    }

    [Fact]
    public async Task A_dry_run_says_what_would_happen_and_the_same_key_makes_one()
    {
        using var client = host.Admin();
        await host.MakeRoomAsync();
        var body = Body(NewName());
        using (var dry = await client.PostAsync("/api/v1/environments?dryRun=true", Answers.Json(body)))
        {
            Assert.Empty((await dry.OkAsync()).GetProperty("errors").EnumerateArray());
        }
        var key = Guid.NewGuid().ToString();
        var first = await PostAsync(HttpStatusCode.Created);
        Assert.Equal(first, await PostAsync(HttpStatusCode.OK));
        var clone = Guid.NewGuid().ToString();
        var copy = await CloneAsync(first, HttpStatusCode.Created, clone);
        Assert.NotEqual(first, copy);
        await host.MakeRoomAsync();
        Assert.Equal(copy, await CloneAsync(first, HttpStatusCode.OK, clone));
        using var ofOther = await SendAsync($"/{copy}/clone", clone);
        Assert.Equal(["Idempotency-Key"], (await ofOther.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        using var noKey = await SendAsync($"/{first}/clone", new string('k', 129));
        Assert.Equal(["Idempotency-Key"], (await noKey.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        using var job = await client.PostAsync(
            "/api/v1/jobs",
            Answers.Json("""{"name":"a","image":"img","environment":{},"roles":[{"name":"environment"}]}""")
        );
        Assert.Equal(["environment"], (await job.ProblemAsync(HttpStatusCode.BadRequest)).Paths());

        async Task<long> PostAsync(HttpStatusCode expected)
        {
            using var answer = await SendAsync("", key, Answers.Json(body));
            return (await answer.OkAsync(expected)).GetProperty("id").GetInt64();
        }

        async Task<long> CloneAsync(long of, HttpStatusCode expected, string with)
        {
            using var answer = await SendAsync($"/{of}/clone", with);
            var told = await answer.OkAsync(expected);
            Assert.Equal(expected == HttpStatusCode.OK, told.GetProperty("replayed").GetBoolean());
            return told.GetProperty("id").GetInt64();
        }

        async Task<HttpResponseMessage> SendAsync(string path, string with, HttpContent? content = null)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/environments{path}");
            request.Content = content;
            request.Headers.TryAddWithoutValidation("Idempotency-Key", with);
            return await client.SendAsync(request);
        }
    }
}
