using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Volumes;

public sealed class DatasetsApiTests(ApiHost host)
{
    private static string NewName(string kind) => $"{kind}-{Guid.NewGuid().ToString("N")[..8]}";

    private const string Split = """{"seed":1,"train":50,"validation":25,"test":25}""";

    [Fact]
    public async Task A_version_is_made_by_a_job_mounted_once_it_is_ready_and_holds_its_volume()
    {
        await host.MakeRoomAsync();
        using var client = host.Admin();
        var (name, volume) = (NewName("set"), NewName("vol"));
        await MakeAsync(client, name, volume);
        using var early = await client.PostAsync("/api/v1/jobs", Job(name, 1));
        Assert.Equal(["datasets[0].version"], (await early.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());

        using var made = await client.PostAsync(
            $"/api/v1/datasets/{name}/versions",
            Answers.Json($$"""{"volume":"{{volume}}","folder":"a/b","split":{{Split}}}""")
        );
        var answer = await made.OkAsync(HttpStatusCode.Created);
        Assert.Equal($"/api/v1/datasets/{name}/versions/1", made.Headers.Location?.ToString());
        Assert.Equal(1, answer.GetProperty("number").GetInt32());
        var maker = answer.GetProperty("job").GetInt64();
        var spec = (await client.GetJsonAsync($"/api/v1/jobs/{maker}")).GetProperty("spec");
        Assert.True(spec.GetProperty("volumes")[0].GetProperty("readOnly").GetBoolean());
        Assert.Equal("a/b", spec.GetProperty("env").GetProperty(DatasetScript.FolderVariable).GetString());
        using var making = await client.PostAsync("/api/v1/jobs", Job(name, 1));
        var unready = await making.ProblemAsync(HttpStatusCode.UnprocessableEntity);
        Assert.Equal(["datasets[0].version"], unready.Paths());
        Assert.Contains("still being made", unready.GetProperty("errors")[0].GetProperty("message").GetString());
        using var busy = await client.DeleteAsync($"/api/v1/datasets/{name}");
        await busy.ProblemAsync(HttpStatusCode.Conflict);

        var digest = await ReadyAsync(maker);
        var version = await client.GetJsonAsync($"/api/v1/datasets/{name}/versions/1");
        Assert.Equal("Ready", version.GetProperty("state").GetString());
        Assert.Equal(digest, version.GetProperty("digest").GetString());
        Assert.Equal(3, version.GetProperty("files").GetInt64());
        var lines = await client.GetByteArrayAsync($"/api/v1/datasets/{name}/versions/1/manifest");
        Assert.Equal(digest, "sha256:" + Convert.ToHexStringLower(SHA256.HashData(lines)));

        using var mounts = await client.PostAsync("/api/v1/jobs", Job(name, 1, ""","final":true"""));
        var id = (await mounts.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        var job = await client.GetJsonAsync($"/api/v1/jobs/{id}");
        Assert.True(job.GetProperty("final").GetBoolean());
        var mounted = job.GetProperty("spec").GetProperty("datasets")[0];
        Assert.Equal(
            (volume, "a/b"),
            (mounted.GetProperty("volume").GetString(), mounted.GetProperty("folder").GetString())
        );
        using var again = await client.PostAsync(
            "/api/v1/jobs?dryRun=true",
            Answers.Json(job.GetProperty("spec").GetRawText())
        );
        Assert.Equal(0, (await again.OkAsync()).GetProperty("errors").GetArrayLength());
        Assert.Equal(1, (await FindAsync(client, "datasets", name)).GetProperty("inUse").GetInt32());
        Assert.Equal(1, (await FindAsync(client, "volumes", volume)).GetProperty("inUse").GetInt32());
        using var inUse = await client.DeleteAsync($"/api/v1/datasets/{name}");
        await inUse.ProblemAsync(HttpStatusCode.Conflict);

        await EndAsync(id, WorkloadState.Stopped);
        using var held = await client.DeleteAsync($"/api/v1/volumes/{volume}");
        var conflict = await held.ProblemAsync(HttpStatusCode.Conflict);
        Assert.Contains(name, conflict.GetProperty("detail").GetString());
        using var deleted = await client.DeleteAsync($"/api/v1/datasets/{name}");
        await deleted.OkAsync(HttpStatusCode.NoContent);
        using var free = await client.DeleteAsync($"/api/v1/volumes/{volume}");
        await free.OkAsync(HttpStatusCode.NoContent);
        using var gone = await client.GetAsync($"/api/v1/datasets/{name}");
        await gone.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_version_goes_once_nothing_mounts_it_and_its_number_does_not_come_again()
    {
        await host.MakeRoomAsync();
        using var client = host.Admin();
        var (name, volume) = (NewName("set"), NewName("vol"));
        await MakeAsync(client, name, volume);
        var versions = $"/api/v1/datasets/{name}/versions";
        var first = await AddVersionAsync();
        using var making = await client.DeleteAsync($"{versions}/1");
        Assert.Contains($"stop job {first}", await DetailAsync(making));
        await ReadyAsync(first);
        await ReadyAsync(await AddVersionAsync());

        using var mounts = await client.PostAsync("/api/v1/jobs", Job(name, 2));
        var job = (await mounts.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        Assert.Equal(1, (await client.GetJsonAsync($"{versions}/2")).GetProperty("inUse").GetInt32());
        Assert.Equal(0, (await client.GetJsonAsync($"{versions}/1")).GetProperty("inUse").GetInt32());
        using var inUse = await client.DeleteAsync($"{versions}/2");
        Assert.Equal(
            $"Version 2 of {name} is mounted by 1 workload that waits or runs; stop it first.",
            await DetailAsync(inUse)
        );
        using var other = await client.DeleteAsync($"{versions}/1");
        await other.OkAsync(HttpStatusCode.NoContent);
        await EndAsync(job, WorkloadState.Stopped);
        var member = await host.AddMemberAsync();
        using var stranger = host.Client(await host.SignInAsync(member.UserName, ApiHost.Password));
        using var notTheirs = await stranger.DeleteAsync($"{versions}/2");
        Assert.Contains("owner and admins", await DetailAsync(notTheirs));
        using var deleted = await client.DeleteAsync($"{versions}/2");
        await deleted.OkAsync(HttpStatusCode.NoContent);
        using var gone = await client.DeleteAsync($"{versions}/2");
        await gone.ProblemAsync(HttpStatusCode.NotFound);
        using var free = await client.DeleteAsync($"/api/v1/volumes/{volume}");
        await free.OkAsync(HttpStatusCode.NoContent);

        // A job's spec that names version 2 never means another
        await AddVolumeAsync(client, volume);
        await AddVersionAsync();
        var left = (await client.GetJsonAsync(versions)).GetProperty("items").EnumerateArray();
        Assert.Equal([3], left.Select(v => v.GetProperty("number").GetInt32()));
        await using var db = await host.DbAsync();
        var audit = await db
            .Audit.Where(a => a.Target.EndsWith($" of dataset {name}"))
            .OrderBy(a => a.Id)
            .ToListAsync();
        Assert.Equal(
            ["dataset.version.delete 1", "dataset.version.delete 2"],
            audit.Where(a => a.Action == "dataset.version.delete").Select(a => $"{a.Action} {a.Target.Split(' ')[1]}")
        );

        async Task<long> AddVersionAsync()
        {
            using var made = await client.PostAsync(
                versions,
                Answers.Json($$"""{"volume":"{{volume}}","split":{{Split}}}""")
            );
            return (await made.OkAsync(HttpStatusCode.Created)).GetProperty("job").GetInt64();
        }
        static async Task<string> DetailAsync(HttpResponseMessage answer) =>
            (await answer.ProblemAsync(HttpStatusCode.Conflict)).GetProperty("detail").GetString()!;
    }

    [Fact]
    public async Task An_environment_mounts_a_version_by_the_rules_of_jobs_and_starts_again_while_that_is_there()
    {
        await host.MakeRoomAsync();
        using var client = host.Admin();
        var (name, volume) = (NewName("set"), NewName("vol"));
        await MakeAsync(client, name, volume);
        using var added = await client.PostAsync(
            $"/api/v1/datasets/{name}/versions",
            Answers.Json($$"""{"volume":"{{volume}}","folder":"a/b","split":{{Split}}}""")
        );
        await ReadyAsync((await added.OkAsync(HttpStatusCode.Created)).GetProperty("job").GetInt64());

        using var dry = await client.PostAsync("/api/v1/environments?dryRun=true", Environment(2));
        var foreseen = (await dry.OkAsync()).GetProperty("errors").EnumerateArray();
        Assert.Equal(["datasets[0].version"], foreseen.Select(e => e.GetProperty("path").GetString()));
        using var unknown = await client.PostAsync("/api/v1/environments", Environment(2));
        var refusal = await unknown.ProblemAsync(HttpStatusCode.UnprocessableEntity);
        Assert.Equal(["datasets[0].version"], refusal.Paths());
        using var final = await client.PostAsync("/api/v1/environments", Environment(1, ""","final":true"""));
        Assert.Equal(["final"], (await final.ProblemAsync(HttpStatusCode.BadRequest)).Paths());

        using var made = await client.PostAsync("/api/v1/environments", Environment(1));
        var id = (await made.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        var mounted = await MountedAsync(id);
        Assert.Equal(
            (volume, "a/b", true),
            (
                mounted.GetProperty("volume").GetString(),
                mounted.GetProperty("folder").GetString(),
                mounted.GetProperty("split").GetBoolean()
            )
        );
        Assert.Equal(1, (await FindAsync(client, "volumes", volume)).GetProperty("inUse").GetInt32());
        using var inUse = await client.DeleteAsync($"/api/v1/datasets/{name}/versions/1");
        await inUse.ProblemAsync(HttpStatusCode.Conflict);
        using var clone = await client.PostAsync($"/api/v1/environments/{id}/clone", null);
        var copy = (await clone.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        Assert.Equal(mounted.GetRawText(), (await MountedAsync(copy)).GetRawText());
        var definition = await client.GetStringAsync($"/api/v1/environments/{id}/definition");
        using var imported = await client.PostAsync("/api/v1/environments?dryRun=true", Answers.Json(definition));
        Assert.Equal(0, (await imported.OkAsync()).GetProperty("errors").GetArrayLength());

        await EndAsync(copy, WorkloadState.Stopped);
        await EndAsync(id, WorkloadState.Stopped);
        using var again = await client.PostAsync($"/api/v1/environments/{id}/start", null);
        await again.OkAsync(HttpStatusCode.Accepted);
        await EndAsync(id, WorkloadState.Stopped);
        using var deleted = await client.DeleteAsync($"/api/v1/datasets/{name}/versions/1");
        await deleted.OkAsync(HttpStatusCode.NoContent);
        foreach (var verb in (string[])["start", "restart"])
        {
            using var without = await client.PostAsync($"/api/v1/environments/{id}/{verb}", null);
            var why = (await without.ProblemAsync(HttpStatusCode.Conflict)).GetProperty("detail").GetString();
            Assert.Equal($"It cannot mount what it was made with. {name} has no version 1; none is ready.", why);
        }
        Assert.Equal(
            "Stopped",
            (await client.GetJsonAsync($"/api/v1/environments/{id}")).GetProperty("state").GetString()
        );

        // The same name and number, and another thing
        using var gone = await client.DeleteAsync($"/api/v1/datasets/{name}");
        await gone.OkAsync(HttpStatusCode.NoContent);
        using var named = await client.PostAsync("/api/v1/datasets", Answers.Json($$"""{"name":"{{name}}"}"""));
        await named.OkAsync(HttpStatusCode.Created);
        using var other = await client.PostAsync(
            $"/api/v1/datasets/{name}/versions",
            Answers.Json($$"""{"volume":"{{volume}}","folder":"c","split":{{Split}}}""")
        );
        await ReadyAsync((await other.OkAsync(HttpStatusCode.Created)).GetProperty("job").GetInt64());
        using var swapped = await client.PostAsync($"/api/v1/environments/{id}/start", null);
        var told = (await swapped.ProblemAsync(HttpStatusCode.Conflict)).GetProperty("detail").GetString();
        Assert.StartsWith($"Its dataset {name} 1 is another now", told);

        HttpContent Environment(int version, string more = "") =>
            Answers.Json(
                $$"""
                {"name":"{{name}}","image":"pytorch-cpu","cpus":0.5,
                 "datasets":[{"name":"{{name}}","version":{{version}},"path":"/data"}]{{more}}}
                """
            );
        async Task<JsonElement> MountedAsync(long environment) =>
            (await client.GetJsonAsync($"/api/v1/environments/{environment}"))
                .GetProperty("spec")
                .GetProperty("datasets")[0];
    }

    [Fact]
    public async Task What_is_not_the_users_is_as_if_it_were_not_and_what_they_may_see_they_may_not_change()
    {
        await host.MakeRoomAsync();
        using var client = host.Admin();
        var (open, closed, volume, team, user) = (
            NewName("open"),
            NewName("closed"),
            NewName("vol"),
            NewName("team"),
            NewName("user")
        );
        using var madeTeam = await client.PostAsync("/api/v1/teams", Answers.Json($$"""{"name":"{{team}}"}"""));
        await madeTeam.OkAsync(HttpStatusCode.Created);
        using var madeUser = await client.PostAsync("/api/v1/users", Answers.Json($$"""{"userName":"{{user}}"}"""));
        var password = (await madeUser.OkAsync(HttpStatusCode.Created)).GetProperty("password").GetString()!;
        await MakeAsync(client, open, volume, $$""","team":"{{team}}" """);
        using var ofTeam = await client.PostAsync(
            $"/api/v1/datasets/{open}/versions",
            Answers.Json($$"""{"volume":"{{volume}}","split":{{Split}}}""")
        );
        await ReadyAsync((await ofTeam.OkAsync(HttpStatusCode.Created)).GetProperty("job").GetInt64());
        using var second = await client.PostAsync(
            "/api/v1/datasets",
            Answers.Json($$"""{"name":"{{closed}}","team":"{{team}}"}""")
        );
        await second.OkAsync(HttpStatusCode.Created);

        using var member = host.Client(await host.SignInAsync(user, password));
        var seen = await member.GetJsonAsync("/api/v1/datasets");
        var names = seen.GetProperty("items").EnumerateArray().Select(d => d.GetProperty("name").GetString()).ToArray();
        Assert.Contains(open, names);
        Assert.DoesNotContain(closed, names);
        var told = await member.GetJsonAsync($"/api/v1/datasets/{open}/versions/1");
        Assert.Equal(JsonValueKind.Null, told.GetProperty("volume").ValueKind);
        using var files = await member.GetAsync($"/api/v1/datasets/{open}/versions/1/manifest");
        await files.ProblemAsync(HttpStatusCode.NotFound);
        using var volumeClosed = await member.PostAsync("/api/v1/jobs", Job(open, 1));
        var refusal = await volumeClosed.ProblemAsync(HttpStatusCode.UnprocessableEntity);
        Assert.Equal(["datasets[0].name"], refusal.Paths());
        Assert.DoesNotContain(volume, refusal.GetRawText());
        using var hidden = await member.GetAsync($"/api/v1/datasets/{closed}");
        await hidden.ProblemAsync(HttpStatusCode.NotFound);
        using var mounts = await member.PostAsync("/api/v1/jobs", Job(closed, 1));
        Assert.Equal(["datasets[0].name"], (await mounts.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        var version = $$"""{"volume":"{{volume}}"}""";
        using var foreign = await member.PostAsync($"/api/v1/datasets/{closed}/versions", Answers.Json(version));
        await foreign.ProblemAsync(HttpStatusCode.NotFound);
        using var others = await member.PostAsync($"/api/v1/datasets/{open}/versions", Answers.Json(version));
        await others.ProblemAsync(HttpStatusCode.Conflict);
        using var delete = await member.DeleteAsync($"/api/v1/datasets/{open}");
        await delete.ProblemAsync(HttpStatusCode.Conflict);
        using var own = await member.PostAsync("/api/v1/datasets", Answers.Json($$"""{"name":"{{NewName("own")}}"}"""));
        await own.OkAsync(HttpStatusCode.Created);
        using var foreignTeam = await member.PostAsync(
            "/api/v1/datasets",
            Answers.Json($$"""{"name":"{{NewName("own")}}","team":"{{team}}"}""")
        );
        Assert.Equal(["team"], (await foreignTeam.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
    }

    [Fact]
    public async Task Everything_that_is_wrong_is_told_at_once()
    {
        await host.MakeRoomAsync();
        using var client = host.Admin();
        using var answer = await client.PostAsync(
            "/api/v1/datasets",
            Answers.Json("""{"name":"A b","team":"no-such-team"}""")
        );
        Assert.Equal(["name", "team"], (await answer.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        var (name, volume) = (NewName("set"), NewName("vol"));
        await MakeAsync(client, name, volume);
        using var again = await client.PostAsync("/api/v1/datasets", Answers.Json($$"""{"name":"{{name}}"}"""));
        await again.ProblemAsync(HttpStatusCode.Conflict);
        using var wrong = await client.PostAsync(
            $"/api/v1/datasets/{name}/versions",
            Answers.Json("""{"volume":"","folder":"../x","split":{"seed":1,"train":120,"validation":-1,"test":0}}""")
        );
        Assert.Equal(
            ["volume", "folder", "split.train", "split.validation", "split"],
            (await wrong.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths()
        );
        using var unknown = await client.PostAsync(
            $"/api/v1/datasets/{name}/versions",
            Answers.Json("""{"volume":"no-such-volume"}""")
        );
        Assert.Equal(["volume"], (await unknown.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        Assert.Equal(0, (await FindAsync(client, "datasets", name)).GetProperty("versions").GetInt32());
    }

    private static async Task MakeAsync(HttpClient client, string name, string volume, string more = "")
    {
        await AddVolumeAsync(client, volume, more);
        using var named = await client.PostAsync("/api/v1/datasets", Answers.Json($$"""{"name":"{{name}}"}"""));
        await named.OkAsync(HttpStatusCode.Created);
    }

    private static async Task AddVolumeAsync(HttpClient client, string volume, string more = "")
    {
        using var defined = await client.PostAsync(
            "/api/v1/volumes",
            Answers.Json($$"""{"name":"{{volume}}","path":"/srv/{{volume}}"{{more}}}""")
        );
        await defined.OkAsync(HttpStatusCode.Created);
    }

    /// <summary>As the loop would have it, which does not run here.</summary>
    private async Task<string> ReadyAsync(long job)
    {
        DatasetFile[] files =
        [
            .. Enumerable.Range(0, 3).Select(i => new DatasetFile($"{i}.png", 5, new string('0', 64))),
        ];
        var manifest = new DatasetManifest(files, 3, 15, DatasetManifest.DigestOf(files));
        await EndAsync(job, WorkloadState.Succeeded);
        await using var db = await host.DbAsync();
        var version = await db.DatasetVersions.SingleAsync(v => v.WorkloadId == job);
        (version.State, version.Digest, version.Files, version.Bytes) = (DatasetState.Ready, manifest.Digest, 3, 15);
        (version.Manifest, version.Parts) = (manifest.Pack(), version.Split!.Count(files));
        await db.SaveChangesAsync();
        return manifest.Digest;
    }

    private async Task EndAsync(long job, WorkloadState state)
    {
        await using var db = await host.DbAsync();
        await db.Workloads.Where(w => w.Id == job).ExecuteUpdateAsync(s => s.SetProperty(w => w.State, state));
    }

    private static HttpContent Job(string dataset, int version, string more = "") =>
        Answers.Json(
            $$"""
            {"name":"mounts","image":"base","roles":[{"name":"worker","command":["true"]}],
             "datasets":[{"name":"{{dataset}}","version":{{version}},"path":"/data"}]{{more}}}
            """
        );

    private static async Task<JsonElement> FindAsync(HttpClient client, string what, string name) =>
        (await client.GetJsonAsync($"/api/v1/{what}"))
            .GetProperty("items")
            .EnumerateArray()
            .Single(v => v.GetProperty("name").GetString() == name);
}
