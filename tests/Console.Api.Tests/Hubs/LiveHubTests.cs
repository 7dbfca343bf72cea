using System.Text.Json;
using DeepLab.Core.Clusters;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Hubs;

public sealed class LiveHubTests(ApiHost host)
{
    private async Task<long> SubmitAsync(HttpClient client)
    {
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync(
            "/api/v1/jobs",
            Answers.Json("""{"name":"hub","image":"base","roles":[{"name":"worker","command":["true"]}]}""")
        );
        return (await answer.OkAsync(System.Net.HttpStatusCode.Created)).GetProperty("id").GetInt64();
    }

    private static long[] Ids(JsonElement? batch) =>
        [.. batch!.Value.GetProperty("jobs").EnumerateArray().Select(j => j.GetProperty("id").GetInt64())];

    [Fact]
    public async Task Changes_begin_with_what_is_there_and_go_on_with_ones_own()
    {
        var member = await host.AddMemberAsync();
        var token = await host.SignInAsync(member.UserName, ApiHost.Password);
        using var client = host.Client(token);
        using var admin = host.Admin();
        var before = await SubmitAsync(client);
        using var hub = await HubConnection.OpenAsync(host, token);
        await hub.StreamAsync("1", "StreamChanges");
        var (first, _) = await hub.NextAsync();
        Assert.True(first!.Value.GetProperty("reset").GetBoolean());
        Assert.Equal([before], Ids(first));
        // Another's job is not told; the next batch is one's own
        await SubmitAsync(admin);
        var mine = await SubmitAsync(client);
        JsonElement? batch;
        do
        {
            (batch, _) = await hub.NextAsync();
            Assert.Empty(Ids(batch).Except([before, mine]));
        } while (!Ids(batch).Contains(mine));
        Assert.Equal("Queued", batch!.Value.GetProperty("jobs")[0].GetProperty("state").GetString());
    }

    [Theory]
    [InlineData("StreamLogs", 4)]
    [InlineData("StreamMetrics", 2)]
    public async Task Another_members_job_looks_missing(string method, int arguments)
    {
        using var admin = host.Admin();
        var id = await SubmitAsync(admin);
        var member = await host.AddMemberAsync();
        using var hub = await HubConnection.OpenAsync(host, await host.SignInAsync(member.UserName, ApiHost.Password));
        object?[] Call(long job) => arguments == 4 ? [job, null, null, 0] : [job, null];
        await hub.StreamAsync("1", method, Call(id));
        var (_, theirs) = await hub.NextAsync();
        await hub.StreamAsync("2", method, Call(987654321));
        var (_, none) = await hub.NextAsync();
        Assert.Equal(none, theirs);
        Assert.Contains("no such job", none, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_revoked_token_ends_its_streams_within_ten_seconds()
    {
        var token = await host.SignInAsync("admin", ApiHost.Password);
        using var hub = await HubConnection.OpenAsync(host, token);
        await hub.StreamAsync("1", "StreamChanges");
        await hub.NextAsync();
        using var client = host.Client(token);
        using var gone = await client.DeleteAsync("/api/v1/session");
        var ending = EndAsync();
        Assert.Same(ending, await Task.WhenAny(ending, Task.Delay(TimeSpan.FromSeconds(10))));
        await ending;

        async Task EndAsync()
        {
            while ((await hub.NextAsync()).Error is null) { }
        }
    }
}
