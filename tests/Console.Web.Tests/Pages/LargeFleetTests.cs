using Bunit;
using DeepLab.Core.Clusters;
using DeepLab.Core.Operations;
using DeepLab.Web.Components.Pages.Hosts;
using DeepLab.Web.Components.Pages.Overview;
using DeepLab.Web.Components.Shared;
using DeepLab.Web.Session;
using DeepLab.Web.Tests.Shared;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Web.Tests.Pages;

public sealed class LargeFleetTests : BunitContext
{
    private readonly HostView[] _hosts =
    [
        .. Enumerable
            .Range(0, 125)
            .Select(i =>
                Fleet.Host([.. Enumerable.Range(0, 8).Select(g => Fleet.Gpu((8 * i) + g, held: g % 2 == 0))]) with
                {
                    Name = $"h{i}",
                }
            ),
    ];

    public LargeFleetTests()
    {
        Services.AddSingleton(TimeProvider.System);
        Services.AddScoped<Viewer>();
        ComponentFactories.AddStub<ClusterActions>();
    }

    private IRenderedComponent<ClusterSection> Section(ClusterView? cluster) =>
        Render<ClusterSection>(p =>
            p.Add(c => c.Name, "local")
                .Add(c => c.Cluster, cluster)
                .Add(c => c.Hosts, _hosts)
                .Add(c => c.GpusOnPage, 1000)
        );

    [Fact]
    public void A_thousand_GPUs_are_marks_until_a_host_is_opened()
    {
        var section = Section(null);

        Assert.Equal(125, section.FindAll("section.panel").Count);
        Assert.Equal(1000, section.FindAll(".pip").Count);
        Assert.Empty(section.FindAll(".gpu"));
        Assert.Contains(
            "500 of 1000 GPUs free",
            section.Find(".cluster-figures").TextContent,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_cluster_tells_what_is_wrong_with_its_Swarm()
    {
        var cluster = new ClusterView(Guid.NewGuid(), "local", 125, 125, 1000, 500)
        {
            ManagerAddress = "tcp://10.0.0.1:2376",
            Trouble = "the manager does not answer",
        };

        var section = Section(cluster);

        Assert.Equal("The manager does not answer.", section.Find(".note.warn").TextContent);
        Assert.Equal("Swarm", section.Find(".cluster-head .chip").TextContent.Trim());
    }

    [Fact]
    public void The_overview_of_many_hosts_shows_those_that_need_a_look()
    {
        var well = Render<OverviewHosts>(p => p.Add(c => c.Hosts, _hosts));
        Assert.Empty(well.FindAll("section"));
        Assert.Contains("All 125 hosts take work", well.Markup, StringComparison.Ordinal);

        _hosts[7] = _hosts[7] with { State = HostState.Draining, Closed = "is Draining: drained by ada" };
        _hosts[9] = _hosts[9] with { Gpus = [Fleet.Gpu(health: GpuHealth.Sick, message: "ECC")] };
        var ill = Render<OverviewHosts>(p => p.Add(c => c.Hosts, _hosts));
        Assert.Equal(["h7", "h9"], ill.FindAll("h2").Select(h => h.TextContent));
        Assert.Contains("2 of 125 hosts", ill.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_many_hosts_a_new_job_is_shown_those_with_the_most_room()
    {
        _hosts[3] = _hosts[3] with { Gpus = [.. Enumerable.Range(0, 8).Select(g => Fleet.Gpu(g))] };
        _hosts[4] = _hosts[3] with { Name = "h4", Closed = "has not been checked yet" };

        var free = Render<FreeNow>(p => p.Add(c => c.Hosts, _hosts));

        var names = free.FindAll(".free-name").Select(n => n.TextContent).ToArray();
        Assert.Equal(12, names.Length);
        Assert.Equal("h3", names[0]);
        Assert.DoesNotContain("h4", names);
        Assert.Contains("on 125 hosts", free.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void A_new_job_is_told_why_a_ready_host_has_no_room_for_it()
    {
        var host = Fleet.Host(Fleet.Gpu()) with { Closed = "has not been checked yet", Preflight = null };

        var free = Render<FreeNow>(p => p.Add(c => c.Hosts, [host]));

        Assert.Equal("Not checked", free.Find(".chip").TextContent.Trim());
        Assert.Contains("h1 has not been checked yet.", free.Markup, StringComparison.Ordinal);
        Assert.DoesNotContain("free now", free.Markup, StringComparison.Ordinal);
    }
}
