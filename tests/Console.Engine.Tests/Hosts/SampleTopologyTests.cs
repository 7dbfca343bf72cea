using System.Formats.Tar;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Hosts;

/// <summary>The samples as users submit them: real PyTorch over three engines. The image is a gigabyte a host.</summary>
public sealed class SampleTopologyTests(LabFleet fleet, TopologyConsole lab, ITestOutputHelper output)
    : IClassFixture<TopologyConsole>
{
    private const double LeastAccuracy = 0.93;
    private static readonly string s_samples = Path.Combine(
        Path.GetDirectoryName(Environment.GetEnvironmentVariable("DEEPLAB_TEST_LAB"))!,
        "../../samples/topologies"
    );
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory(Explicit = true)]
    [InlineData("peers", "worker:2", 2)]
    [InlineData("peers", "worker:3", 3)]
    [InlineData("mpi", "mpi:3", 3)]
    [InlineData("array", "task:8", 8)]
    public async Task Only_in_a_soak_as_its_image_is_large_a_sample_trains_over_three_hosts(
        string sample,
        string roles,
        int learners
    )
    {
        await TrainAsync(sample, roles, learners, json => { });
    }

    [Theory(Explicit = true)]
    [InlineData("ps:1 worker:2", 2)]
    [InlineData("ps:2 worker:3", 3)]
    public async Task Only_in_a_soak_as_its_image_is_large_a_parameter_server_sample_trains_over_three_hosts(
        string roles,
        int learners
    ) => await TrainAsync("parameter-servers", roles, learners, json => { });

    [Fact(Explicit = true)]
    public async Task Only_in_a_soak_as_its_image_is_large_torchrun_needs_no_argument() =>
        await TrainAsync(
            "peers",
            "worker:3",
            3,
            json => json["roles"]![0]!["command"] = new JsonArray("torchrun", "data_parallel.py")
        );

    [Fact(Explicit = true)]
    public async Task Only_in_a_soak_as_its_image_is_large_peers_train_on_their_hosts_networks() =>
        await TrainAsync("peers", "worker:3", 3, json => json["network"] = "host");

    [Fact(Explicit = true)]
    public async Task Only_in_a_soak_as_its_image_is_large_an_evaluator_judges_the_chiefs_checkpoints()
    {
        var logs = await TrainAsync("chief-evaluator", "chief:1 evaluator:1", 1, json => { }, spread: false);
        Assert.Contains(logs, l => l.StartsWith("evaluator-0: step-000", StringComparison.Ordinal));
    }

    /// <returns>all lines, each after its replica's name</returns>
    private async Task<List<string>> TrainAsync(
        string sample,
        string roles,
        int learners,
        Action<JsonNode> change,
        bool spread = true
    )
    {
        await fleet.ReadyAsync(Ct);
        await Task.WhenAll(fleet.Hosts.Select(h => h.LoadAsync("pytorch-cpu")));
        var console = await lab.StartAsync(fleet, Ct);
        var json = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(s_samples, sample + ".json"), Ct))!;
        foreach (var (role, asked) in json["roles"]!.AsArray().Zip(roles.Split(' ')))
        {
            role!["replicas"] = int.Parse(asked.Split(':')[1], CultureInfo.InvariantCulture);
            // A machine of two processors plays all three hosts
            role["resources"]!["cpus"] = 0.5;
            role["resources"]!["memory"] = "512MiB";
        }
        json["code"] = await UploadAsync(console);
        change(json);
        var reading = SpecReader.Read(json.ToJsonString());
        Assert.Empty(reading.Errors);
        var began = TimeProvider.System.GetTimestamp();
        var spec = reading.Spec! with { Cluster = SwarmCluster.Name };
        var id = await lab.SubmitAsync(spread ? TopologyConsole.Spread(spec) : spec, Ct);
        var job = await console.WaitForEndAsync(id, TimeSpan.FromMinutes(4), Ct);
        var logs = new List<string>();
        foreach (var replica in job.Replicas)
        {
            logs.AddRange((await TopologyConsole.LogAsync(console, replica, Ct)).Select(l => $"{replica.Name}: {l}"));
        }
        output.WriteLine(string.Join('\n', logs));
        output.WriteLine($"{sample} {roles}: {TimeProvider.System.GetElapsedTime(began).TotalSeconds:F1} s");
        Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
        var hosts = spread ? Math.Min(3, job.Replicas.Count) : 1;
        Assert.Equal(hosts, job.Replicas.Select(r => r.Attempts[0].Host).Distinct().Count());
        var reached = logs.Select(l => Regex.Match(l, @"accuracy ([0-9.]+)$"))
            .Where(m => m.Success)
            .Select(m => double.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture))
            .ToArray();
        Assert.Equal(learners, reached.Length);
        Assert.All(reached, a => Assert.True(a > LeastAccuracy, $"accuracy {a}"));
        if (sample == "mpi")
        {
            Assert.Equal(3, logs.Count(l => l.EndsWith("of 3 by mpi", StringComparison.Ordinal)));
        }
        await SwarmCluster.AtRestAsync(console, fleet, lab.Jobs, Ct);
        return logs;
    }

    /// <summary>Digest of the programs.</summary>
    internal static async Task<string> UploadAsync(ConsoleHarness console)
    {
        using var archive = new MemoryStream();
        await using (var gzip = new GZipStream(archive, CompressionLevel.Fastest, leaveOpen: true))
        await using (var tar = new TarWriter(gzip))
        {
            foreach (var program in Directory.GetFiles(s_samples, "*.py").Order(StringComparer.Ordinal))
            {
                await tar.WriteEntryAsync(program, Path.GetFileName(program), Ct);
            }
        }
        archive.Position = 0;
        var kept = await console.Services.GetRequiredService<UploadCode>().RunAsync(ConsoleHarness.Admin, archive, Ct);
        return Assert.IsType<Outcome<CodeArchive>.Done>(kept).Value.Digest;
    }
}
