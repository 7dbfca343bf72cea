using System.Globalization;
using System.Net;
using DeepLab.Core.Engines;
using DeepLab.Core.Reconcile;
using Microsoft.Extensions.Logging.Abstractions;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>The console dies with SIGKILL between each two steps of a launch, and nothing is lost, doubled or left over.</summary>
public sealed class KillTests(ITestOutputHelper output)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Rounds at each failpoint: one in an ordinary run, twenty in a soak.</summary>
    private static int Rounds { get; } =
        int.Parse(Environment.GetEnvironmentVariable("DEEPLAB_TEST_ROUNDS") ?? "1", CultureInfo.InvariantCulture);

    [Fact]
    public async Task Killed_at_each_step_of_a_launch_nothing_is_lost_doubled_or_left_over()
    {
        await using var console = await ConsoleProcess.CreateAsync(Ct);
        await using var engine = new DockerEngine(
            new Uri(ConsoleHarness.Engine),
            () => null,
            new EnginePolicy(),
            TimeProvider.System,
            NullLogger<DockerEngine>.Instance
        );
        await console.StartAsync(Ct);
        await console.SignInAsync(Ct);
        await console.UntilSqlAsync("count(*) >= 2 from gpus", "an inventory of two GPUs", Ct);
        await console.KillAsync(Ct);

        var acknowledged = new List<long>();
        for (var round = 1; round <= Rounds; round++)
        {
            foreach (var failpoint in Failpoints.All)
            {
                await DieAtAsync(console, failpoint, $"{round}-{failpoint}", acknowledged);
                await Invariants.AlwaysAsync(console.Sql, engine, Ct);
            }
            await console.StartAsync(Ct);
            foreach (var id in acknowledged)
            {
                await console.WaitForEndAsync(id, Ct);
            }
            await console.UntilSqlAsync("bool_and(container_removed) from attempts", "every container removed", Ct);
            await Invariants.AtRestAsync(console.Sql, engine, acknowledged, Ct);
            await AssertEndsAsync(console);
            output.WriteLine($"round {round} of {Rounds}: {acknowledged.Count} jobs, all invariants hold");
            await console.KillAsync(Ct);
        }
    }

    /// <summary>One job, one death. The stop failpoints need somebody to ask for a stop.</summary>
    private static async Task DieAtAsync(ConsoleProcess console, string failpoint, string key, List<long> acknowledged)
    {
        await console.StartAsync(Ct, failpoint);
        var stops = failpoint is Failpoints.AfterStopIntent or Failpoints.AfterStopSent;
        var seconds = stops ? "60" : "0.3";
        var body = new
        {
            name = "victim",
            image = "base",
            roles = new[]
            {
                new
                {
                    name = "worker",
                    command = new[] { "sh", "-c", $"echo begin; sleep {seconds}; echo end" },
                    resources = new
                    {
                        gpus = 2,
                        cpus = 0.25,
                        memory = "64MiB",
                    },
                },
            },
        };
        long? id = null;
        var isStopped = !stops;
        try
        {
            // A recovery may have hit the failpoint already; then the job goes to the next console, under its key
            if (!console.HasExited)
            {
                var (status, answer) = await console.PostAsync("/api/v1/jobs", body, Ct, key);
                Assert.True(status is HttpStatusCode.Created or HttpStatusCode.OK, $"{status}: {answer}");
                id = (long)answer!["id"]!;
                if (stops && await console.IsTrueBeforeItExitsAsync(RunsOf(id.Value), "the job runs", Ct))
                {
                    await console.PostAsync($"/api/v1/jobs/{id}/stop", null, Ct);
                    isStopped = true;
                }
            }
        }
        catch (HttpRequestException)
        {
            // It died before it could answer; that it did die is asserted below, and where no id came, the same key finds out
            // whether the job was taken
        }
        await console.WaitForExitAsync(Ct);
        if (id is null)
        {
            await console.StartAsync(Ct);
            var (status, answer) = await console.PostAsync("/api/v1/jobs", body, Ct, key);
            Assert.True(status is HttpStatusCode.Created or HttpStatusCode.OK, $"{status}: {answer}");
            id = (long)answer!["id"]!;
            // 9: asked again, the key answers the same job
            var (_, again) = await console.PostAsync("/api/v1/jobs", body, Ct, key);
            Assert.Equal(id, (long)again!["id"]!);
            await console.KillAsync(Ct);
        }
        if (!isStopped)
        {
            // It died at the failpoint for an earlier victim, whose stop its recovery went on with
            await console.StartAsync(Ct);
            await console.PostAsync($"/api/v1/jobs/{id}/stop", null, Ct);
            await console.KillAsync(Ct);
        }
        acknowledged.Add(id.Value);
    }

    private static string RunsOf(long id) => $"state = 'Running' from workloads where id = {id}";

    private static async Task AssertEndsAsync(ConsoleProcess console)
    {
        var ends = await Invariants.ColumnAsync(
            console.Sql,
            """
            select state || ' ' || reason from workloads
            where not (state = 'Succeeded' and reason = 'Completed' and stop_requested_at is null)
              and not (state = 'Stopped' and reason = 'StoppedByUser' and stop_requested_at is not null)
            """,
            Ct
        );
        Assert.Empty(ends);
    }
}
