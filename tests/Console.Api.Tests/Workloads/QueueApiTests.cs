using System.Net;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Workloads;

public sealed class QueueApiTests(ApiHost host)
{
    /// <summary>A job that no host has room for, so that it waits whatever else the tests do.</summary>
    private async Task<long> SubmitAsync(HttpClient client)
    {
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync(
            "/api/v1/jobs",
            Answers.Json("""{"name":"waits","image":"base","roles":[{"name":"worker","command":["true"]}]}""")
        );
        return (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
    }

    [Fact]
    public async Task An_admin_holds_releases_and_moves_and_each_move_is_an_event()
    {
        using var client = host.Admin();
        var (first, second) = (await SubmitAsync(client), await SubmitAsync(client));
        foreach (var move in (string[])["hold", "release", "front", "own-place"])
        {
            // Again is fine
            for (var i = 0; i < 2; i++)
            {
                using var moved = await client.PostAsync($"/api/v1/jobs/{second}/{move}", null);
                await moved.OkAsync(HttpStatusCode.NoContent);
            }
        }
        using var priority = await client.PostAsync(
            $"/api/v1/jobs/{second}/priority",
            Answers.Json("""{"priority":77}""")
        );
        await priority.OkAsync(HttpStatusCode.NoContent);
        using var bad = await client.PostAsync($"/api/v1/jobs/{second}/priority", Answers.Json("""{"priority":101}"""));
        Assert.Equal(["priority"], (await bad.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());

        var events = await client.GetJsonAsync($"/api/v1/jobs/{second}/events");
        var moves = events
            .GetProperty("items")
            .EnumerateArray()
            .Where(e => e.GetProperty("kind").GetString() == "moved")
            .Select(e => e.GetProperty("message").GetString()!)
            .ToArray();
        // The front is taken twice, since another job may have taken it meanwhile
        Assert.Equal(6, moves.Length);
        Assert.StartsWith("held", moves[0]);
        Assert.Equal("its priority is 77 now, it was 50", moves[^1]);
        var job = await client.GetJsonAsync($"/api/v1/jobs/{second}");
        Assert.Equal(77, job.GetProperty("priority").GetInt32());
        Assert.True(
            job.GetProperty("queuePosition").GetInt32() < Position(await client.GetJsonAsync($"/api/v1/jobs/{first}"))
        );

        using var hold = await client.PostAsync($"/api/v1/jobs/{first}/hold", null);
        await hold.OkAsync(HttpStatusCode.NoContent);
        await using var db = await host.DbAsync();
        Assert.True((await db.Workloads.SingleAsync(w => w.Id == first)).Held);
    }

    [Fact]
    public async Task Members_do_not_move_and_what_does_not_wait_is_not_moved()
    {
        using var client = host.Admin();
        var id = await SubmitAsync(client);
        var user = await host.AddMemberAsync();
        using var member = host.Client(await host.SignInAsync(user.UserName, ApiHost.Password));
        using var refused = await member.PostAsync($"/api/v1/jobs/{id}/front", null);
        await refused.ProblemAsync(HttpStatusCode.Forbidden);
        await using (var db = await host.DbAsync())
        {
            await db
                .Workloads.Where(w => w.Id == id)
                .ExecuteUpdateAsync(s => s.SetProperty(w => w.State, WorkloadState.Stopped));
        }
        using var over = await client.PostAsync($"/api/v1/jobs/{id}/hold", null);
        await over.ProblemAsync(HttpStatusCode.Conflict);
        using var whatIf = await client.GetAsync($"/api/v1/jobs/{id}/what-if");
        await whatIf.ProblemAsync(HttpStatusCode.Conflict);
        using var missing = await client.PostAsync("/api/v1/jobs/999999999/hold", null);
        await missing.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_job_whose_stored_spec_does_not_read_back_says_so_and_keeps_nobody_from_being_planned()
    {
        using var client = host.Admin();
        var broken = await SubmitAsync(client);
        await using (var db = await host.DbAsync())
        {
            await db
                .Workloads.Where(w => w.Id == broken)
                .ExecuteUpdateAsync(s => s.SetProperty(w => w.SpecJson, "{\"name\":\"by hand\"}"));
        }
        // Comes after the change, so that a plan that knows it was made after the change
        var other = await SubmitAsync(client);
        var plan = await host.Services.GetRequiredService<LivePlan>().GetAsync(default, other);

        var wait = Assert.Single(plan.Find(broken)!.Waits);
        Assert.Equal(WaitKind.SpecUnreadable, wait.Kind);
        Assert.StartsWith("its stored spec does not read back: ", wait.Message);
        Assert.NotEqual(WaitKind.SpecUnreadable, plan.Find(other)!.Waits[0].Kind);
        var shown = await client.GetJsonAsync($"/api/v1/jobs/{broken}");
        Assert.Equal("by hand", shown.GetProperty("spec").GetProperty("name").GetString());
        using var clone = await client.PostAsync($"/api/v1/jobs/{broken}/clone", null);
        var problem = await clone.ProblemAsync(HttpStatusCode.Conflict);
        Assert.Contains("does not read back", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        // Nobody else's plan is to carry it on
        await using var after = await host.DbAsync();
        await after
            .Workloads.Where(w => w.Id == broken)
            .ExecuteUpdateAsync(s => s.SetProperty(w => w.State, WorkloadState.Stopped));
    }

    [Fact]
    public async Task The_queue_comes_in_pages()
    {
        using var client = host.Admin();
        for (var i = 0; i < 3; i++)
        {
            await SubmitAsync(client);
        }
        var first = await client.GetJsonAsync("/api/v1/queue?limit=2");
        Assert.Equal(2, first.GetProperty("items").GetArrayLength());
        var cursor = first.GetProperty("next").GetString();
        var second = await client.GetJsonAsync($"/api/v1/queue?limit=2&cursor={cursor}");
        Assert.NotEmpty(second.GetProperty("items").EnumerateArray());
        using var bad = await client.GetAsync("/api/v1/queue?cursor=x");
        Assert.Equal(["cursor"], (await bad.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
    }

    private static int Position(System.Text.Json.JsonElement job) => job.GetProperty("queuePosition").GetInt32();
}
