using System.Globalization;
using System.Net;
using System.Text.Json;
using DeepLab.Core.Clusters;
using DeepLab.Core.Maintenance;
using DeepLab.Core.Metrics;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Workloads;

/// <summary>Receipts, files of series and searches by metrics, of a run whose samples are in the database.</summary>
public sealed class ReceiptApiTests(ApiHost host)
{
    private const long Gib = 1L << 30;
    private readonly string _uuid = $"GPU-{Guid.NewGuid()}";

    /// <summary>Found by nothing else.</summary>
    private readonly string _mark = "r" + Guid.NewGuid().ToString("N")[..12];

    private DateTimeOffset Now => host.Services.GetRequiredService<TimeProvider>().GetUtcNow();

    private async Task WriteAsync(SeriesKey key, params SeriesPoint[] points)
    {
        var store = host.Services.GetRequiredService<ISeriesStore>();
        var series = (await store.EnsureAsync([key], default))[key];
        await store.WriteAsync(new SeriesWrite([SeriesBlocks.Pack(series, 0, points)], [], []), default);
    }

    private static SeriesPoint[] Steady(DateTimeOffset from, int seconds, double value) =>
        [
            .. Enumerable
                .Range(0, seconds / 2)
                .Select(i => new SeriesPoint(0, from.AddSeconds(2 * i).ToUnixTimeMilliseconds(), value)),
        ];

    /// <summary>Waited a minute, held a GPU for eight, half of it with work, and ended five minutes ago.</summary>
    private async Task<(long Id, DateTimeOffset Started)> EndedJobAsync(HttpClient client)
    {
        await host.MakeRoomAsync();
        using var answer = await client.PostAsync(
            "/api/v1/jobs",
            Answers.Json($$"""{"name":"{{_mark}}","image":"base","roles":[{"name":"worker","command":["true"]}]}""")
        );
        var id = (await answer.OkAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        var start = Now.AddMinutes(-14);
        await using var db = await host.DbAsync();
        var w = await db.Workloads.SingleAsync(x => x.Id == id);
        var replica = await db.Replicas.SingleAsync(r => r.WorkloadId == id);
        var machine = await db.Hosts.SingleAsync(h => h.Name == "local");
        db.Gpus.Add(
            new Gpu
            {
                Uuid = _uuid,
                // On no host of the other tests
                HostId = Guid.NewGuid(),
                Model = "NVIDIA A100",
                MemoryBytes = 80 * Gib,
            }
        );
        var attempt = new Attempt
        {
            WorkloadId = id,
            ReplicaId = replica.Id,
            ReplicaName = "worker-0",
            Number = 1,
            HostId = machine.Id,
            ContainerName = $"test-{id}",
            State = AttemptState.Exited,
            Reason = Reason.Completed,
            Cpus = 2,
            MemoryBytes = 4 * Gib,
            LeasedAt = start.AddMinutes(1),
            StartedAt = start.AddMinutes(1),
            EndedAt = start.AddMinutes(9),
            LogArchived = true,
            ContainerRemoved = true,
        };
        db.Attempts.Add(attempt);
        w.SubmittedAt = start;
        w.StartedAt = attempt.StartedAt;
        w.EndedAt = attempt.EndedAt;
        w.MoveTo(WorkloadState.Starting, Reason.Placed, "");
        w.MoveTo(WorkloadState.Succeeded, Reason.Completed, "");
        await db.SaveChangesAsync();
        db.Leases.Add(
            new Lease
            {
                GpuUuid = _uuid,
                HostId = machine.Id,
                AttemptId = attempt.Id,
                WorkloadId = id,
                LeasedAt = attempt.LeasedAt,
                ReleasedAt = attempt.EndedAt,
            }
        );
        await db.SaveChangesAsync();
        var began = attempt.StartedAt.Value;
        SeriesKey Of(string name) => new(SeriesOwner.Gpu, _uuid, name);
        // Before and after, another held it
        await WriteAsync(
            Of(SeriesNames.GpuUtilisation),
            [.. Steady(began.AddMinutes(-1), 60, 99), .. Steady(began, 480, 25)]
        );
        await WriteAsync(Of(SeriesNames.GpuMemory), Steady(began, 480, 3 * Gib));
        var owner = attempt.Id.ToString(CultureInfo.InvariantCulture);
        await WriteAsync(new SeriesKey(SeriesOwner.Attempt, owner, SeriesNames.Cpu), Steady(began, 480, 1.99));
        var job = id.ToString(CultureInfo.InvariantCulture);
        double[] losses = [0.9, 0.25, double.NaN, 0.5];
        await WriteAsync(
            new SeriesKey(SeriesOwner.Job, job, "loss", "worker-0/1"),
            [.. losses.Select((v, i) => new SeriesPoint(i + 1, began.AddSeconds(i).ToUnixTimeMilliseconds(), v))]
        );
        return (id, began);
    }

    private static double Seconds(JsonElement receipt, string of, string what = "seconds") =>
        Math.Round(receipt.GetProperty(of).GetProperty(what).GetDouble());

    [Fact]
    public async Task A_receipt_is_kept_at_the_end_and_outlives_the_samples()
    {
        using var client = host.Admin();
        var (id, _) = await EndedJobAsync(client);

        var live = await client.GetJsonAsync($"/api/v1/jobs/{id}/receipt");
        Assert.Equal("Gpu", live.GetProperty("by").GetString());
        Assert.True(live.GetProperty("ended").GetBoolean());
        Assert.Equal(
            (60, 0, 120, 360, 0),
            (
                Seconds(live, "waited"),
                Seconds(live, "pulled"),
                Seconds(live, "computed", "gpuSeconds"),
                Seconds(live, "idle", "gpuSeconds"),
                Seconds(live, "unsaved")
            )
        );
        var findings = live.GetProperty("findings").EnumerateArray().ToArray();
        Assert.Equal(["GpuIdle", "GpuMemoryLow", "CpuFull"], findings.Select(f => f.GetProperty("kind").GetString()));
        Assert.Equal(
            "GPU idle 75 % of the time: the input pipeline is slow",
            findings[0].GetProperty("message").GetString()
        );
        Assert.Equal(
            "peak 3 of 80 GiB of GPU memory: a smaller GPU would do",
            findings[1].GetProperty("message").GetString()
        );

        var keeping = host.Services.GetRequiredService<ReceiptKeeping>();
        await keeping.RunAsync(default);
        // Twice changes nothing
        await keeping.RunAsync(default);
        await using var db = await host.DbAsync();
        Assert.Equal(1, await db.Receipts.CountAsync(r => r.WorkloadId == id));
        await db.Database.ExecuteSqlAsync(
            $"delete from series_blocks where series_id in (select id from series where owner_id = {_uuid})"
        );
        var kept = await client.GetJsonAsync($"/api/v1/jobs/{id}/receipt");
        Assert.Equal(JsonSerializer.Serialize(live), JsonSerializer.Serialize(kept));
    }

    [Fact]
    public async Task Nobody_sees_the_receipt_or_the_curves_of_another()
    {
        using var admin = host.Admin();
        var (id, _) = await EndedJobAsync(admin);
        var member = await host.AddMemberAsync();
        using var client = host.Client(await host.SignInAsync(member.UserName, ApiHost.Password));
        foreach (var path in (string[])["receipt", "metrics/csv?name=loss"])
        {
            using var answer = await client.GetAsync($"/api/v1/jobs/{id}/{path}");
            await answer.ProblemAsync(HttpStatusCode.NotFound);
        }
    }

    [Fact]
    public async Task Every_point_of_a_curve_is_in_its_file()
    {
        using var client = host.Admin();
        var (id, began) = await EndedJobAsync(client);

        using var answer = await client.GetAsync($"/api/v1/jobs/{id}/metrics/csv?name=loss");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("text/csv", answer.Content.Headers.ContentType?.MediaType);
        Assert.Equal($"job-{id}.csv", answer.Content.Headers.ContentDisposition?.FileName?.Trim('"'));
        var stamp = began.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        var lines = (await answer.Content.ReadAsStringAsync()).Split("\r\n");
        Assert.Equal("name,source,step,time,value", lines[0]);
        Assert.Equal($"loss,worker-0/1,1,{stamp},0.9", lines[1]);
        Assert.EndsWith(",NaN", lines[3], StringComparison.Ordinal);
        Assert.Equal(6, lines.Length);

        // Of a GPU that it held, what was meanwhile; and what it used
        var both = await client.GetStringAsync(
            $"/api/v1/jobs/{id}/metrics/csv?name={SeriesNames.GpuUtilisation}&name={SeriesNames.Cpu}"
        );
        var values = both.Split("\r\n").Skip(1).Where(l => l.Length > 0).Select(l => l.Split(',')).ToArray();
        Assert.Equal(480, values.Length);
        Assert.Equal(
            ["cpu worker-0/1 1.99", "gpu.utilisation worker-0/1 GPU 0 25"],
            values.Select(v => $"{v[0]} {v[1]} {v[4]}").Distinct()
        );

        var compared = await client.GetStringAsync(
            $"/api/v1/jobs/{id}/metrics/csv?name=loss&to={stamp}&source=worker-0/1"
        );
        Assert.Equal(3, compared.Split("\r\n").Length);
    }

    [Fact]
    public async Task Curves_of_several_runs_are_in_one_file()
    {
        using var client = host.Admin();
        var (a, _) = await EndedJobAsync(client);
        var (b, _) = await new ReceiptApiTests(host).EndedJobAsync(client);

        var text = await client.GetStringAsync($"/api/v1/jobs/compare/csv?ids={b},{a}&name=loss");
        var sources = text.Split("\r\n").Skip(1).Where(l => l.Length > 0).Select(l => l.Split(',')[1]).Distinct();
        Assert.Equal(new[] { $"{a} worker-0/1", $"{b} worker-0/1" }.Order(), sources.Order());
        using var gone = await client.GetAsync($"/api/v1/jobs/compare/csv?ids={a},999999999&name=loss");
        await gone.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData("metrics/csv", "name")]
    [InlineData("metrics/csv?name=", "name")]
    [InlineData("metrics/csv?name=loss&from=2026-01-02&to=2026-01-01", "to")]
    public async Task What_is_wrong_is_named(string path, string field)
    {
        using var client = host.Admin();
        var (id, _) = await EndedJobAsync(client);
        using var answer = await client.GetAsync($"/api/v1/jobs/{id}/{path}");
        Assert.Equal([field], (await answer.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        using var none = await client.GetAsync($"/api/v1/jobs/{id}/metrics/csv?name=none");
        await none.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Runs_are_found_by_their_best_value_once_they_have_ended()
    {
        using var client = host.Admin();
        var (id, _) = await EndedJobAsync(client);
        async Task<int> CountAsync(string query)
        {
            var answer = await client.GetJsonAsync($"/api/v1/jobs?q={Uri.EscapeDataString($"name:{_mark} {query}")}");
            return answer.GetProperty("items").GetArrayLength();
        }
        Assert.Equal(0, await CountAsync("metric:loss"));
        await host.Services.GetRequiredService<ReceiptKeeping>().RunAsync(default);

        foreach (var met in (string[])["loss", "loss<0.3", "loss<=0.25", "loss>0.8", "loss>=0.9"])
        {
            Assert.Equal((met, 1, 0), (met, await CountAsync($"metric:{met}"), await CountAsync($"-metric:{met}")));
        }
        foreach (var missed in (string[])["Loss", "loss<0.25", "loss>0.9", "accuracy", "accuracy>0"])
        {
            Assert.Equal((missed, 0), (missed, await CountAsync($"metric:{missed}")));
        }

        // They go with the job
        await using var db = await host.DbAsync();
        var deletedAt = Now - KeepingTimes.DeletedJobs - TimeSpan.FromHours(1);
        await db.Workloads.Where(w => w.Id == id).ExecuteUpdateAsync(s => s.SetProperty(w => w.DeletedAt, deletedAt));
        await host.Services.GetRequiredService<Retention>().RunAsync(default);
        Assert.False(await db.RunMetrics.AnyAsync(m => m.WorkloadId == id));
        Assert.False(await db.Receipts.AnyAsync(r => r.WorkloadId == id));
    }
}
