using DeepLab.Core;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace DeepLab.Engine.Tests.Hosts;

/// <summary>Three real engines behind mutual TLS, in a Swarm of their own.</summary>
public sealed class FleetTests(LabFleet fleet)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(40);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_engine_is_spoken_to_over_mutual_tls_and_in_no_other_way()
    {
        await fleet.ReadyAsync(Ct);
        await using var engine = Engine(0, fleet.Credentials);
        var info = await engine.InfoAsync(Ct);
        Assert.Equal(fleet.Hosts[0].Name, info.Name);
        Assert.NotEmpty(info.RuncVersion);
        Assert.NotNull(info.SwarmNodeId);
        // Nothing listens there, and the engine says so
        Assert.Contains("refused", await engine.WhyNoRegistryAsync("127.0.0.1:9/some/image:1", Ct));
        // A call, a stream of events, a log and an exec all go the same way
        var install = $"tls-{Guid.NewGuid():N}"[..14];
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var started = FirstEventAsync(engine, install, enough.Token);
        var id = await engine.CreateAsync(Plan("echo over tls; exec sleep 600", install, "tls"), Ct);
        await engine.StartAsync(id, Ct);
        try
        {
            await foreach (var frame in engine.LogsAsync(id, new LogQuery(Follow: true), Ct))
            {
                Assert.Equal("over tls", System.Text.Encoding.UTF8.GetString(frame.Text.Span));
                break;
            }
            var said = new MemoryStream();
            var end = await engine.ExecAsync(id, ["echo", "inside"], b => said.WriteAsync(b, Ct), Ct);
            Assert.Equal(("inside\n", 0), (System.Text.Encoding.UTF8.GetString(said.ToArray()), end.ExitCode));
            Assert.Equal("start", await started);
        }
        finally
        {
            await enough.CancelAsync();
            await engine.RemoveAsync(id, force: true, CancellationToken.None);
        }
        await using var plain = Engine(0, null);
        await Assert.ThrowsAsync<EngineUnreachableException>(() => plain.InfoAsync(Ct));
    }

    [Fact]
    public async Task Containers_on_two_hosts_reach_each_other_by_name_over_a_jobs_network()
    {
        await fleet.ReadyAsync(Ct);
        var install = $"net-{Guid.NewGuid():N}"[..14];
        await using var manager = Engine(0, fleet.Credentials);
        await using var worker = Engine(1, fleet.Credentials);
        var network = $"dl-{install}";
        var labels = new Dictionary<string, string> { [Labels.Install] = install };
        await manager.EnsureNetworkAsync(network, labels, Ct);
        await manager.EnsureNetworkAsync(network, labels, Ct);
        Assert.Equal([network], await manager.NetworksAsync(install, Ct));
        var one = await manager.CreateAsync(
            Plan("exec sleep 600", install, "one") with
            {
                Network = network,
                Hostname = "worker-0",
                NetworkAlias = "worker-0",
            },
            Ct
        );
        await manager.StartAsync(one, Ct);
        var two = await worker.CreateAsync(
            Plan("until getent hosts worker-0; do sleep 0.2; done", install, "two") with
            {
                Network = network,
                Hostname = "worker-1",
            },
            Ct
        );
        await worker.StartAsync(two, Ct);
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
            patience.CancelAfter(s_patience);
            // The log ends with the container
            await foreach (var _ in worker.LogsAsync(two, new LogQuery(Follow: true), patience.Token)) { }
            Assert.Equal(0, (await worker.InspectAsync(two, Ct))!.ExitCode);
            var inUse = await Assert.ThrowsAsync<EngineException>(() => manager.RemoveNetworkAsync(network, Ct));
            Assert.Equal(EngineErrorKind.Conflict, inUse.Kind);
        }
        finally
        {
            await manager.RemoveAsync(one, force: true, CancellationToken.None);
            await worker.RemoveAsync(two, force: true, CancellationToken.None);
        }
        await RemovedAsync(manager, network, install);
    }

    [Fact]
    public async Task The_nodes_of_a_Swarm_become_hosts_that_follow_it()
    {
        await fleet.ReadyAsync(Ct);
        await using var console = await ConsoleHarness.StartAsync(
            Ct,
            o => o with { HostGrace = TimeSpan.FromMinutes(5) }
        );
        await SwarmCluster.AddAsync(console, fleet, Ct);
        var (first, last) = (fleet.Hosts[0], fleet.Hosts[2]);
        await SwarmCluster.OpenAsync(console, s_patience, Ct);
        await using (var db = await console.DbAsync(Ct))
        {
            var host = await db.Hosts.SingleAsync(h => h.Name == last.Name, Ct);
            Assert.Equal((last.Address, "worker"), (host.Address, host.Labels[SwarmLabels.Role]));
            Assert.Contains("deeplab/base:13", host.Images);
            var findings = host.Preflight!.Findings.ToDictionary(f => f.Check);
            Assert.Equal(FindingSeverity.Ok, findings["swarm"].Severity);
            Assert.Equal(FindingSeverity.Ok, findings["clock"].Severity);
            Assert.Contains("2 x NVIDIA A100", findings["gpus"].Message);
            Assert.Equal(FindingSeverity.Warning, findings["engine-version"].Severity);
        }

        // Drained there, it takes nothing here; an operator's own drain is another thing
        await first.DockerAsync(Ct, "node", "update", "--availability", "drain", last.Name);
        await WishAsync(console, last.Name, HostWish.Draining);
        Assert.IsType<Outcome<string>.Conflict>(
            await Verb<ActivateHost>(console).RunAsync(ConsoleHarness.Admin, last.Name, Ct)
        );
        await first.DockerAsync(Ct, "node", "update", "--availability", "active", last.Name);
        await WishAsync(console, last.Name, HostWish.Active);

        // Down, it is unreachable, and back after
        await last.StopAsync(Ct);
        await StateAsync(console, last.Name, HostState.Unreachable);
        await last.StartAsync(Ct);
        await StateAsync(console, last.Name, HostState.Ready);

        Assert.IsType<Outcome<string>.Done>(
            await Verb<RemoveCluster>(console).RunAsync(ConsoleHarness.Admin, SwarmCluster.Name, Ct)
        );
        await console.UntilAsync(async db => await db.Hosts.CountAsync(Ct) == 1, s_patience, Ct);
        await NoProbesAsync(console, first);
    }

    [Fact]
    public async Task A_host_is_added_works_is_drained_and_leaves_without_a_trace()
    {
        await fleet.ReadyAsync(Ct);
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var host = fleet.Hosts[1];
        var admin = ConsoleHarness.Admin;
        await Done(Verb<AddCluster>(console).RunAsync(admin, new NewCluster("more", null, null, Given(null)), Ct));
        var added = new NewHost(
            "extra",
            "more",
            host.Address,
            Given(fleet.Credentials),
            new Dictionary<string, string>(),
            ""
        );
        await Done(Verb<AddHost>(console).RunAsync(admin, added, Ct));
        await console.UntilAsync(db => IsOpenAsync(db, "extra"), s_patience, Ct);
        var id = await console.SubmitAsync(
            Specs.Shell("nvidia-smi -L; exec sleep 600", gpus: 2) with
            {
                Cluster = "more",
            },
            Ct
        );
        await console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == id && w.State == WorkloadState.Running, Ct),
            s_patience,
            Ct
        );
        var held = Assert.IsType<Outcome<string>.Conflict>(
            await Verb<RemoveHost>(console).RunAsync(admin, "extra", Ct)
        );
        Assert.Contains($"job {id}", held.Message);
        await Done(Verb<DrainHost>(console).RunAsync(admin, "extra", TimeSpan.Zero, Ct));
        await console.UntilAsync(
            db => db.Attempts.AllAsync(a => a.WorkloadId != id || a.ContainerRemoved, Ct),
            s_patience,
            Ct
        );
        await console.UntilAsync(
            db => db.Hosts.AnyAsync(h => h.Name == "extra" && h.State == HostState.Draining, Ct),
            s_patience,
            Ct
        );
        await Done(Verb<ActivateHost>(console).RunAsync(admin, "extra", Ct));
        await CalledDeadAsync(console, host, id);
        await host.HealAsync(Ct);
        await Done(Verb<ActivateHost>(console).RunAsync(admin, "extra", Ct));
        await NothingLeftAsync(console, host);

        // The same, and it is taken out while it is away: entered again, it is another host to the console
        var other = await console.SubmitAsync(Specs.Shell("exec sleep 600", gpus: 1) with { Cluster = "more" }, Ct);
        await CalledDeadAsync(console, host, other);
        await Done(Verb<RemoveHost>(console).RunAsync(admin, "extra", Ct));
        await host.HealAsync(Ct);
        await Done(Verb<AddHost>(console).RunAsync(admin, added, Ct));
        await NothingLeftAsync(console, host);
        await Done(Verb<RemoveHost>(console).RunAsync(admin, "extra", Ct));
        await NoProbesAsync(console, host);
    }

    /// <summary>It is cut off with the job on it and called dead, which frees the job's GPUs; the job is not wanted any more.</summary>
    private static async Task CalledDeadAsync(ConsoleHarness console, FleetHost host, long job)
    {
        var admin = ConsoleHarness.Admin;
        await console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == job && w.State == WorkloadState.Running, Ct),
            s_patience,
            Ct
        );
        Assert.IsType<Outcome<string>.Conflict>(await Verb<FenceHost>(console).RunAsync(admin, "extra", Ct));
        await host.CutAsync(Ct);
        await StateAsync(console, "extra", HostState.Unreachable);
        await Done(Verb<FenceHost>(console).RunAsync(admin, "extra", Ct));
        await console.UntilAsync(db => db.Leases.AllAsync(l => l.ReleasedAt != null, Ct), s_patience, Ct);
        await console.UntilAsync(db => db.Attempts.AllAsync(a => a.ContainerRemoved, Ct), s_patience, Ct);
        await Verb<Core.Operations.Jobs.StopWorkload>(console).RunAsync(admin, job, Ct);
    }

    /// <summary>By the time that it takes work, no container of any job is on it.</summary>
    private static async Task NothingLeftAsync(ConsoleHarness console, FleetHost host)
    {
        await console.UntilAsync(db => IsOpenAsync(db, "extra"), s_patience, Ct);
        var install = Verb<InstallationId>(console).Value;
        var running = await host.DockerAsync(
            Ct,
            ["ps", "-aq", "--filter", $"label={Labels.Install}={install}", "--filter", $"label={Labels.Attempt}"]
        );
        Assert.Equal("", running.Trim());
    }

    private static async Task Done(Task<Outcome<string>> verb) => Assert.IsType<Outcome<string>.Done>(await verb);

    private static CredentialInput Given(EngineCredentials? c) => new(c?.Ca, c?.Certificate, c?.Key);

    private static T Verb<T>(ConsoleHarness console)
        where T : notnull => console.Services.GetRequiredService<T>();

    private static async Task<bool> IsOpenAsync(Core.Storage.ConsoleDb db, string name) =>
        (await db.Hosts.AsNoTracking().SingleAsync(h => h.Name == name, Ct)).Closed is null
        && await db.Gpus.AnyAsync(g => db.Hosts.Any(h => h.Id == g.HostId && h.Name == name), Ct);

    private static Task WishAsync(ConsoleHarness console, string name, HostWish wish) =>
        console.UntilAsync(db => db.Hosts.AnyAsync(h => h.Name == name && h.Wish == wish, Ct), s_patience, Ct);

    private static Task StateAsync(ConsoleHarness console, string name, HostState state) =>
        console.UntilAsync(
            db => db.Hosts.AnyAsync(h => h.Name == name && h.State == state, Ct),
            TimeSpan.FromSeconds(60),
            Ct
        );

    /// <summary>The probes of a host that was taken out go with it.</summary>
    private static async Task NoProbesAsync(ConsoleHarness console, FleetHost host)
    {
        var install = Verb<InstallationId>(console).Value;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(s_patience);
        while (
            (
                await host.DockerAsync(patience.Token, "ps", "-aq", "--filter", $"label={Labels.Install}={install}")
            ).Length > 0
        )
        {
            // Another process' engine has no event for us
            await Task.Delay(TimeSpan.FromMilliseconds(200), patience.Token);
        }
    }

    /// <summary>Its last endpoint leaves a little after its container, and the Swarm forgets it a little after that.</summary>
    private static async Task RemovedAsync(DockerEngine manager, string network, string install)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(s_patience);
        while ((await manager.NetworksAsync(install, patience.Token)).Count > 0)
        {
            try
            {
                await manager.RemoveNetworkAsync(network, patience.Token);
            }
            catch (EngineException e) when (e.Kind == EngineErrorKind.Conflict)
            {
                // Still in use
            }
            await Task.Delay(TimeSpan.FromMilliseconds(200), patience.Token);
        }
    }

    private static async Task<string> FirstEventAsync(DockerEngine engine, string install, CancellationToken ct)
    {
        await foreach (var e in engine.EventsAsync(install, ct))
        {
            if (e.Action == "start")
            {
                return e.Action;
            }
        }
        return "";
    }

    private DockerEngine Engine(int host, EngineCredentials? credentials) =>
        new(
            new Uri(fleet.Hosts[host].Address),
            () => credentials,
            new EnginePolicy(),
            TimeProvider.System,
            NullLogger<DockerEngine>.Instance
        );

    private static ContainerPlan Plan(string script, string install, string name) =>
        new()
        {
            Name = $"{install}-{name}",
            Image = "deeplab/base:13",
            Command = ["sh", "-c", script],
            Env = new Dictionary<string, string>(),
            Labels = new Dictionary<string, string> { [Labels.Install] = install },
            Cpus = 1,
            Memory = 64L << 20,
            Shm = 1L << 20,
        };
}
