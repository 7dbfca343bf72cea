using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Checkpoints;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Hosts;

/// <summary>Jobs on the networks of their hosts, in a cluster of two real engines that is no Swarm.</summary>
public sealed class HostNetworkTests(LabFleet fleet)
{
    private const string Cluster = "trusted";

    /// <summary>Rank 0 answers with the number of its job; the others ask it, and go on until they are told to end.</summary>
    private const string Meet = """
        grep -q 'CapEff:.*0000000000000000' /proc/self/status && echo without capabilities
        if [ $RANK = 0 ]; then
          exec perl -MIO::Socket::INET -e '$| = 1;
            $s = IO::Socket::INET->new(LocalAddr => $ENV{MASTER_ADDR}, LocalPort => $ENV{MASTER_PORT}, Listen => 5) or die "cannot listen: $!";
            $own = IO::Socket::INET->new(LocalPort => $ENV{DEEPLAB_PORT}, Listen => 5) or die "cannot serve: $!";
            $c = $s->accept; print $c "this is job $ENV{DEEPLAB_JOB}\n"; close $c;
            until (-e "/tmp/go") { select(undef, undef, undef, 0.1) }'
        fi
        perl -MIO::Socket::INET -e '$| = 1;
          until ($s = IO::Socket::INET->new(PeerAddr => $ENV{MASTER_ADDR}, PeerPort => $ENV{MASTER_PORT})) { select(undef, undef, undef, 0.1) }
          print <$s>;'
        until [ -e /tmp/go ]; do sleep 0.1; done
        """;
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_jobs_meet_across_the_same_hosts_each_on_ports_of_its_own()
    {
        await fleet.ReadyAsync(Ct);
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var hosts = fleet.Hosts.Take(2).ToArray();
        await EnterAsync(console, hosts);
        var spec = Specs.Shell(Meet, replicas: 2, cpus: 0.1) with
        {
            Cluster = Cluster,
            HostNetwork = true,
            Placement = new PlacementSpec { Mode = PlacementMode.Spread },
        };
        var refused = Assert.IsType<Outcome<Submitted>.Refused>(
            await console.Services.GetRequiredService<SubmitJob>().RunAsync(ConsoleHarness.Admin, spec, null, Ct)
        );
        Assert.Equal("network", Assert.Single(refused.Errors).Path);
        Assert.IsType<Outcome<string>.Done>(await TrustAsync(console, true));

        var jobs = await Task.WhenAll(console.SubmitAsync(spec, Ct), console.SubmitAsync(spec, Ct));
        var attempts = new List<Attempt>();
        foreach (var id in jobs)
        {
            await console.UntilStateAsync(id, WorkloadState.Running, Ct);
            await using var db = await console.DbAsync(Ct);
            var own = await db.Attempts.AsNoTracking().Where(a => a.WorkloadId == id).ToListAsync(Ct);
            Assert.Equal(2, own.Select(a => a.HostId).Distinct().Count());
            var asked = own.Single(a => a.ReplicaName == "worker-1").Id;
            await console.UntilLineAsync(asked, "without capabilities", CheckpointConsole.Patience, Ct);
            await console.UntilLineAsync(asked, $"this is job {id}", CheckpointConsole.Patience, Ct);
            attempts.AddRange(own);
        }
        await using (var db = await console.DbAsync(Ct))
        {
            var held = await db.Endpoints.AsNoTracking().Where(e => e.ReleasedAt == null).ToListAsync(Ct);
            // Its own and TensorFlow's of each replica, and two of each job's rank 0
            Assert.Equal(12, held.Count);
            Assert.All(held, e => Assert.Equal((EndpointKind.HostNetwork, e.Port), (e.Kind, e.ContainerPort)));
            Assert.All(held, e => Assert.InRange(e.Port, console.Options.Ports.First, console.Options.Ports.Last));
            Assert.Equal(12, held.Select(e => (e.HostId, e.Port)).Distinct().Count());
            Assert.False(await db.Networks.AnyAsync(Ct));
            var shown = await console
                .Services.GetRequiredService<JobQueries>()
                .FindAsync(ConsoleHarness.Admin, jobs[0], Ct);
            Assert.Equal(
                ["own", "master", "rendezvous", "tensorflow"],
                shown!.Replicas[0].Attempts[0].Ports.Select(p => p.Name)
            );
            var placed = await db.Events.Where(e => e.Kind == "placed").Select(e => e.Message).ToListAsync(Ct);
            Assert.All(placed, m => Assert.EndsWith(", with the network of each host", m));
        }
        var kept = Assert.IsType<Outcome<string>.Conflict>(await TrustAsync(console, false));
        Assert.Contains(string.Join(", ", jobs.Order()), kept.Message);

        foreach (var attempt in attempts)
        {
            await using var db = await console.DbAsync(Ct);
            var name = await db.Hosts.Where(h => h.Id == attempt.HostId).Select(h => h.Name).SingleAsync(Ct);
            var engine = hosts.Single(h => h.Name == name).Socket;
            await Shell.TellAsync(engine, attempt.ContainerName, Ct, "touch", "/tmp/go");
        }
        foreach (var id in jobs)
        {
            var job = await console.WaitForEndAsync(id, CheckpointConsole.Patience, Ct);
            Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
        }
        await console.UntilCleanAsync(Ct);
        await console.UntilAsync(
            async db => !await db.Endpoints.AnyAsync(e => e.ReleasedAt == null, Ct),
            CheckpointConsole.Patience,
            Ct
        );
        Assert.IsType<Outcome<string>.Done>(await TrustAsync(console, false));
    }

    /// <summary>The hosts become those of a cluster without a Swarm.</summary>
    private async Task EnterAsync(ConsoleHarness console, FleetHost[] hosts)
    {
        var none = new CredentialInput(null, null, null);
        Assert.IsType<Outcome<string>.Done>(
            await console
                .Services.GetRequiredService<AddCluster>()
                .RunAsync(ConsoleHarness.Admin, new NewCluster(Cluster, null, null, none), Ct)
        );
        var c = fleet.Credentials;
        foreach (var host in hosts)
        {
            var added = new NewHost(
                host.Name,
                Cluster,
                host.Address,
                new CredentialInput(c.Ca, c.Certificate, c.Key),
                new Dictionary<string, string>(),
                ""
            );
            Assert.IsType<Outcome<string>.Done>(
                await console.Services.GetRequiredService<AddHost>().RunAsync(ConsoleHarness.Admin, added, Ct)
            );
        }
        await console.UntilAsync(
            async db =>
            {
                var names = hosts.Select(h => h.Name).ToArray();
                var entered = await db.Hosts.AsNoTracking().Where(h => names.Contains(h.Name)).ToListAsync(Ct);
                return entered.Count == hosts.Length && entered.TrueForAll(h => h.Closed is null);
            },
            CheckpointConsole.Patience,
            Ct
        );
    }

    private static Task<Outcome<string>> TrustAsync(ConsoleHarness console, bool trusted) =>
        console.Services.GetRequiredService<TrustCluster>().RunAsync(ConsoleHarness.Admin, Cluster, trusted, Ct);
}
