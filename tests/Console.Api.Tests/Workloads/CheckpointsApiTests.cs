using System.Net;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Workloads;

public sealed class CheckpointsApiTests(ApiHost host)
{
    private static readonly DateTimeOffset s_then = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>A job that waits, with rows as the loop would have written them.</summary>
    private async Task<(long Job, long[] Checkpoints)> JobAsync(HttpClient client, params long[] steps)
    {
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync(
            "/api/v1/jobs",
            Answers.Json(
                """{"name":"keeps","image":"base","checkpoint":{"keep":2},"roles":[{"name":"worker","command":["true"]}]}"""
            )
        );
        var id = (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        await using var db = await host.DbAsync();
        var rows = steps
            .Select(s => new Checkpoint
            {
                WorkloadId = id,
                Path = $"step-{s}.pt",
                Step = s,
                Bytes = 10,
                Files = 1,
                Replica = "worker-0",
                Attempt = 1,
                WrittenAt = s_then.AddSeconds(s),
                ChangedAt = s_then.AddSeconds(s),
                Complete = true,
            })
            .ToArray();
        db.Checkpoints.AddRange(rows);
        await db.SaveChangesAsync();
        return (id, [.. rows.Select(r => r.Id)]);
    }

    [Fact]
    public async Task They_come_newest_first_by_pages()
    {
        using var client = host.Admin();
        var (job, _) = await JobAsync(client, 30, 10, 20);
        var first = await client.GetJsonAsync($"/api/v1/jobs/{job}/checkpoints?limit=2");
        var rows = first.GetProperty("items").EnumerateArray().ToArray();
        Assert.Equal([30, 20], rows.Select(r => r.GetProperty("step").GetInt32()));
        Assert.Equal("PyTorch", rows[0].GetProperty("layout").GetString());
        var next = first.GetProperty("next").GetString();
        var second = await client.GetJsonAsync($"/api/v1/jobs/{job}/checkpoints?limit=2&cursor={next}");
        Assert.Equal(10, second.GetProperty("items")[0].GetProperty("step").GetInt32());
        Assert.Null(second.GetProperty("next").GetString());
    }

    [Fact]
    public async Task A_pinned_one_is_not_deleted_and_what_is_deleted_is_not_pinned()
    {
        using var client = host.Admin();
        var (job, ids) = await JobAsync(client, 1);
        var one = $"/api/v1/jobs/{job}/checkpoints/{ids[0]}";
        foreach (var verb in (string[])["pin", "pin"])
        {
            using var pinned = await client.PostAsync($"{one}/{verb}", null);
            await pinned.OkAsync(HttpStatusCode.NoContent);
        }
        using var refused = await client.DeleteAsync(one);
        await refused.ProblemAsync(HttpStatusCode.Conflict);
        using var unpinned = await client.PostAsync($"{one}/unpin", null);
        await unpinned.OkAsync(HttpStatusCode.NoContent);
        using var deleted = await client.DeleteAsync(one);
        await deleted.OkAsync(HttpStatusCode.NoContent);
        using var late = await client.PostAsync($"{one}/pin", null);
        await late.ProblemAsync(HttpStatusCode.Conflict);
        await using var db = await host.DbAsync();
        Assert.NotNull((await db.Checkpoints.SingleAsync(c => c.Id == ids[0])).DeleteRequestedAt);
        Assert.Equal(
            ["checkpoint.delete", "checkpoint.pin", "checkpoint.unpin"],
            await db
                .Audit.Where(a => a.Target == $"checkpoint {ids[0]} of job {job}")
                .Select(a => a.Action)
                .Order()
                .ToListAsync()
        );
    }

    [Theory]
    [InlineData("GET", "")]
    [InlineData("GET", "/{0}/download")]
    [InlineData("POST", "/{0}/pin")]
    [InlineData("POST", "/{0}/unpin")]
    [InlineData("DELETE", "/{0}")]
    public async Task Those_of_anothers_job_are_not_there(string method, string path)
    {
        using var client = host.Admin();
        var (job, ids) = await JobAsync(client, 1);
        var user = await host.AddMemberAsync();
        using var member = host.Client(await host.SignInAsync(user.UserName, ApiHost.Password));
        var address = $"/api/v1/jobs/{job}/checkpoints{path.Replace("{0}", $"{ids[0]}", StringComparison.Ordinal)}";
        using var request = new HttpRequestMessage(new HttpMethod(method), address);
        using var answer = await member.SendAsync(request);
        await answer.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task What_is_no_page_and_what_is_not_there_is_said()
    {
        using var client = host.Admin();
        var (job, ids) = await JobAsync(client, 1);
        using var limit = await client.GetAsync($"/api/v1/jobs/{job}/checkpoints?limit=0");
        Assert.Equal(["limit"], (await limit.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        using var cursor = await client.GetAsync($"/api/v1/jobs/{job}/checkpoints?cursor=x");
        Assert.Equal(["cursor"], (await cursor.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        var (other, _) = await JobAsync(client);
        using var wrong = await client.DeleteAsync($"/api/v1/jobs/{other}/checkpoints/{ids[0]}");
        await wrong.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_volume_that_may_not_be_written_takes_no_checkpoints()
    {
        using var client = host.Admin();
        var name = $"ro-{Guid.NewGuid():N}"[..12];
        using var made = await client.PostAsync(
            "/api/v1/volumes",
            Answers.Json($$"""{"name":"{{name}}","path":"/srv/ro","readOnly":true}""")
        );
        Assert.True(made.IsSuccessStatusCode);
        foreach (var volume in (string[])[name, "no-such-volume"])
        {
            using var refused = await client.PostAsync(
                "/api/v1/jobs",
                Answers.Json(
                    $$"""{"name":"a","image":"base","checkpoint":{"volume":"{{volume}}"},"roles":[{"name":"w"}]}"""
                )
            );
            var paths = (await refused.ProblemAsync(refused.StatusCode)).Paths();
            Assert.Equal(["checkpoint.volume"], paths);
            Assert.InRange((int)refused.StatusCode, 400, 422);
        }
    }
}
