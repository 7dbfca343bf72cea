using System.Net;
using System.Text;
using System.Text.Json;
using DeepLab.Core.Metrics;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Workloads;

public sealed class CompareApiTests(ApiHost host)
{
    private async Task<long> JobAsync(HttpClient client, string lr, int epochs, params double[] losses)
    {
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync(
            "/api/v1/jobs",
            Answers.Json(
                $$"""
                {"name":"tries-{{lr}}","image":"base","env":{"EPOCHS":"{{epochs}}"},
                 "roles":[{"name":"worker","command":["train","--lr","{{lr}}"]}]}
                """
            )
        );
        var id = (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        await WriteAsync(id, "loss", losses);
        await host
            .Services.GetRequiredService<IMediaStore>()
            .WriteAsync(
                id,
                [
                    new MediaItem(
                        MediaKind.Parameters,
                        "hparams",
                        "worker-0/1",
                        0,
                        0,
                        Encoding.UTF8.GetBytes($$"""{"lr":{{lr}},"optimizer":"adam"}""")
                    ),
                ],
                default
            );
        return id;
    }

    private async Task WriteAsync(long id, string name, double[] values)
    {
        var store = host.Services.GetRequiredService<ISeriesStore>();
        var key = new SeriesKey(SeriesOwner.Job, id.ToString(), name, "worker-0/1");
        var series = (await store.EnsureAsync([key], default))[key];
        SeriesPoint[] points = [.. values.Select((v, i) => new SeriesPoint(i + 1, 1000 * (i + 1), v))];
        await store.WriteAsync(new SeriesWrite([SeriesBlocks.Pack(series, 0, points)], [], []), default);
    }

    private static string[] Differs(JsonElement answer) =>
        [.. answer.GetProperty("differs").EnumerateArray().Select(f => f.GetProperty("path").GetString()!)];

    [Fact]
    public async Task Runs_are_compared_in_the_order_in_which_they_are_named()
    {
        using var client = host.Admin();
        var a = await JobAsync(client, "0.1", 60, 3, 1, 2);
        var b = await JobAsync(client, "0.2", 60, 5, 0.5, 4, double.NaN);

        var answer = await client.GetJsonAsync($"/api/v1/jobs/compare?ids={b},{a}&metric=loss&points=10");

        Assert.Equal([b, a], answer.GetProperty("runs").EnumerateArray().Select(r => r.GetProperty("id").GetInt64()));
        Assert.Equal(["lr", "roles[0].command --lr"], Differs(answer));
        Assert.Equal(
            ["0.2", "0.1"],
            answer.GetProperty("differs")[0].GetProperty("values").EnumerateArray().Select(v => v.GetString())
        );
        var equal = answer.GetProperty("equal").EnumerateArray().Select(f => f.GetProperty("path").GetString());
        Assert.Contains("env.EPOCHS", equal);
        Assert.Contains("optimizer", equal);

        var loss = Assert.Single(answer.GetProperty("metrics").EnumerateArray());
        Assert.Equal(0.5, loss.GetProperty("runs")[0].GetProperty("least").GetDouble());
        Assert.Equal(5, loss.GetProperty("runs")[0].GetProperty("greatest").GetDouble());
        Assert.Equal("NaN", loss.GetProperty("runs")[0].GetProperty("last").GetString());
        Assert.Equal(2, loss.GetProperty("runs")[1].GetProperty("last").GetDouble());

        var best = answer.GetProperty("best");
        Assert.Equal("Least", best.GetProperty("by").GetString());
        Assert.Equal(b, Assert.Single(best.GetProperty("ids").EnumerateArray()).GetInt64());
        Assert.Equal(0.5, best.GetProperty("value").GetDouble());

        var curves = answer.GetProperty("curves").EnumerateArray().ToArray();
        Assert.Equal([b, a], curves.Select(c => c.GetProperty("id").GetInt64()));
        Assert.Equal(
            [1, 2, 3],
            curves[1].GetProperty("points").EnumerateArray().Select(p => p.GetProperty("step").GetInt64())
        );
    }

    [Fact]
    public async Task The_other_way_is_the_greatest_and_a_metric_of_one_run_is_not_shared()
    {
        using var client = host.Admin();
        var a = await JobAsync(client, "0.1", 10, 3, 1);
        var b = await JobAsync(client, "0.1", 20, 5);
        await WriteAsync(a, "own", [1]);

        var answer = await client.GetJsonAsync($"/api/v1/jobs/compare?ids={a},{b}&metric=loss&best=greatest");
        Assert.Equal(["env.EPOCHS"], Differs(answer));
        Assert.Single(answer.GetProperty("metrics").EnumerateArray());
        Assert.Equal(b, Assert.Single(answer.GetProperty("best").GetProperty("ids").EnumerateArray()).GetInt64());
        Assert.Empty(answer.GetProperty("curves").EnumerateArray());

        var none = await client.GetJsonAsync($"/api/v1/jobs/compare?ids={a},{b}&metric=own&points=10");
        Assert.Empty(none.GetProperty("best").GetProperty("ids").EnumerateArray());
        Assert.Equal(JsonValueKind.Null, none.GetProperty("best").GetProperty("value").ValueKind);
        Assert.Empty(none.GetProperty("curves").EnumerateArray());

        var plain = await client.GetJsonAsync($"/api/v1/jobs/compare?ids={a},{b}");
        Assert.Equal(JsonValueKind.Null, plain.GetProperty("best").ValueKind);
    }

    [Fact]
    public async Task All_that_is_wrong_is_told_at_once()
    {
        using var client = host.Admin();
        using var wrong = await client.GetAsync("/api/v1/jobs/compare?ids=7,x,7&best=most&points=501&by=name");
        Assert.Equal(
            ["ids", "ids", "best", "points", "by", "metric"],
            (await wrong.ProblemAsync(HttpStatusCode.BadRequest)).Paths()
        );
        foreach (var query in new[] { "", "?ids=", "?ids=1", "?ids=1,2,3,4,5,6,7,8,9,10,11", "?ids=1,2&points=x" })
        {
            using var answer = await client.GetAsync("/api/v1/jobs/compare" + query);
            await answer.ProblemAsync(HttpStatusCode.BadRequest);
        }
    }

    [Fact]
    public async Task A_job_that_is_not_the_callers_is_as_one_that_there_is_not()
    {
        using var admin = host.Admin();
        var user = await host.AddMemberAsync();
        using var member = host.Client(await host.SignInAsync(user.UserName, ApiHost.Password));
        var theirs = await JobAsync(admin, "0.1", 1, 1);
        var own = await JobAsync(member, "0.2", 1, 1);
        var again = await JobAsync(member, "0.3", 1, 1);

        using var refused = await member.GetAsync($"/api/v1/jobs/compare?ids={own},{theirs},999999999");
        var problem = await refused.ProblemAsync(HttpStatusCode.NotFound);
        Assert.Equal(
            $"There is no job {theirs}, 999999999, or it is not yours.",
            problem.GetProperty("detail").GetString()
        );
        (await (await member.GetAsync($"/api/v1/jobs/compare?ids={own},{again}")).OkAsync()).GetProperty("runs");
        (await (await admin.GetAsync($"/api/v1/jobs/compare?ids={own},{theirs}")).OkAsync()).GetProperty("runs");

        using var nobody = await host.Client().GetAsync($"/api/v1/jobs/compare?ids={own},{again}");
        await nobody.ProblemAsync(HttpStatusCode.Unauthorized);
    }
}
