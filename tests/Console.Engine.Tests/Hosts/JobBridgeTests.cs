using System.Globalization;
using System.Net;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Hosts;

/// <summary>Jobs with several replicas on one host: a network of their own, which is nobody else's.</summary>
public sealed class JobBridgeTests
{
    private const int Port = 9000;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>The first replica serves, the second comes to it by name.</summary>
    private const string Meet = """
        if [ $DEEPLAB_REPLICA = worker-0 ]; then
            exec perl -e 'use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 9000, Listen => 9); while (my $c = $s->accept) { $c->close }'
        fi
        until bash -c 'exec 3<>/dev/tcp/worker-0/9000' 2>/dev/null; do sleep 0.1; done
        echo reached it by name
        exec sleep 600
        """;

    [Fact]
    public async Task Replicas_on_one_host_reach_each_other_by_name_nobody_elses_reaches_them_and_their_network_goes_with_them()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var met = await console.SubmitAsync(Specs.Shell(Meet, replicas: 2), Ct);
        var replicas = await RunningAsync(console, met);
        await console.UntilLineAsync(replicas[1].Id, "reached it by name", s_patience, Ct);
        var address = await AddressAsync(replicas[0].ContainerName);
        var host = address[..(address.LastIndexOf('.') + 1)];
        Assert.True(IPNetwork.Parse("198.19.0.0/16").Contains(IPAddress.Parse(address)), address);

        var gateway = await DockerAsync(
            "inspect",
            "-f",
            "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}",
            replicas[0].ContainerName
        );
        Assert.StartsWith(host, gateway, StringComparison.Ordinal);
        // One on a network of its own job, one on that of all single ones
        var script = string.Create(
            CultureInfo.InvariantCulture,
            $$"""
            timeout 2 bash -c 'exec 3<>/dev/tcp/{{address}}/{{Port}}' 2>/dev/null
            case $? in 0) echo reached ;; 124) echo silence ;; *) echo refused ;; esac
            getent hosts worker-0 | grep -q '{{address}}' && echo knows it
            true
            """
        );
        foreach (var count in new[] { 2, 1 })
        {
            var other = await console.WaitForEndAsync(
                await console.SubmitAsync(Specs.Shell(script, replicas: count), Ct),
                Ct
            );
            Assert.Equal(WorkloadState.Succeeded, other.Row.State);
            await console.UntilAsync(
                db => db.Attempts.AllAsync(a => a.WorkloadId != other.Row.Id || a.LogArchived, Ct),
                s_patience,
                Ct
            );
            foreach (var replica in other.Replicas)
            {
                var lines = await console
                    .Services.GetRequiredService<LogReader>()
                    .ReadAsync(replica.Attempts[0].Id, 0, 10, Ct);
                Assert.Equal(["refused"], lines.Select(l => l.Text));
            }
        }

        await console.StopAsync(met, Ct);
        await console.WaitForEndAsync(met, Ct);
        await console.UntilAsync(async db => !await db.Networks.AnyAsync(Ct), s_patience, Ct);
        var engine = console.Services.GetRequiredService<IEngineFactory>().Get(ConsoleHarness.Engine);
        Assert.Empty(await engine.NetworksAsync(console.Services.GetRequiredService<InstallationId>().Value, Ct));
    }

    [Fact]
    public async Task A_job_whose_host_has_no_subnet_left_waits_in_words_and_runs_when_there_is_one()
    {
        const string Range = "198.18.252.0/22";
        const string Other = "deeplab-test-all-subnets";
        await using var console = await ConsoleHarness.StartAsync(
            Ct,
            o => o with { JobSubnets = IPNetwork.Parse(Range) }
        );
        await DockerAsync("network", "create", "--subnet", Range, Other);
        try
        {
            var id = await console.SubmitAsync(Specs.Shell("true", replicas: 2), Ct);
            await console.UntilAsync(
                db =>
                    db.Workloads.AnyAsync(
                        w =>
                            w.Id == id
                            && w.Message.Contains(
                                $"did not make its network: none of {Range} is free for a network of /28"
                            ),
                        Ct
                    ),
                s_patience,
                Ct
            );
            await DockerAsync("network", "rm", Other);
            Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(id, Ct)).Row.State);
        }
        finally
        {
            await console.UntilCleanAsync(CancellationToken.None);
            await console.UntilAsync(
                async db => !await db.Networks.AnyAsync(CancellationToken.None),
                s_patience,
                CancellationToken.None
            );
        }
    }

    private static async Task<List<Attempt>> RunningAsync(ConsoleHarness console, long id)
    {
        await console.UntilStateAsync(id, WorkloadState.Running, Ct);
        await using var db = await console.DbAsync(Ct);
        return await db
            .Attempts.AsNoTracking()
            .Where(a => a.WorkloadId == id)
            .OrderBy(a => a.ReplicaName)
            .ToListAsync(Ct);
    }

    private static Task<string> AddressAsync(string container) =>
        DockerAsync("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container);

    private static async Task<string> DockerAsync(params string[] arguments) =>
        (await Shell.DockerAsync(ConsoleHarness.Engine, Ct, arguments)).Trim();
}
