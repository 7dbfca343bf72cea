using System.Globalization;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Engine.Tests.Wall;

/// <summary>From inside a hostile job: what it must not reach is there, answers others, and does not answer it.</summary>
public sealed class WallTests(WallLab lab) : IClassFixture<WallLab>
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_job_reaches_neither_metadata_console_database_engines_vxlan_nor_tenants_and_all_of_them_without_the_rules()
    {
        var seen = await lab.TryAsync([.. lab.Forbidden, lab.Tenant, .. lab.Allowed], Ct);
        Assert.Equal(All(lab.Allowed, "reached"), Of(lab.Allowed, seen));
        Assert.NotEqual("reached", seen[lab.Tenant.Name]);
        // At once, and not by silence: nobody waits for what may not be
        Assert.Equal(All(lab.Forbidden, "refused"), Of(lab.Forbidden, seen));

        await lab.LabelAsync(WallLab.One, "off", Ct);
        try
        {
            await lab.UntilFoundAsync(WallLab.One, FindingSeverity.Warning, Ct);
            seen = await lab.TryAsync([.. lab.Forbidden, lab.Tenant], Ct);
            // Each of them was there all the time; the engine itself keeps two containers of the lab's network apart
            Assert.Equal(All(lab.Forbidden, "reached"), Of(lab.Forbidden, seen));
            Assert.NotEqual("reached", seen[lab.Tenant.Name]);
            await FromHostAsync(lab.First, lab.Tenant.Address, lab.Tenant.Port);
        }
        finally
        {
            await lab.LabelAsync(WallLab.One, null, CancellationToken.None);
            await lab.UntilFoundAsync(WallLab.One, FindingSeverity.Ok, CancellationToken.None);
        }
    }

    [Fact]
    public async Task Rules_that_somebody_took_away_are_back_within_seconds()
    {
        var table = WallRules.TableOf(lab.InstallId);
        await lab.UntilRulesAsync(lab.First, Ct);
        await lab.InKeeperAsync(lab.First, Ct, "/usr/sbin/nft", "delete", "table", "inet", table);
        await lab.UntilRulesAsync(lab.First, Ct);
        // A part of them is as good as none
        await lab.InKeeperAsync(lab.First, Ct, "/usr/sbin/nft", "flush", "chain", "inet", table, "outward");
        await lab.UntilRulesAsync(lab.First, Ct);
        // And the keeper itself
        await lab.First.DockerAsync(Ct, "rm", "-f", WallPlans.NameOf(lab.InstallId));
        await lab.UntilFoundAsync(WallLab.One, FindingSeverity.Error, Ct);
        await lab.UntilFoundAsync(WallLab.One, FindingSeverity.Ok, Ct);
        await lab.UntilRulesAsync(lab.First, Ct);
    }

    [Fact]
    public async Task After_a_machine_came_back_without_its_rules_nothing_starts_before_they_hold()
    {
        var forbidden = lab.Forbidden.Single(t => t.Name == "console");
        // A job that was there before, and runs again by itself
        var script = string.Create(
            CultureInfo.InvariantCulture,
            $"bash -c 'exec 3<>/dev/tcp/{forbidden.Address}/{forbidden.Port}' 2>/dev/null && echo reached || echo refused; [ $DEEPLAB_ATTEMPT = 2 ] || exec sleep 600"
        );
        var id = await lab.Console.SubmitAsync(
            Specs.Shell(script, cpus: 1, maxRestarts: 1) with
            {
                Placement = WallLab.At(WallLab.Two),
            },
            Ct
        );
        await lab.Console.UntilStateAsync(id, WorkloadState.Running, Ct);
        // As a machine forgets them that is started anew
        await lab.InKeeperAsync(lab.Second, Ct, [.. WallPlans.TakeAway(lab.InstallId)]);
        try
        {
            await lab.Second.StopAsync(Ct);
        }
        finally
        {
            await lab.Second.StartAsync(CancellationToken.None);
        }
        var job = await lab.Console.WaitForEndAsync(id, TimeSpan.FromSeconds(90), Ct);
        Assert.Equal(WorkloadState.Succeeded, job.Row.State);
        await lab.Console.UntilLineAsync(job.Replicas[0].Attempts[^1].Id, "refused", s_patience, Ct);
    }

    [Fact]
    public async Task A_host_that_cannot_keep_the_rules_takes_no_work_and_says_why_unless_its_admin_says_that_it_may()
    {
        const string Image = "deeplab/base:no-nft";
        var engine = ConsoleHarness.Engine;
        var made = (
            await Shell.DockerAsync(engine, Ct, "run", "-d", "--user", "0:0", "deeplab/base:13", "rm", "/usr/sbin/nft")
        ).Trim();
        await Shell.DockerAsync(engine, Ct, "wait", made);
        await Shell.DockerAsync(engine, Ct, "commit", "-c", "USER 1000:1000", "-c", "CMD [\"bash\"]", made, Image);
        await Shell.DockerAsync(engine, Ct, "rm", made);
        try
        {
            await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { ProbeImage = Image });
            await WallLab.UntilFoundAsync(console, "local", FindingSeverity.Error, Ct);
            await using (var db = await console.DbAsync(Ct))
            {
                var host = await db.Hosts.AsNoTracking().SingleAsync(Ct);
                Assert.Contains("its image has no nft", host.Closed);
                Assert.Contains("images/load", host.Preflight!.Findings.Single(f => f.Check == "egress").Action);
            }
            var id = await console.SubmitAsync(Specs.Shell("true"), Ct);
            await console.UntilAsync(
                async db => (await db.Workloads.AsNoTracking().SingleAsync(w => w.Id == id, Ct)).Waits.Count > 0,
                s_patience,
                Ct
            );
            await using (var db = await console.DbAsync(Ct))
            {
                var host = await db.Hosts.SingleAsync(Ct);
                host.Labels = new Dictionary<string, string> { ["egress"] = "best-effort" };
                await db.SaveChangesAsync(Ct);
            }
            var job = await console.WaitForEndAsync(id, Ct);
            Assert.Equal(WorkloadState.Succeeded, job.Row.State);
            await WallLab.UntilFoundAsync(console, "local", FindingSeverity.Warning, Ct);
        }
        finally
        {
            await Shell.DockerAsync(engine, CancellationToken.None, "rmi", "-f", Image);
        }
    }

    [Fact]
    public void No_workloads_container_rules_its_host()
    {
        var plan = new ContainerPlan
        {
            Name = "x",
            Image = "x",
            Command = [],
            Env = new Dictionary<string, string>(),
            Labels = new Dictionary<string, string> { [Labels.Workload] = "1" },
            Cpus = 1,
            Memory = 1,
            Shm = 1,
        };
        HostConfigs.Build(plan, new EnginePolicy());
        var there = HostConfigs.Build(plan with { HostNetwork = true }, new EnginePolicy());
        Assert.Equal("host", there.HostConfig!.NetworkMode);
        Assert.Empty(there.HostConfig.CapAdd!);
        Assert.Equal(new EnginePolicy().DefaultUser, there.User);
        foreach (
            var asked in new[]
            {
                plan with
                {
                    HostNetwork = true,
                    RulesNetwork = true,
                },
                plan with
                {
                    HostPids = true,
                },
                plan with
                {
                    AllGpus = true,
                },
            }
        )
        {
            Assert.Throws<ArgumentException>(() => HostConfigs.Build(asked, new EnginePolicy()));
        }
    }

    private static string All(IEnumerable<(string Name, string, int, bool)> targets, string word) =>
        string.Join('\n', targets.Select(t => $"{t.Name} {word}"));

    private static string Of(IEnumerable<(string Name, string, int, bool)> targets, Dictionary<string, string> seen) =>
        string.Join('\n', targets.Select(t => $"{t.Name} {seen.GetValueOrDefault(t.Name, "not tried")}"));

    private static Task FromHostAsync(FleetHost host, string address, int port) =>
        Shell.RunAsync(
            "nsenter",
            [
                $"--net=/run/netns/{Stranger.NamespaceOf(host)}",
                "timeout",
                "5",
                "bash",
                "-c",
                string.Create(CultureInfo.InvariantCulture, $"exec 3<>/dev/tcp/{address}/{port}"),
            ],
            Ct
        );
}
