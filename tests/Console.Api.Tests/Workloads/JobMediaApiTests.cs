using System.Net;
using System.Text;
using DeepLab.Core.Metrics;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Workloads;

public sealed class JobMediaApiTests(ApiHost host)
{
    private const string Source = "worker-0/1";

    private async Task<long> JobAsync(HttpClient client, params MediaItem[] items)
    {
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync(
            "/api/v1/jobs",
            Answers.Json("""{"name":"paints","image":"base","roles":[{"name":"worker","command":["true"]}]}""")
        );
        var id = (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        await host.Services.GetRequiredService<IMediaStore>().WriteAsync(id, items, default);
        return id;
    }

    private static MediaItem Text(long step, string text) =>
        new(MediaKind.Text, "says", Source, step, 0, Encoding.UTF8.GetBytes(text));

    [Fact]
    public async Task They_are_listed_and_the_newest_comes_where_no_step_is_asked_for()
    {
        using var client = host.Admin();
        var id = await JobAsync(client, Text(1, "first"), Text(2, "<script>"));
        var list = await client.GetJsonAsync($"/api/v1/jobs/{id}/media");
        var says = Assert.Single(list.GetProperty("items").EnumerateArray());
        Assert.Equal([1, 2], says.GetProperty("steps").EnumerateArray().Select(s => s.GetInt64()));

        using var newest = await client.GetAsync($"/api/v1/jobs/{id}/media/text?tag=says&source={Source}");
        Assert.Equal("<script>", await newest.Content.ReadAsStringAsync());
        // What a program wrote is never taken for a page
        Assert.Equal("text/plain", newest.Content.Headers.ContentType?.MediaType);
        Assert.Equal(["nosniff"], newest.Headers.GetValues("X-Content-Type-Options"));
        Assert.Equal(
            "first",
            await client.GetStringAsync($"/api/v1/jobs/{id}/media/text?tag=says&source={Source}&step=1")
        );
    }

    [Fact]
    public async Task What_is_no_picture_is_not_called_one()
    {
        using var client = host.Admin();
        var id = await JobAsync(
            client,
            new MediaItem(MediaKind.Image, "seen", Source, 1, 0, "<svg onload=x>"u8.ToArray())
        );
        using var image = await client.GetAsync($"/api/v1/jobs/{id}/media/image?tag=seen&source={Source}");
        Assert.Equal("application/octet-stream", image.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task All_that_is_wrong_is_told_at_once()
    {
        using var client = host.Admin();
        var id = await JobAsync(client);
        using var wrong = await client.GetAsync($"/api/v1/jobs/{id}/media/film?tag=");
        Assert.Equal(["kind", "tag", "source"], (await wrong.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        using var none = await client.GetAsync($"/api/v1/jobs/{id}/media/image?tag=x&source=y");
        await none.ProblemAsync(HttpStatusCode.NotFound);
        using var job = await client.GetAsync("/api/v1/jobs/999999999/media");
        await job.ProblemAsync(HttpStatusCode.NotFound);
    }
}
