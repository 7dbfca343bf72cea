using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Engines;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// Engines of different API ranges in one cluster. The older is real; the newer is the same engine behind a proxy that tells
/// another range and refuses what lies below it, since there is one engine to be had.
/// </summary>
public sealed class MixedEngineTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Engines_of_different_api_versions_work_in_one_cluster_each_in_its_own()
    {
        await using var old = await LabHost.UpAsync(0, Ct);
        await using var real = await LabHost.UpAsync(1, Ct);
        await using var proxy = VersionProxy.Start(real.Address, "1.44", "1.52");
        await using var console = await ConsoleHarness.StartAsync(
            Ct,
            o => o with { DockerHost = old.Address, HostName = "old" }
        );
        Assert.IsType<Outcome<string>.Done>(
            await console
                .Services.GetRequiredService<AddHost>()
                .RunAsync(
                    ConsoleHarness.Admin,
                    new NewHost(
                        "new",
                        Core.ConsoleOptions.ClusterName,
                        proxy.Address,
                        new CredentialInput(null, null, null),
                        new Dictionary<string, string>(),
                        ""
                    ),
                    Ct
                )
        );
        await console.UntilAsync(
            async db =>
                (await db.Hosts.AsNoTracking().ToListAsync(Ct)).All(h => h.Closed is null)
                && await db.Gpus.CountAsync(Ct) == 1,
            s_patience,
            Ct
        );
        foreach (var (host, other, gpus) in new[] { ("old", "new", 0), ("new", "old", 1) })
        {
            var id = await console.SubmitAsync(
                Specs.Shell("echo here; sleep 1", gpus: gpus) with
                {
                    Placement = new PlacementSpec { ExcludeHosts = [other] },
                },
                Ct
            );
            var job = await console.WaitForEndAsync(id, s_patience, Ct);
            Assert.Equal((WorkloadState.Succeeded, host), (job.Row.State, job.Row.Host));
            await console.UntilLineAsync(job.Replicas[0].Attempts[0].Id, "here", s_patience, Ct);
        }
        await console.UntilAsync(db => db.Attempts.AllAsync(a => a.ContainerRemoved, Ct), s_patience, Ct);
        await using var db = await console.DbAsync(Ct);
        var spoken = await db.Hosts.ToDictionaryAsync(h => h.Name, h => h.ApiVersion, Ct);
        Assert.Equal("1.41", spoken["old"]);
        Assert.Equal([spoken["new"]], proxy.Asked);
        Assert.True(Version.Parse(spoken["new"]) >= new Version(1, 44));
    }

    [Fact]
    public async Task An_engine_that_is_replaced_by_a_newer_one_is_spoken_to_in_its_version()
    {
        await using var real = await LabHost.UpAsync(0, Ct);
        await using var proxy = VersionProxy.Start(real.Address, "1.24", "1.41");
        await using var engine = TestEngine.Make(new EnginePolicy(), proxy.Address);
        Assert.Equal("1.41", (await engine.InfoAsync(Ct)).ApiVersion);
        proxy.Become("1.44", "1.52");
        // The first call learns that the version is refused, the next is made in another
        var refused = await Assert.ThrowsAsync<EngineException>(() => engine.InfoAsync(Ct));
        Assert.Contains("too old", refused.Message);
        Assert.True(Version.Parse((await engine.InfoAsync(Ct)).ApiVersion) >= new Version(1, 44));
        // An image is found, a container runs, its program's words come: all of it in that version
        Assert.NotNull(await engine.FindImageAsync(TestEngine.Image, Ct));
        Assert.Empty(await engine.ListAsync("nobody", Ct));
    }
}
