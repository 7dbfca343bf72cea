using System.Globalization;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Engines;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// Engines that do what was asked and say that they failed, and names that somebody else took: what was made is adopted,
/// what somebody else made is left alone.
/// </summary>
public sealed class CreateFaultTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/containers/create", Fate.DoneThenAnswer)]
    [InlineData("/containers/create", Fate.DoneThenCut)]
    [InlineData("/start", Fate.DoneThenAnswer)]
    [InlineData("/start", Fate.DoneThenCut)]
    internal async Task A_call_that_was_done_and_answered_as_failed_is_found_out_and_not_repeated(
        string path,
        Fate fate
    )
    {
        await using var proxy = EngineProxy.Start(ConsoleHarness.Engine);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = proxy.Address });
        await console.UntilAsync(async db => await db.Gpus.CountAsync(Ct) == 4, s_patience, Ct);
        await using var watch = await EngineWatch.StartAsync(console, ConsoleHarness.Engine, Ct);
        var rule = proxy.On("POST", path, fate, times: 1);

        var id = await console.SubmitAsync(Specs.Shell("echo hello; sleep 1", gpus: 4), Ct);

        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Succeeded, Reason.Completed), (job.Row.State, job.Row.Reason));
        Assert.Single(Assert.Single(job.Replicas).Attempts);
        Assert.Equal(1, rule.Count);
        await console.UntilCleanAsync(Ct);
        Assert.Equal((1, 1), (watch.Count("create"), watch.Count("start")));
    }

    [Fact]
    public async Task An_engine_that_refuses_to_create_fails_the_job_with_its_own_words()
    {
        await using var proxy = EngineProxy.Start(ConsoleHarness.Engine);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = proxy.Address });
        proxy.On("POST", "/containers/create", Fate.Answer, message: "the graph driver is broken");

        var id = await console.SubmitAsync(Specs.Shell("true"), Ct);

        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Failed, Reason.CreateFailed), (job.Row.State, job.Row.Reason));
        Assert.Contains("the graph driver is broken", job.Row.Message);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_strangers_container_of_our_name_is_left_alone_and_the_job_goes_on_under_its_next_name(
        bool carriesOurLabels
    )
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        await using var stranger = await StrangerAsync(console, carriesOurLabels);
        var fails = await console.SubmitAsync(Specs.Shell("true"), Ct);
        var goesOn = await console.SubmitAsync(Specs.Shell("echo hello", maxRestarts: 1), Ct);
        await Task.WhenAll(stranger.TakeNameAsync(fails), stranger.TakeNameAsync(goesOn));
        await ActivateAsync(console);

        var failed = await console.WaitForEndAsync(fails, Ct);
        Assert.Equal((WorkloadState.Failed, Reason.NameTaken), (failed.Row.State, failed.Row.Reason));
        Assert.Contains(stranger.NameOf(fails), failed.Row.Message);
        var job = await console.WaitForEndAsync(goesOn, Ct);
        Assert.Equal((WorkloadState.Succeeded, 0), (job.Row.State, job.Restarts));
        Assert.Equal([Reason.NameTaken, Reason.Completed], Assert.Single(job.Replicas).Attempts.Select(a => a.Reason));
        await console.UntilCleanAsync(Ct);
        // A full list finds containers that carry an attempt which is over, and takes away those that are its own
        await Fixpoint.UntilListedAsync(console, carriesOurLabels ? 2 : 0, Ct);
        await stranger.AssertUntouchedAsync();
    }

    private static async Task<Stranger> StrangerAsync(ConsoleHarness console, bool carriesOurLabels)
    {
        var name = console.Options.HostName;
        var drained = await console
            .Services.GetRequiredService<DrainHost>()
            .RunAsync(ConsoleHarness.Admin, name, null, Ct);
        Assert.IsType<Outcome<string>.Done>(drained);
        return new Stranger(console.Services.GetRequiredService<InstallationId>().Value, carriesOurLabels);
    }

    private static async Task ActivateAsync(ConsoleHarness console) =>
        Assert.IsType<Outcome<string>.Done>(
            await console
                .Services.GetRequiredService<ActivateHost>()
                .RunAsync(ConsoleHarness.Admin, console.Options.HostName, Ct)
        );

    /// <summary>Somebody who runs containers under the names that ours will have.</summary>
    private sealed class Stranger(string installId, bool carriesOurLabels) : IAsyncDisposable
    {
        private readonly DockerEngine _engine = TestEngine.Make(new EnginePolicy());
        private readonly List<string> _ids = [];

        public string NameOf(long workloadId) => LaunchPlan.NameOf(installId, workloadId, "worker-0", 1);

        public async Task TakeNameAsync(long workloadId)
        {
            var id = await _engine.CreateAsync(
                new ContainerPlan
                {
                    Name = NameOf(workloadId),
                    Image = TestEngine.Image,
                    Command = ["sleep", "600"],
                    Env = new Dictionary<string, string>(),
                    // Attempts of a new installation are numbered as its jobs are
                    Labels = carriesOurLabels
                        ? new Dictionary<string, string>
                        {
                            [Labels.Install] = installId,
                            [Labels.Attempt] = workloadId.ToString(CultureInfo.InvariantCulture),
                            [Labels.SpecHash] = "another",
                        }
                        : new Dictionary<string, string>(),
                    Cpus = 0.1,
                    Memory = 16 << 20,
                    Shm = 1 << 20,
                },
                Ct
            );
            await _engine.StartAsync(id, Ct);
            lock (_ids)
            {
                _ids.Add(id);
            }
        }

        public async Task AssertUntouchedAsync()
        {
            foreach (var id in _ids)
            {
                Assert.Equal(ContainerState.Running, (await _engine.InspectAsync(id, Ct))?.State);
            }
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var id in _ids)
            {
                await _engine.RemoveAsync(id, force: true, CancellationToken.None);
            }
            await _engine.DisposeAsync();
        }
    }
}
