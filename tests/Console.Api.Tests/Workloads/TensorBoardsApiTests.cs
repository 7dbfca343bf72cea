using System.Net;
using System.Text.Json;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Workloads;

/// <summary>Whether TensorBoard may be opened on a job, and the sentence where it may not.</summary>
public sealed class TensorBoardsApiTests(ApiHost host)
{
    private const string Command = """{"name":"a","image":"base","roles":[{"name":"worker","command":["true"]}]}""";
    private const string Script = """{"name":"a","image":"base","script":"true","roles":[{"name":"worker"}]}""";

    private async Task<long> JobAsync(HttpClient client, string spec)
    {
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync("/api/v1/jobs", Answers.Json(spec));
        return (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
    }

    /// <summary>An attempt of it ran there, ended, and wrote event files.</summary>
    private async Task WroteAsync(long job, Guid on)
    {
        await using var db = await host.DbAsync();
        var replica = await db.Replicas.SingleAsync(r => r.WorkloadId == job);
        var attempt = new Attempt
        {
            WorkloadId = job,
            ReplicaId = replica.Id,
            ReplicaName = replica.Name,
            Number = await db.Attempts.CountAsync(a => a.WorkloadId == job) + 1,
            HostId = on,
            ContainerName = "a test's",
            State = AttemptState.Exited,
            ContainerRemoved = true,
            LeasedAt = TimeProvider.System.GetUtcNow(),
        };
        db.Attempts.Add(attempt);
        await db.SaveChangesAsync();
        await db.Database.ExecuteSqlAsync(
            $$$"""insert into event_file_cursors (attempt_id, cursor) values ({{{attempt.Id}}}, '{"files":{"events.out.tfevents.1":99},"log":0}')"""
        );
    }

    private static async Task<string> RefusedAsync(HttpClient client, HttpStatusCode status, params long[] jobs)
    {
        using var answer = jobs is [var one]
            ? await client.PostAsync($"/api/v1/jobs/{one}/tensorboard", null)
            : await client.PostAsync("/api/v1/tensorboards", Answers.Json(JsonSerializer.Serialize(new { jobs })));
        Assert.Equal(status, answer.StatusCode);
        return JsonDocument
            .Parse(await answer.Content.ReadAsStringAsync())
            .RootElement.GetProperty("detail")
            .GetString()!;
    }

    [Fact]
    public async Task A_job_without_event_files_to_mount_says_why_and_one_of_somebody_else_is_not_there()
    {
        using var client = host.Admin();
        var plain = await JobAsync(client, Command);
        Assert.Contains("\"tensorboard\": true", await RefusedAsync(client, HttpStatusCode.Conflict, plain));
        var scripted = await JobAsync(client, Script);
        Assert.Contains("has not started", await RefusedAsync(client, HttpStatusCode.Conflict, scripted));
        await RefusedAsync(client, HttpStatusCode.UnprocessableEntity);
        await RefusedAsync(client, HttpStatusCode.NotFound, scripted, int.MaxValue);

        var member = await host.AddMemberAsync();
        using var stranger = host.Client(await host.SignInAsync(member.UserName, ApiHost.Password));
        await RefusedAsync(stranger, HttpStatusCode.NotFound, scripted);
        await RefusedAsync(stranger, HttpStatusCode.NotFound, plain, scripted);
    }

    [Fact]
    public async Task Event_files_on_several_hosts_are_named_with_their_hosts()
    {
        using var client = host.Admin();
        var (a, b) = (await JobAsync(client, Script), await JobAsync(client, Script));
        Guid here;
        var there = Guid.NewGuid();
        await using (var db = await host.DbAsync())
        {
            here = await db.Hosts.Where(h => h.Name == "local").Select(h => h.Id).SingleAsync();
        }
        await WroteAsync(a, here);
        await WroteAsync(b, there);
        var told = await RefusedAsync(client, HttpStatusCode.Conflict, a, b);
        Assert.Contains($"those of job {a} on local, those of job {b} on a host that was taken out", told);
        Assert.Contains("taken out of the lab", await RefusedAsync(client, HttpStatusCode.Conflict, b));
        Assert.Contains("has TensorBoard", await RefusedAsync(client, HttpStatusCode.Conflict, a));
    }
}
