using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Workloads;

public sealed class RunAgainApiTests(ApiHost host)
{
    private async Task<long> JobAsync(HttpClient client, string image = "base", string more = "")
    {
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync(
            "/api/v1/jobs",
            Answers.Json(
                $$"""
                {"name":"again","image":"{{image}}","labels":{"exp":"a"},{{more}}
                 "roles":[{"name":"worker","command":["train","--lr","0.1"]}]}
                """
            )
        );
        return (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
    }

    /// <summary>As if a host had run it, from that image, or from each of those.</summary>
    private async Task RanAsync(long id, params string[] images)
    {
        await using var db = await host.DbAsync();
        var replica = await db.Replicas.SingleAsync(r => r.WorkloadId == id);
        var machine = await db.Hosts.SingleAsync(h => h.Name == "local");
        foreach (var (n, image) in images.Index())
        {
            db.Attempts.Add(
                new Attempt
                {
                    WorkloadId = id,
                    ReplicaId = replica.Id,
                    ReplicaName = replica.Name,
                    Number = n + 1,
                    HostId = machine.Id,
                    ContainerName = $"again-{id}-{n}",
                    State = AttemptState.Exited,
                    ImageId = image,
                    ContainerRemoved = true,
                }
            );
        }
        await db.SaveChangesAsync();
    }

    private async Task HasAsync(params string[] images)
    {
        await using var db = await host.DbAsync();
        await db.Hosts.ExecuteUpdateAsync(s => s.SetProperty(h => h.Images, images));
    }

    private static string NewId() => "sha256:" + Guid.NewGuid().ToString("N") + Guid.NewGuid().ToString("N");

    private static async Task<JsonElement> AgainAsync(HttpClient client, long id)
    {
        using var answer = await client.PostAsync($"/api/v1/jobs/{id}/run-again", null);
        var made = (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        Assert.Equal($"/api/v1/jobs/{made}", answer.Headers.Location!.OriginalString);
        return await client.GetJsonAsync($"/api/v1/jobs/{made}");
    }

    private static async Task<string[]> RefusedAsync(HttpClient client, long id)
    {
        using var answer = await client.PostAsync($"/api/v1/jobs/{id}/run-again", null);
        return (await answer.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths();
    }

    [Fact]
    public async Task The_new_job_has_the_spec_and_the_very_image_of_the_old()
    {
        using var client = host.Admin();
        var image = NewId();
        var id = await JobAsync(client);
        await RanAsync(id, image, image);
        await HasAsync("deeplab/base:13", image);

        var again = await AgainAsync(client, id);
        var old = await client.GetJsonAsync($"/api/v1/jobs/{id}");
        Assert.Equal(old.GetProperty("spec").GetRawText(), again.GetProperty("spec").GetRawText());
        Assert.Equal("a", again.GetProperty("labels").GetProperty("exp").GetString());
        Assert.Equal(image, again.GetProperty("pinnedImage").GetString());
        Assert.Equal(id, again.GetProperty("origin").GetProperty("id").GetInt64());
        Assert.True(again.GetProperty("origin").GetProperty("exact").GetBoolean());
        Assert.Equal(JsonValueKind.Null, old.GetProperty("origin").ValueKind);

        // The pin itself says what it ran, even before it has run
        var third = await AgainAsync(client, again.GetProperty("id").GetInt64());
        Assert.Equal(image, third.GetProperty("pinnedImage").GetString());

        var found = await client.GetJsonAsync($"/api/v1/jobs?q=origin:{id}");
        Assert.Equal(again.GetProperty("id").GetInt64(), found.GetProperty("items")[0].GetProperty("id").GetInt64());
    }

    [Theory]
    [InlineData("run-again")]
    [InlineData("clone")]
    public async Task An_idempotency_key_makes_one_job_even_where_the_first_is_gone(string verb)
    {
        using var client = host.Admin();
        var image = NewId();
        var (id, other) = (await JobAsync(client), await JobAsync(client));
        await RanAsync(id, image);
        await RanAsync(other, image);
        await HasAsync("deeplab/base:13", image);
        var key = Guid.NewGuid().ToString();

        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => PostAsync(id, key)));
        Assert.Equal(1, answers.Count(a => a.StatusCode == HttpStatusCode.Created));
        Assert.Equal(5, answers.Count(a => a.StatusCode == HttpStatusCode.OK));
        var ids = new HashSet<long>();
        foreach (var answer in answers)
        {
            var told = await answer.Content.ReadFromJsonAsync<JsonElement>();
            Assert.Equal(answer.StatusCode == HttpStatusCode.OK, told.GetProperty("replayed").GetBoolean());
            ids.Add(told.GetProperty("id").GetInt64());
            answer.Dispose();
        }
        var made = Assert.Single(ids);

        using var ofOther = await PostAsync(other, key);
        Assert.Equal(["Idempotency-Key"], (await ofOther.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        using var noKey = await PostAsync(id, new string('k', 129));
        Assert.Equal(["Idempotency-Key"], (await noKey.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        await using (var db = await host.DbAsync())
        {
            await db
                .Workloads.Where(w => w.Id == id)
                .ExecuteUpdateAsync(s => s.SetProperty(w => w.DeletedAt, w => w.SubmittedAt));
        }
        using var late = await PostAsync(id, key);
        Assert.Equal(made, (await late.OkAsync()).GetProperty("id").GetInt64());
        using var anew = await PostAsync(id, Guid.NewGuid().ToString());
        await anew.ProblemAsync(HttpStatusCode.NotFound);
        var found = await client.GetJsonAsync($"/api/v1/jobs?q=origin:{id}");
        Assert.Equal(1, found.GetProperty("items").GetArrayLength());

        async Task<HttpResponseMessage> PostAsync(long job, string with)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/jobs/{job}/{verb}");
            request.Headers.TryAddWithoutValidation("Idempotency-Key", with);
            return await client.SendAsync(request);
        }
    }

    [Fact]
    public async Task A_refused_run_leaves_its_key_free()
    {
        using var client = host.Admin();
        var image = NewId();
        var id = await JobAsync(client);
        await RanAsync(id, image);
        await HasAsync("deeplab/base:13");
        client.DefaultRequestHeaders.Add("Idempotency-Key", Guid.NewGuid().ToString());
        Assert.Equal(["image"], await RefusedAsync(client, id));
        await HasAsync("deeplab/base:13", image);
        using var answer = await client.PostAsync($"/api/v1/jobs/{id}/run-again", null);
        Assert.False((await answer.OkAsync(HttpStatusCode.Created)).GetProperty("replayed").GetBoolean());
    }

    [Fact]
    public async Task A_clone_tells_its_origin_and_takes_the_image_as_its_name_means_now()
    {
        using var client = host.Admin();
        var id = await JobAsync(client);
        await RanAsync(id, NewId());
        using var answer = await client.PostAsync($"/api/v1/jobs/{id}/clone", null);
        var made = (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        var clone = await client.GetJsonAsync($"/api/v1/jobs/{made}");
        Assert.Equal(id, clone.GetProperty("origin").GetProperty("id").GetInt64());
        Assert.False(clone.GetProperty("origin").GetProperty("exact").GetBoolean());
        Assert.Equal(JsonValueKind.Null, clone.GetProperty("pinnedImage").ValueKind);
    }

    [Fact]
    public async Task What_can_no_longer_be_had_is_named_thing_by_thing()
    {
        using var client = host.Admin();
        var name = "v" + Guid.NewGuid().ToString("N")[..8];
        await AddVolumeAsync(name);
        var id = await JobAsync(
            client,
            more: $$"""
            "volumes":[{"name":"{{name}}","mountPath":"/data"}],"checkpoint":{"volume":"{{name}}"},
            """
        );
        // It never ran
        Assert.Equal(["image"], await RefusedAsync(client, id));
        var image = NewId();
        await RanAsync(id, image);
        await HasAsync("deeplab/base:13");
        Assert.Equal(["image"], await RefusedAsync(client, id));
        await RemoveVolumeAsync(name);
        Assert.Equal(["volumes[0].name", "checkpoint.volume"], await RefusedAsync(client, id));

        // Another of the same name is not the one of then
        await AddVolumeAsync(name);
        await HasAsync("deeplab/base:13", image);
        Assert.Equal(["volumes[0].name", "checkpoint.volume"], await RefusedAsync(client, id));
    }

    [Fact]
    public async Task A_version_that_was_deleted_and_a_dataset_of_another_are_named()
    {
        using var client = host.Admin();
        var name = "d" + Guid.NewGuid().ToString("N")[..8];
        await AddVolumeAsync(name);
        await AddDatasetAsync(name);
        var id = await JobAsync(
            client,
            more: $$"""
            "datasets":[{"name":"{{name}}","version":1,"path":"/data"}],
            """
        );
        var image = NewId();
        await RanAsync(id, image);
        await HasAsync("deeplab/base:13", image);
        await AgainAsync(client, id);

        await using var db = await host.DbAsync();
        await db
            .DatasetVersions.Where(v => db.Datasets.Any(d => d.Id == v.DatasetId && d.Name == name))
            .ExecuteDeleteAsync();
        Assert.Equal(["datasets[0].version"], await RefusedAsync(client, id));
        // Another of the same name is not the one of then
        await db.Datasets.Where(d => d.Name == name).ExecuteDeleteAsync();
        await AddDatasetAsync(name);
        Assert.Equal(["datasets[0].name"], await RefusedAsync(client, id));
    }

    [Fact]
    public async Task Two_images_of_one_name_are_no_one_image()
    {
        using var client = host.Admin();
        var id = await JobAsync(client);
        await RanAsync(id, NewId(), NewId());
        Assert.Equal(["image"], await RefusedAsync(client, id));
    }

    [Fact]
    public async Task An_earlier_run_opens_no_image_that_was_closed_since()
    {
        using var admin = host.Admin();
        var member = await host.AddMemberAsync();
        using var client = host.Client(await host.SignInAsync(member.UserName, ApiHost.Password));
        var name = "closed-" + Guid.NewGuid().ToString("N")[..8];
        var made = $"deeplab-made/{name}:1";
        await using (var db = await host.DbAsync())
        {
            db.Images.Add(
                new CatalogueImage
                {
                    Id = Guid.NewGuid(),
                    Name = name,
                    Reference = made,
                    Framework = "",
                    FrameworkVersion = "",
                    Features = [],
                    Description = "",
                    Origin = ImageOrigin.Snapshot,
                    Shared = true,
                }
            );
            await db.SaveChangesAsync();
        }
        await HasAsync(made);
        var id = await JobAsync(client, name);
        Assert.Equal(made, (await AgainAsync(client, id)).GetProperty("pinnedImage").GetString());
        await using (var db = await host.DbAsync())
        {
            await db.Images.Where(i => i.Name == name).ExecuteUpdateAsync(s => s.SetProperty(i => i.Shared, false));
        }
        Assert.Equal(["image"], await RefusedAsync(client, id));
        using var stranger = await admin.PostAsync($"/api/v1/jobs/{id}/run-again", null);
        await stranger.OkAsync(HttpStatusCode.Created);
    }

    [Fact]
    public async Task Another_s_job_is_not_there()
    {
        using var admin = host.Admin();
        var id = await JobAsync(admin);
        var member = await host.AddMemberAsync();
        using var client = host.Client(await host.SignInAsync(member.UserName, ApiHost.Password));
        using var again = await client.PostAsync($"/api/v1/jobs/{id}/run-again", null);
        await again.ProblemAsync(HttpStatusCode.NotFound);
        using var edit = await client.PatchAsync($"/api/v1/jobs/{id}", Answers.Json("""{"pinned":true}"""));
        await edit.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task The_diff_of_two_runs_tells_images_and_machines()
    {
        using var client = host.Admin();
        var (a, b) = (await JobAsync(client), await JobAsync(client));
        var (one, two) = (NewId(), NewId());
        await RanAsync(a, one);
        await RanAsync(b, two);
        var answer = await client.GetJsonAsync($"/api/v1/jobs/compare?ids={a},{b}");
        var differs = Assert.Single(answer.GetProperty("differs").EnumerateArray());
        Assert.Equal("imageId", differs.GetProperty("path").GetString());
        Assert.Equal([one, two], differs.GetProperty("values").EnumerateArray().Select(v => v.GetString()));
        Assert.Contains(
            answer.GetProperty("equal").EnumerateArray(),
            f => f.GetProperty("kind").GetString() == "Machines" && f.GetProperty("path").GetString() == "hosts"
        );
    }

    private async Task AddVolumeAsync(string name)
    {
        await using var db = await host.DbAsync();
        db.Volumes.Add(
            new Volume
            {
                Id = Guid.NewGuid(),
                Name = name,
                // By the console's clock, which goes by the database's
                CreatedAt = host.Services.GetRequiredService<TimeProvider>().GetUtcNow(),
            }
        );
        await db.SaveChangesAsync();
    }

    /// <summary>With a version that is ready, on the volume of that name.</summary>
    private async Task AddDatasetAsync(string name)
    {
        var now = host.Services.GetRequiredService<TimeProvider>().GetUtcNow();
        await using var db = await host.DbAsync();
        var dataset = new Dataset
        {
            Id = Guid.NewGuid(),
            Name = name,
            OwnerName = "admin",
            CreatedAt = now,
        };
        db.Datasets.Add(dataset);
        db.DatasetVersions.Add(
            new DatasetVersion
            {
                DatasetId = dataset.Id,
                Number = 1,
                Volume = name,
                State = DatasetState.Ready,
                WorkloadId = -Random.Shared.NextInt64(1, long.MaxValue),
                MadeBy = "admin",
                CreatedAt = now,
            }
        );
        await db.SaveChangesAsync();
    }

    private async Task RemoveVolumeAsync(string name)
    {
        await using var db = await host.DbAsync();
        await db.Volumes.Where(v => v.Name == name).ExecuteDeleteAsync();
    }
}
