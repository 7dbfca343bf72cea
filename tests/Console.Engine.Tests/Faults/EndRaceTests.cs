using System.Globalization;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>A stop that is asked for in the moment in which the program ends: one end, and the first of the two has it.</summary>
public sealed class EndRaceTests(ITestOutputHelper output)
{
    private const int AtOnce = 10;
    private const int OnARealEngine = 24;
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Races on the engine in memory: 200 in an ordinary run, 1,000 in a soak.</summary>
    private static int Races { get; } =
        int.Parse(Environment.GetEnvironmentVariable("DEEPLAB_TEST_RACES") ?? "200", CultureInfo.InvariantCulture);

    [Fact]
    public async Task A_stop_that_races_the_programs_own_end_leaves_one_end_and_the_first_has_it()
    {
        var fleet = new FakeFleet();
        await using var console = await fleet.ConsoleAsync(Ct);
        var started = new System.Collections.Concurrent.ConcurrentDictionary<string, TaskCompletionSource>();
        TaskCompletionSource Started(string workload) =>
            started.GetOrAdd(workload, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));
        fleet.OnStart = c => Started(c.Plan.Labels[Labels.Workload]).TrySetResult();
        var codes = new Dictionary<long, int>();

        for (var done = 0; done < Races; done += AtOnce)
        {
            var batch = await Task.WhenAll(
                Enumerable
                    .Range(done, Math.Min(AtOnce, Races - done))
                    .Select(async i =>
                    {
                        var id = await console.SubmitAsync(Specs.Shell("race", cpus: 0.05), Ct);
                        await Started(id.ToString(CultureInfo.InvariantCulture)).Task.WaitAsync(Ct);
                        var container = fleet.Of(id);
                        // A program that ends with 0 when it is told to: a stop must not make a success of it
                        container.ExitCodeOnTerm = i % 2 == 0 ? 0 : 143;
                        await Task.WhenAll(
                            LaterAsync(i, () => Task.FromResult(fleet.Engine.TryEnd(container.Id, 0))),
                            LaterAsync(~i, () => StopAsync(console, id))
                        );
                        await console.WaitForEndAsync(id, Ct);
                        return (Id: id, container.ExitCode);
                    })
            );
            foreach (var (id, code) in batch)
            {
                codes.Add(id, code);
            }
        }

        await AssertAsync(console, fleet.Engine, codes.Keys);
        await using var db = await console.DbAsync(Ct);
        Assert.Equal(codes, await db.Attempts.ToDictionaryAsync(a => a.WorkloadId, a => a.ExitCode!.Value, Ct));
    }

    [Fact]
    public async Task On_a_real_engine_too()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var ids = new List<long>();
        for (var done = 0; done < OnARealEngine; done += AtOnce)
        {
            ids.AddRange(
                await Task.WhenAll(
                    Enumerable
                        .Range(done, Math.Min(AtOnce, OnARealEngine - done))
                        .Select(async i =>
                        {
                            var id = await console.SubmitAsync(
                                Specs.Shell("trap 'exit 0' TERM; sleep 1 & wait", cpus: 0.05),
                                Ct
                            );
                            await console.UntilAsync(
                                db => db.Workloads.AnyAsync(w => w.Id == id && w.StartedAt != null, Ct),
                                TimeSpan.FromSeconds(60),
                                Ct
                            );
                            // From at once to well after its end: some of each, and some in the very moment
                            await Task.Delay(TimeSpan.FromMilliseconds(80 * i), Ct);
                            await StopAsync(console, id);
                            await console.WaitForEndAsync(id, Ct);
                            return id;
                        })
                )
            );
        }
        var engine = console.Services.GetRequiredService<IEngineFactory>().Get(ConsoleHarness.Engine);
        await AssertAsync(console, engine, ids);
    }

    private async Task AssertAsync(ConsoleHarness console, IContainerEngine engine, IReadOnlyCollection<long> ids)
    {
        await console.UntilCleanAsync(Ct);
        await using var sql = NpgsqlDataSource.Create(console.Options.Database);
        await Invariants.AtRestAsync(sql, engine, ids, Ct);
        // Who was first, by the one clock of both: a program's own end with 0 is a success, one after the stop is not. An
        // engine shows a program as running for some time after its end: a stop that was sent by then has come first
        var wrong = await Invariants.ColumnAsync(
            sql,
            """
            select w.id || ' is ' || w.state || ': stop ' || coalesce(w.stop_requested_at::text, 'none') || ', end ' || a.ended_at
            from workloads w join attempts a on a.workload_id = w.id
            where w.state <> case when w.stop_requested_at <= a.ended_at or a.stop_sent_at is not null
              then 'Stopped' else 'Succeeded' end
            """,
            Ct
        );
        Assert.Empty(wrong);
        var ends = await Invariants.ColumnAsync(
            sql,
            "select state || ': ' || count(*) from workloads group by state order by state",
            Ct
        );
        output.WriteLine(string.Join(", ", ends));
        // Both were first now and then, or there was no race
        Assert.Equal(["Stopped", "Succeeded"], ends.Select(e => e.Split(':')[0]));
    }

    /// <summary>Idempotent, and fine where the job has ended.</summary>
    private static Task StopAsync(ConsoleHarness console, long id) =>
        console.Services.GetRequiredService<StopWorkload>().RunAsync(ConsoleHarness.Admin, id, Ct);

    /// <summary>A few milliseconds later or earlier: the moments of both cross all over a launch and an end.</summary>
    private static async Task LaterAsync(int seed, Func<Task> act)
    {
        await Task.Delay(new Random(seed).Next(12), Ct);
        await act();
    }
}
