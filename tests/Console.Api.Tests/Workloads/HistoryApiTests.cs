using System.Net;
using System.Text.Json;
using DeepLab.Core.Maintenance;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Workloads;

public sealed class HistoryApiTests(ApiHost host)
{
    /// <summary>Found by nothing else.</summary>
    private readonly string _mark = "m" + Guid.NewGuid().ToString("N")[..12];

    private async Task<long> JobAsync(HttpClient client, string more = "", string command = "\"true\"")
    {
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync(
            "/api/v1/jobs",
            Answers.Json(
                $$"""{"name":"{{_mark}}","image":"base",{{more}}"roles":[{"name":"worker","command":[{{command}}]}]}"""
            )
        );
        return (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
    }

    private async Task ChangeAsync(long id, Action<Workload> change)
    {
        await using var db = await host.DbAsync();
        change(await db.Workloads.SingleAsync(w => w.Id == id));
        await db.SaveChangesAsync();
    }

    private async Task<long[]> FoundAsync(HttpClient client, string query)
    {
        var q = Uri.EscapeDataString($"name:{_mark} {query}");
        var answer = await client.GetJsonAsync($"/api/v1/jobs?q={q}");
        return [.. answer.GetProperty("items").EnumerateArray().Select(j => j.GetProperty("id").GetInt64())];
    }

    [Fact]
    public async Task Every_field_finds_and_leaves_out()
    {
        using var client = host.Admin();
        var a = await JobAsync(
            client,
            """ "labels":{"exp":"a","done":""},""",
            """ "python3","train.py","--lr","0.1","100%_sure" """
        );
        var b = await JobAsync(client, """ "labels":{"exp":"b"},""");
        await ChangeAsync(
            a,
            w =>
            {
                w.MoveTo(WorkloadState.Stopped, Reason.StoppedByUser, "");
                (w.HostName, w.HostNames, w.GpuModels) = ("gpu1, gpu2", ["gpu1", "gpu2"], "NVIDIA A100");
                (w.Notes, w.Pinned) = ("Good one", true);
                w.SubmittedAt = new DateTimeOffset(2020, 5, 6, 7, 8, 9, TimeSpan.Zero);
                w.EndedAt = w.SubmittedAt.AddHours(1);
            }
        );
        foreach (
            var term in (string[])
                [
                    $"id:{a}",
                    $"id:<={a}",
                    $"{a}",
                    "state:stopped,failed",
                    "reason:StoppedByUser",
                    "reason:StoppedByUser,OutOfMemory",
                    "command:\"--lr 0.1\"",
                    "command:TRAIN.py",
                    "command:100%_s",
                    "label:done",
                    "label:exp=a",
                    "gpu:a100",
                    "host:gpu2",
                    "host:gpu7,gpu1",
                    "note:good",
                    "pinned:yes",
                    "submitted:2020-05-06",
                    "submitted:<2021",
                    "ended:2020-05-06T08:08",
                    "ended:2020..2021",
                ]
        )
        {
            Assert.Equal([a], await FoundAsync(client, term));
            Assert.Equal([b], await FoundAsync(client, "-" + term));
        }
        foreach (
            var term in (string[])
                [
                    "",
                    "owner:admin",
                    "owner:admin,nobody",
                    "image:bas",
                    "label:exp",
                    "gpus:0",
                    "-started:7d",
                    "-command:100xxsure",
                    "-origin:1",
                ]
        )
        {
            Assert.Equal([b, a], await FoundAsync(client, term));
        }
        foreach (
            var term in (string[])
                ["owner:nobody", "team:nobody", "image:torch", "label:exp=c", "gpus:>0", "ended:7d", "command:%"]
        )
        {
            Assert.Equal(term == "command:%" ? [a] : [], await FoundAsync(client, term));
        }
    }

    [Fact]
    public async Task A_search_goes_by_pages_and_a_wrong_one_tells_all_its_errors()
    {
        using var client = host.Admin();
        var (a, b) = (await JobAsync(client), await JobAsync(client));
        var first = await client.GetJsonAsync($"/api/v1/jobs?q={_mark}&limit=1");
        Assert.Equal(b, first.GetProperty("items")[0].GetProperty("id").GetInt64());
        var next = first.GetProperty("next").GetString();
        var second = await client.GetJsonAsync($"/api/v1/jobs?q={_mark}&limit=1&cursor={next}");
        Assert.Equal(a, second.GetProperty("items")[0].GetProperty("id").GetInt64());
        Assert.Null(second.GetProperty("next").GetString());

        foreach (var path in (string[])["/api/v1/jobs?", "/api/v1/jobs/export?"])
        {
            using var wrong = await client.GetAsync($"{path}q=stat:x+ok+id:y");
            var problem = await wrong.ProblemAsync(HttpStatusCode.BadRequest);
            Assert.Equal(["q", "q"], problem.Paths());
            Assert.Contains("at character 11", problem.GetRawText(), StringComparison.Ordinal);
        }
        using var format = await client.GetAsync("/api/v1/jobs/export?format=xml&q=id:y");
        Assert.Equal(["q", "format"], (await format.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
    }

    [Fact]
    public async Task Labels_notes_and_the_pin_are_changed_each_by_itself()
    {
        using var client = host.Admin();
        var id = await JobAsync(client, """ "labels":{"exp":"a"},""");
        async Task<JsonElement> EditAsync(string body)
        {
            using var answer = await client.PatchAsync($"/api/v1/jobs/{id}", Answers.Json(body));
            return await answer.OkAsync();
        }
        var job = await EditAsync("""{"notes":"line\nline","pinned":true}""");
        Assert.Equal("line\nline", job.GetProperty("notes").GetString());
        Assert.True(job.GetProperty("pinned").GetBoolean());
        Assert.Equal("a", job.GetProperty("labels").GetProperty("exp").GetString());
        job = await EditAsync("""{"labels":{"best":""}}""");
        Assert.Equal("""{"best":""}""", job.GetProperty("labels").GetRawText());
        Assert.True(job.GetProperty("pinned").GetBoolean());
        // What it was submitted with stays in its spec
        Assert.Equal("a", job.GetProperty("spec").GetProperty("labels").GetProperty("exp").GetString());
        Assert.Equal([id], await FoundAsync(client, "label:best"));
        Assert.Empty(await FoundAsync(client, "label:exp"));
        await EditAsync("""{"labels":{"best":""}}""");
        var events = await client.GetJsonAsync($"/api/v1/jobs/{id}/events");
        Assert.Equal(
            ["pinned", "labelled it best"],
            events
                .GetProperty("items")
                .EnumerateArray()
                .Where(e => e.GetProperty("kind").GetString() == "edited")
                .Select(e => e.GetProperty("message").GetString()!.Replace("wrote its notes, pinned it", "pinned"))
        );

        var notes = new string('x', 4001);
        using var wrong = await client.PatchAsync(
            $"/api/v1/jobs/{id}",
            Answers.Json($$"""{"labels":{"a b":"","n":1},"notes":"{{notes}}"}""")
        );
        Assert.Equal(
            ["labels[\"a b\"]", "labels.n", "notes"],
            (await wrong.ProblemAsync(HttpStatusCode.BadRequest)).Paths()
        );
    }

    [Fact]
    public async Task An_export_is_all_of_a_search_and_no_cell_of_it_is_a_formula()
    {
        using var client = host.Admin();
        var a = await JobAsync(client, """ "labels":{"exp":"a"},""", """ "=cmd|' /C calc'!A0","say \"hi\", you" """);
        var b = await JobAsync(client);
        await ChangeAsync(b, w => w.Notes = "+1\nline");
        using var answer = await client.GetAsync($"/api/v1/jobs/export?q={_mark}");
        Assert.Equal("text/csv", answer.Content.Headers.ContentType!.MediaType);
        Assert.EndsWith(
            ".csv",
            answer.Content.Headers.ContentDisposition!.FileName!.Trim('"'),
            StringComparison.Ordinal
        );
        var lines = (await answer.Content.ReadAsStringAsync()).Split("\r\n");
        Assert.StartsWith("id,name,owner,", lines[0], StringComparison.Ordinal);
        Assert.Equal(4, lines.Length);
        Assert.StartsWith($"{b},{_mark},admin,", lines[1], StringComparison.Ordinal);
        Assert.Contains(",\"'+1\nline\",", lines[1], StringComparison.Ordinal);
        Assert.StartsWith($"{a},", lines[2], StringComparison.Ordinal);
        Assert.Contains(",\"'=cmd|' /C calc'!A0 say \"\"hi\"\", you\",exp=a,", lines[2], StringComparison.Ordinal);

        var json = (await client.GetStringAsync($"/api/v1/jobs/export?format=jsonl&q={_mark}")).Split('\n');
        Assert.Equal("", json[2]);
        Assert.Equal([b, a], json.Take(2).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("id").GetInt64()));
        Assert.Contains("\"labels\":{\"exp\":\"a\"}", json[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_export_has_more_rows_than_are_read_at_once_each_once()
    {
        using var client = host.Admin();
        var id = await JobAsync(client);
        await using (var db = await host.DbAsync())
        {
            var columns = string.Join(
                ", ",
                db.Model.FindEntityType(typeof(Workload))!
                    .GetProperties()
                    .Select(p => p.GetColumnName())
                    .Where(c => c != "id")
            );
#pragma warning disable EF1002, EF1003 // Names of columns
            await db.Database.ExecuteSqlRawAsync(
                $"insert into workloads ({columns}) select {columns} from workloads, generate_series(1, 1200) where id = {id}"
            );
#pragma warning restore EF1002, EF1003
            await db
                .Workloads.Where(w => w.Name == _mark)
                .ExecuteUpdateAsync(s => s.SetProperty(w => w.State, WorkloadState.Stopped));
        }
        var lines = (await client.GetStringAsync($"/api/v1/jobs/export?format=jsonl&q={_mark}")).TrimEnd().Split('\n');
        var ids = lines.Select(l => JsonDocument.Parse(l).RootElement.GetProperty("id").GetInt64()).ToArray();
        Assert.Equal(1201, ids.Length);
        Assert.Equal(ids.OrderDescending().Distinct(), ids);
    }

    [Fact]
    public async Task Old_jobs_leave_the_history_but_those_that_a_pin_keeps()
    {
        using var client = host.Admin();
        var ended = TimeProvider.System.GetUtcNow().AddDays(-40);
        var ids = new List<long>();
        for (var i = 0; i < 5; i++)
        {
            ids.Add(await JobAsync(client));
            await ChangeAsync(
                ids[^1],
                w =>
                {
                    w.MoveTo(WorkloadState.Stopped, Reason.StoppedByUser, "");
                    w.EndedAt = i == 3 ? ended.AddDays(20) : ended;
                    w.Pinned = i == 1;
                }
            );
        }
        var waiting = await JobAsync(client);
        await using (var db = await host.DbAsync())
        {
            db.Checkpoints.Add(
                new Checkpoint
                {
                    WorkloadId = ids[2],
                    Path = "best.pt",
                    Replica = "worker-0",
                    Pinned = true,
                }
            );
            await db.SaveChangesAsync();
        }
        var retention = host.Services.GetRequiredService<Retention>();
        // Off unless it is set
        await retention.RunAsync(default);
        Assert.Equal(6, (await FoundAsync(client, "")).Length);
        using var none = await client.PutAsync("/api/v1/history/keeping", Answers.Json("""{"days":0}"""));
        Assert.Equal(["days"], (await none.ProblemAsync(HttpStatusCode.BadRequest)).Paths());

        using var set = await client.PutAsync("/api/v1/history/keeping", Answers.Json("""{"days":30}"""));
        Assert.True((await set.OkAsync()).GetProperty("due").GetInt32() >= 2);
        try
        {
            await retention.RunAsync(default);
        }
        finally
        {
            using var off = await client.PutAsync("/api/v1/history/keeping", Answers.Json("""{"days":null}"""));
            Assert.Equal(0, (await off.OkAsync()).GetProperty("due").GetInt32());
        }
        Assert.Equal([waiting, ids[3], ids[2], ids[1]], await FoundAsync(client, ""));

        // What left the history goes for good with all that was deleted
        await ChangeAsync(ids[0], w => w.DeletedAt = w.DeletedAt!.Value.AddDays(-8));
        await retention.RunAsync(default);
        await using var rows = await host.DbAsync();
        Assert.False(await rows.Workloads.AnyAsync(w => w.Id == ids[0]));
        Assert.False(await rows.Texts.AnyAsync(t => t.WorkloadId == ids[0]));
        Assert.True(await rows.Workloads.AnyAsync(w => w.Id == ids[4]));
    }
}
