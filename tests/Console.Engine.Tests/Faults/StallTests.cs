using System.Diagnostics;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Engines;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>An engine that takes connections and answers nothing (SIGSTOP), or is away for less than its grace.</summary>
public sealed class StallTests(ITestOutputHelper output)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    /// <summary>Ten seconds, and what a busy machine adds to them.</summary>
    private static readonly TimeSpan s_bound = TimeSpan.FromSeconds(11);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_call_to_an_engine_that_answers_nothing_is_given_up_within_ten_seconds()
    {
        await using var host = await LabHost.UpAsync(0, Ct);
        await using var engine = TestEngine.Make(new EnginePolicy(), host.Address);
        var id = await engine.CreateAsync(Plan("sleeps"), Ct);
        await engine.StartAsync(id, Ct);
        var calls = new Dictionary<string, Func<Task>>
        {
            ["info"] = () => engine.InfoAsync(Ct),
            ["list"] = () => engine.ListAsync("x", Ct),
            ["inspect"] = () => engine.InspectAsync(id, Ct),
            ["find image"] = () => engine.FindImageAsync(TestEngine.Image, Ct),
            ["images"] = () => engine.ImagesAsync(Ct),
            ["pull"] = () => engine.PullAsync("deeplab/no-such-image:1", null, Ct),
            ["create"] = () => engine.CreateAsync(Plan("late"), Ct),
            ["start"] = () => engine.StartAsync(id, Ct),
            ["stop"] = () => engine.StopAsync(id, TimeSpan.FromSeconds(10), Ct),
            ["remove"] = () => engine.RemoveAsync(id, force: true, Ct),
            ["put"] = () => engine.PutArchiveAsync(id, "/tmp", new MemoryStream(new byte[1024]), Ct),
            ["get"] = () => engine.GetArchiveAsync(id, "/tmp", Ct),
            ["exec"] = () => engine.ExecAsync(id, ["true"], _ => ValueTask.CompletedTask, Ct),
            ["logs"] = async () =>
            {
                await foreach (var _ in engine.LogsAsync(id, new LogQuery(Follow: false), Ct)) { }
            },
            ["events"] = async () =>
            {
                await foreach (var _ in engine.EventsAsync("x", Ct)) { }
            },
            ["nodes"] = () => engine.NodesAsync(Ct),
            ["network"] = () => engine.EnsureNetworkAsync("x", new Dictionary<string, string>(), Ct),
            ["remove network"] = () => engine.RemoveNetworkAsync("x", Ct),
            ["volumes"] = () => engine.VolumesAsync("x", Ct),
            ["remove volume"] = () => engine.RemoveVolumeAsync("x", Ct),
        };
        await host.PauseAsync(Ct);
        var took = await Task.WhenAll(
            calls.Select(async call =>
            {
                var began = Stopwatch.GetTimestamp();
                await Assert.ThrowsAsync<EngineUnreachableException>(call.Value);
                return (call.Key, Elapsed: Stopwatch.GetElapsedTime(began));
            })
        );
        await host.ResumeAsync(Ct);
        output.WriteLine(string.Join(", ", took.Select(t => $"{t.Key} {t.Elapsed.TotalSeconds:0.0} s")));
        Assert.All(took, t => Assert.InRange(t.Elapsed, TimeSpan.Zero, s_bound));
    }

    [Fact]
    public async Task A_call_that_takes_long_is_not_given_up_while_its_engine_answers()
    {
        await using var engine = TestEngine.Make(new EnginePolicy());
        var plan = Plan($"slow-{Guid.NewGuid():N}"[..12]) with
        {
            Command = ["sh", "-c", "trap '' TERM; echo deaf; sleep 600 & wait; wait"],
        };
        var id = await engine.CreateAsync(plan, Ct);
        try
        {
            await engine.StartAsync(id, Ct);
            // Before it says so the signal would end it
            await foreach (var _ in engine.LogsAsync(id, new LogQuery(Follow: true), Ct))
            {
                break;
            }
            var began = Stopwatch.GetTimestamp();
            await engine.StopAsync(id, TimeSpan.FromSeconds(12), Ct);
            Assert.True(Stopwatch.GetElapsedTime(began) > TimeSpan.FromSeconds(11));
        }
        finally
        {
            await engine.RemoveAsync(id, force: true, CancellationToken.None);
        }
    }

    [Fact]
    public async Task While_one_engine_stalls_jobs_on_another_start_within_five_seconds()
    {
        await using var stalls = await LabHost.UpAsync(0, Ct);
        await using var console = await ConsoleHarness.StartAsync(Ct);
        Assert.IsType<Outcome<string>.Done>(
            await console
                .Services.GetRequiredService<AddHost>()
                .RunAsync(
                    ConsoleHarness.Admin,
                    new NewHost(
                        "stalls",
                        Core.ConsoleOptions.ClusterName,
                        stalls.Address,
                        new CredentialInput(null, null, null),
                        new Dictionary<string, string>(),
                        ""
                    ),
                    Ct
                )
        );
        await console.UntilAsync(
            async db => (await db.Hosts.AsNoTracking().ToListAsync(Ct)).Count(h => h.Closed is null) == 2,
            s_patience,
            Ct
        );
        var there = await console.SubmitAsync(On("sleep 15", console.Options.HostName), Ct);
        await RunningAsync(console, there);
        await stalls.PauseAsync(Ct);
        // One that is placed there meanwhile hangs, and holds up nobody else
        var hangs = await console.SubmitAsync(On("true", console.Options.HostName), Ct);
        var isTold = false;
        for (var n = 0; n < 3 || !isTold; n++)
        {
            var began = Stopwatch.GetTimestamp();
            var id = await console.SubmitAsync(On("sleep 3", "stalls"), Ct);
            await RunningAsync(console, id);
            Assert.InRange(Stopwatch.GetElapsedTime(began), TimeSpan.Zero, TimeSpan.FromSeconds(5));
            await console.WaitForEndAsync(id, Ct);
            await using var db = await console.DbAsync(Ct);
            isTold = await db.Hosts.AnyAsync(h => h.State == HostState.Unreachable, Ct);
        }
        await stalls.ResumeAsync(Ct);
        foreach (var id in new[] { there, hangs })
        {
            var job = await console.WaitForEndAsync(id, Ct);
            Assert.Equal((WorkloadState.Succeeded, 0), (job.Row.State, job.Interruptions));
        }
    }

    [Fact]
    public async Task An_engine_that_is_down_for_less_than_its_grace_comes_back_and_its_job_is_the_same()
    {
        await using var host = await LabHost.UpAsync(0, Ct, liveRestore: true);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = host.Address });
        var id = await console.SubmitAsync(
            Specs.Shell("until [ -e /tmp/end ]; do sleep 0.2; done; echo ended", maxRestarts: 3),
            Ct
        );
        await RunningAsync(console, id);
        await host.KillAsync(Ct);
        await StateAsync(console, HostState.Unreachable);
        await host.StartAsync(Ct);
        await StateAsync(console, HostState.Ready);
        string container;
        await using (var db = await console.DbAsync(Ct))
        {
            Assert.True(await db.Workloads.AnyAsync(w => w.Id == id && w.State == WorkloadState.Running, Ct));
            container = await db.Attempts.Where(a => a.WorkloadId == id).Select(a => a.ContainerName).SingleAsync(Ct);
        }
        await Shell.TellAsync(host.Address, container, Ct, "touch", "/tmp/end");
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Succeeded, 0, 0), (job.Row.State, job.Restarts, job.Interruptions));
        await console.UntilLineAsync(Assert.Single(job.Replicas[0].Attempts).Id, "ended", s_patience, Ct);
    }

    private static JobSpec On(string script, string notOn) =>
        Specs.Shell(script) with
        {
            Placement = new PlacementSpec { ExcludeHosts = [notOn] },
        };

    private static Task RunningAsync(ConsoleHarness console, long id) =>
        console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == id && w.State == WorkloadState.Running, Ct),
            s_patience,
            Ct
        );

    private static Task StateAsync(ConsoleHarness console, HostState state) =>
        console.UntilAsync(db => db.Hosts.AnyAsync(h => h.State == state, Ct), s_patience, Ct);

    private static ContainerPlan Plan(string name) =>
        new()
        {
            Name = name,
            Image = TestEngine.Image,
            Command = ["sleep", "600"],
            Env = new Dictionary<string, string>(),
            Labels = new Dictionary<string, string>(),
            Cpus = 0.1,
            Memory = 64L << 20,
            Shm = 1L << 20,
        };
}
