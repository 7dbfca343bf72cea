using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using DeepLab.Core.Clusters;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Reconcile.Pairs;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Clusters;

/// <summary>The network between hosts, as it is kept and told.</summary>
public sealed class PairsTests(ApiHost host)
{
    private readonly string _cluster = $"c-{Guid.NewGuid().ToString("N")[..8]}";

    [Fact]
    public async Task What_was_measured_is_read_by_cluster_and_by_host_the_slow_ones_first()
    {
        using var client = host.Admin();
        var (hosts, job) = await FleetAsync(client, 3);
        await SaveAsync(
            job,
            hosts,
            new()
            {
                [(0, 1)] = (new PairFigures(100, 0.2), ""),
                [(0, 2)] = (new PairFigures(110, 0.25), ""),
                [(1, 2)] = (new PairFigures(9, 0.3), ""),
            }
        );

        var pairs = (await client.GetJsonAsync($"/api/v1/clusters/{_cluster}/pairs")).GetProperty("items");
        Assert.Equal(3, pairs.GetArrayLength());
        var slow = pairs[0];
        Assert.Equal(
            [hosts[1].Name, hosts[2].Name],
            slow.GetProperty("hosts").EnumerateArray().Select(h => h.GetString())
        );
        Assert.Equal(9, slow.GetProperty("megabytesPerSecond").GetDouble());
        Assert.Equal(0.3, slow.GetProperty("milliseconds").GetDouble());
        Assert.Equal(9, slow.GetProperty("typicalMegabytesPerSecond").GetDouble());
        Assert.Equal(1, slow.GetProperty("readings").GetInt32());
        const string why =
            "carries 9 MB/s, less than half of the 105 MB/s that are typical of the cluster's other pairs";
        Assert.Equal(why, slow.GetProperty("slow").GetString());
        Assert.Equal("", pairs[1].GetProperty("slow").GetString());

        var of = await client.GetJsonAsync($"/api/v1/clusters/{_cluster}/pairs?host={hosts[0].Name}");
        Assert.Equal(2, of.GetProperty("items").GetArrayLength());
        var page = await client.GetJsonAsync($"/api/v1/clusters/{_cluster}/pairs?limit=2");
        Assert.Equal(2, page.GetProperty("items").GetArrayLength());
        var rest = await client.GetJsonAsync(
            $"/api/v1/clusters/{_cluster}/pairs?limit=2&cursor={page.GetProperty("next").GetString()}"
        );
        Assert.Equal(1, rest.GetProperty("items").GetArrayLength());
        Assert.Equal(JsonValueKind.Null, rest.GetProperty("next").ValueKind);

        var marked = await client.GetJsonAsync($"/api/v1/hosts/{hosts[2].Name}");
        Assert.Equal(
            $"the network to {hosts[1].Name} is slow: it {why}",
            Assert.Single(marked.GetProperty("slowPairs").EnumerateArray()).GetString()
        );
        var well = await client.GetJsonAsync($"/api/v1/hosts/{hosts[0].Name}");
        Assert.Equal(0, well.GetProperty("slowPairs").GetArrayLength());

        var sentence = $"the network between {hosts[1].Name} and {hosts[2].Name} is slow: it {why}";
        Assert.Equal(sentence, (await EventsAsync(job))["pair-slow"]);
        Assert.Equal(
            "measured the network between 3 pairs of its hosts: 9 MB/s to 110 MB/s, 0.2 ms to 0.3 ms there and back",
            (await EventsAsync(job))["pairs-measured"]
        );
        var receipt = await client.GetJsonAsync($"/api/v1/jobs/{job}/receipt");
        Assert.Contains(
            receipt.GetProperty("findings").EnumerateArray(),
            f => f.GetProperty("kind").GetString() == "NetworkSlow" && f.GetProperty("message").GetString() == sentence
        );

        // With a host go its pairs
        await using var db = await host.DbAsync();
        await db.Hosts.Where(h => h.Id == hosts[0].Id).ExecuteDeleteAsync();
        Assert.Equal(1, await db.HostPairs.CountAsync(p => hosts.Select(h => h.Id).Contains(p.SecondId)));
    }

    [Fact]
    public async Task What_was_not_measured_says_why_and_leaves_what_was_known()
    {
        using var client = host.Admin();
        var (hosts, job) = await FleetAsync(client, 2);
        await SaveAsync(job, hosts, new() { [(0, 1)] = (new PairFigures(100, 0.2), "") });
        await SaveAsync(job, hosts, new() { [(0, 1)] = (null, new string('x', 5000)) });

        var pair = (await client.GetJsonAsync($"/api/v1/clusters/{_cluster}/pairs")).GetProperty("items")[0];
        Assert.Equal(100, pair.GetProperty("megabytesPerSecond").GetDouble());
        Assert.Equal(new string('x', 300), pair.GetProperty("notMeasured").GetString());
        Assert.StartsWith(
            $"the network between {hosts[0].Name} and {hosts[1].Name} was not measured: x",
            (await EventsAsync(job))["pairs-unmeasured"],
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("limit=0", "limit")]
    [InlineData("cursor=x", "cursor")]
    [InlineData("cursor=-1", "cursor")]
    [InlineData("cursor=99999999999", "cursor")]
    public async Task A_page_that_is_none_is_refused(string query, string path)
    {
        using var client = host.Admin();
        using var answer = await client.GetAsync($"/api/v1/clusters/local/pairs?{query}");
        Assert.Equal([path], (await answer.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
    }

    [Fact]
    public async Task Strangers_read_nothing_and_no_cluster_has_no_pairs()
    {
        using var client = host.Admin();
        using var missing = await client.GetAsync($"/api/v1/clusters/{_cluster}/pairs");
        await missing.ProblemAsync(HttpStatusCode.NotFound);
        using var nobody = host.Client();
        using var refused = await nobody.GetAsync("/api/v1/clusters/local/pairs");
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
    }

    /// <summary>Hosts of a cluster of their own, by name, and a job there.</summary>
    private async Task<(Host[] Hosts, long Job)> FleetAsync(HttpClient client, int count)
    {
        using var made = await client.PostAsJsonAsync("/api/v1/clusters", new { name = _cluster });
        await made.OkAsync(HttpStatusCode.Created);
        await using var db = await host.DbAsync();
        var cluster = await db.Clusters.SingleAsync(c => c.Name == _cluster);
        Host[] hosts =
        [
            .. Enumerable
                .Range(0, count)
                .Select(i => new Host
                {
                    Id = Guid.NewGuid(),
                    ClusterId = cluster.Id,
                    Name = $"{_cluster}-h{i}",
                    Address = $"tcp://{_cluster}-h{i}.example:2376",
                }),
        ];
        db.Hosts.AddRange(hosts);
        await db.SaveChangesAsync();
        using var answer = await client.PostAsJsonAsync(
            "/api/v1/jobs",
            new
            {
                name = "pairs",
                cluster = _cluster,
                image = "deeplab/base:13",
                roles = new[] { new { name = "worker", command = new[] { "true" } } },
            }
        );
        var job = await answer.OkAsync(HttpStatusCode.Created);
        return (hosts, job.GetProperty("id").GetInt64());
    }

    private async Task SaveAsync(
        long job,
        Host[] hosts,
        Dictionary<(int, int), (PairFigures? Figures, string Why)> results
    )
    {
        await using var db = await host.DbAsync();
        var epoch = await db.Database.SqlQuery<long>($"select epoch as \"Value\" from leadership").SingleAsync();
        var writes = ActivatorUtilities.CreateInstance<PairWrites>(
            host.Services,
            ActivatorUtilities.CreateInstance<LeaderWrites>(host.Services)
        );
        await writes.SaveAsync(
            new LeaderTerm(epoch, default),
            job,
            results.ToDictionary(r => HostPair.Order(hosts[r.Key.Item1].Id, hosts[r.Key.Item2].Id), r => r.Value),
            [.. PairTurns.Among([.. hosts.Select(h => h.Id)])]
        );
    }

    /// <summary>Messages by kind.</summary>
    private async Task<Dictionary<string, string>> EventsAsync(long job)
    {
        await using var db = await host.DbAsync();
        var events = await db.Events.Where(e => e.WorkloadId == job).OrderBy(e => e.Seq).ToListAsync();
        return events.GroupBy(e => e.Kind).ToDictionary(g => g.Key, g => g.Last().Message);
    }
}
