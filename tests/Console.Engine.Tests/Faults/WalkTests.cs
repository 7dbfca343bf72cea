using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>The walk of a job over REST as a CI system takes it, on real containers with real device requests.</summary>
public sealed class WalkTests(ITestOutputHelper output)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Upload_submit_wait_logs_metrics_events_and_exactly_the_leased_gpus()
    {
        await using var console = await StartAsync();
        var digest = await UploadAsync(console, ("main.sh", "echo from the archive; nvidia-smi -L; id -u; sleep 3\n"));
        var (status, answer) = await console.PostAsync("/api/v1/jobs", Body(2, digest, "sh", "main.sh"), Ct);
        Assert.True(status == HttpStatusCode.Created, $"{status}: {answer}");
        var id = (long)answer!["id"]!;
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal("Succeeded", (string?)job["state"]);
        var gpus = job["replicas"]![0]!["attempts"]![0]!["gpus"]!.AsArray().Select(g => (string)g!).ToArray();
        Assert.Equal(2, gpus.Length);
        var log = await LogAsync(console, id);
        output.WriteLine(string.Join(Environment.NewLine, log));
        Assert.Equal("from the archive", log[0]);
        // GPU 0 and 1 inside, whatever they are outside, and no other
        Assert.StartsWith("GPU 0: ", log[1]);
        Assert.StartsWith("GPU 1: ", log[2]);
        Assert.Equal(
            gpus.Order(),
            log[1..3].Select(l => l[(l.IndexOf("UUID: ", StringComparison.Ordinal) + 6)..].TrimEnd(')')).Order()
        );
        Assert.Equal("1000", log[3]);
        var (_, events) = await console.GetAsync($"/api/v1/jobs/{id}/events", Ct);
        Assert.Equal(
            ["submitted", "placed", "started", "running", "exited", "ended"],
            events!["items"]!.AsArray().Select(e => (string)e!["kind"]!).Take(6)
        );
        var (metricsStatus, metrics) = await console.GetAsync($"/api/v1/jobs/{id}/metrics", Ct);
        Assert.Equal(HttpStatusCode.OK, metricsStatus);
        Assert.Contains("\"cpu\"", metrics!.ToJsonString());
    }

    [Fact]
    public async Task A_job_without_gpus_sees_none()
    {
        await using var console = await StartAsync();
        var id = await SubmitAsync(
            console,
            Body(0, null, "sh", "-c", "nvidia-smi -L 2>&1 || echo none; echo $NVIDIA_VISIBLE_DEVICES")
        );
        Assert.Equal("Succeeded", (string?)(await console.WaitForEndAsync(id, Ct))["state"]);
        var log = await LogAsync(console, id);
        Assert.DoesNotContain(log, l => l.StartsWith("GPU 0", StringComparison.Ordinal));
        Assert.Equal(["none", "void"], log[^2..]);
    }

    [Fact]
    public async Task Three_jobs_of_two_on_four_two_run_and_the_third_says_why_and_then_runs()
    {
        await using var console = await StartAsync();
        var ids = new List<long>();
        for (var i = 0; i < 3; i++)
        {
            ids.Add(await SubmitAsync(console, Body(2, null, "sh", "-c", "sleep 5")));
        }
        await console.UntilSqlAsync(
            $"count(*) filter (where state = 'Running') = 2 and count(*) filter (where state = 'Queued' and waits <> '[]') = 1 from workloads",
            "two run and one waits with its reasons",
            Ct
        );
        var (_, third) = await console.GetAsync($"/api/v1/jobs/{ids[2]}", Ct);
        Assert.Equal("Queued", (string?)third!["state"]);
        var why = third["waits"]!.AsArray()[0]!;
        Assert.Equal("NotEnoughGpus", (string?)why["kind"]);
        Assert.Equal("needs 2 GPUs on one host; local has 0 of 4 free, 4 held by 2 jobs", (string?)why["message"]);
        foreach (var id in ids)
        {
            Assert.Equal("Succeeded", (string?)(await console.WaitForEndAsync(id, Ct))["state"]);
        }
    }

    [Fact]
    public async Task What_no_host_has_is_refused_by_name_and_nothing_is_created()
    {
        await using var console = await StartAsync();
        var (status, problem) = await console.PostAsync("/api/v1/jobs", Body(64, null, "true"), Ct);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, status);
        var error = Assert.Single(problem!["errors"]!.AsArray());
        Assert.Equal("roles[0].resources.gpus", (string?)error!["path"]);
        Assert.Contains("the largest host, local, has 4", (string?)error["message"]);
        Assert.Equal(0L, await Invariants.ScalarAsync<long>(console.Sql, "select count(*) from workloads", Ct));
    }

    [Theory]
    [InlineData("deeplab/no-such-image:1", "true", "ImageNotFound|ImagePullFailed")]
    [InlineData("base", "no-such-program", "CommandNotFound")]
    public async Task What_cannot_start_says_so(string image, string command, string reasons)
    {
        await using var console = await StartAsync();
        var body = Body(0, null, command);
        body["image"] = image;
        var id = await SubmitAsync(console, body);
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal("Failed", (string?)job["state"]);
        Assert.Contains((string)job["reason"]!, reasons.Split('|'));
        await console.UntilSqlAsync("bool_and(container_removed) from attempts", "nothing is left over", Ct);
    }

    private static async Task<ConsoleProcess> StartAsync()
    {
        var console = await ConsoleProcess.CreateAsync(Ct);
        await console.StartAsync(Ct);
        await console.SignInAsync(Ct);
        await console.UntilSqlAsync("count(*) = 4 from gpus", "an inventory of four GPUs", Ct);
        return console;
    }

    private static async Task<long> SubmitAsync(ConsoleProcess console, JsonObject body)
    {
        var (status, answer) = await console.PostAsync("/api/v1/jobs", body, Ct);
        Assert.True(status == HttpStatusCode.Created, $"{status}: {answer}");
        return (long)answer!["id"]!;
    }

    private static async Task<string[]> LogAsync(ConsoleProcess console, long id)
    {
        await console.UntilSqlAsync(
            $"bool_and(log_archived) from attempts where workload_id = {id}",
            "the log is archived",
            Ct
        );
        var text = await console.TextAsync($"/api/v1/jobs/{id}/logs", Ct);
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static JsonObject Body(int gpus, string? code, params string[] command)
    {
        var body = new JsonObject
        {
            ["name"] = "walk",
            ["image"] = "base",
            ["roles"] = new JsonArray(
                new JsonObject
                {
                    ["name"] = "worker",
                    ["command"] = new JsonArray([.. command.Select(c => JsonValue.Create(c))]),
                    ["resources"] = new JsonObject
                    {
                        ["gpus"] = gpus,
                        ["cpus"] = 0.25,
                        ["memory"] = "64MiB",
                    },
                }
            ),
        };
        if (code is not null)
        {
            body["code"] = code;
        }
        return body;
    }

    private static async Task<string> UploadAsync(ConsoleProcess console, params (string Name, string Text)[] files)
    {
        using var archive = new MemoryStream();
        await using (var gzip = new GZipStream(archive, CompressionLevel.Fastest, leaveOpen: true))
        await using (var tar = new TarWriter(gzip))
        {
            foreach (var (name, text) in files)
            {
                var entry = new PaxTarEntry(TarEntryType.RegularFile, name)
                {
                    DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)),
                };
                await tar.WriteEntryAsync(entry, Ct);
            }
        }
        using var http = new HttpClient { BaseAddress = console.Address };
        http.DefaultRequestHeaders.Authorization = console.Authorization;
        using var content = new ByteArrayContent(archive.ToArray());
        content.Headers.ContentType = new MediaTypeHeaderValue("application/gzip");
        using var answer = await http.PostAsync("/api/v1/code", content, Ct);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        return (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync(Ct))!["digest"]!;
    }
}
