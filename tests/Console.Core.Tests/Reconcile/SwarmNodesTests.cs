using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Reconcile;

namespace DeepLab.Core.Tests.Reconcile;

public sealed class SwarmNodesTests
{
    private static readonly Cluster s_cluster = new()
    {
        Name = "swarm",
        ManagerAddress = "tcp://10.0.0.1:2376",
        SealedCredentials = "sealed",
    };

    [Fact]
    public void A_node_joins_as_a_host_and_then_nothing_is_left_to_do()
    {
        var node = Node("a", "gpu1") with { Labels = new Dictionary<string, string> { ["zone"] = "x" } };
        var join = Assert.IsType<NodeMove.Join>(Assert.Single(Diff([node])));
        Assert.Equal("tcp://10.0.0.9:2376", join.Address);
        Assert.Equal(["swarm.availability", "swarm.role", "zone"], join.Labels.Keys.Order());
        Assert.Empty(Diff([node], HostOf(node)));
    }

    [Theory]
    [InlineData("active", "drain", HostWish.Active, HostWish.Draining)]
    [InlineData("active", "pause", HostWish.Active, HostWish.Draining)]
    [InlineData("drain", "active", HostWish.Draining, HostWish.Active)]
    [InlineData("active", "drain", HostWish.Disabled, null)]
    [InlineData("drain", "active", HostWish.Disabled, null)]
    [InlineData("drain", "pause", HostWish.Draining, null)]
    public void A_change_of_availability_changes_the_wish_once(
        string before,
        string after,
        HostWish wish,
        HostWish? becomes
    )
    {
        var host = HostOf(Node("a", "gpu1") with { Availability = before }, wish);
        var now = Node("a", "gpu1") with { Availability = after };
        Assert.Equal(becomes, Assert.IsType<NodeMove.Follow>(Assert.Single(Diff([now], host))).Wish);
    }

    [Fact]
    public void An_operators_own_drain_of_an_active_node_is_left_alone()
    {
        var node = Node("a", "gpu1");
        Assert.Empty(Diff([node], HostOf(node, HostWish.Draining)));
    }

    [Fact]
    public void A_node_that_is_down_is_left_to_its_worker()
    {
        var node = Node("a", "gpu1");
        Assert.Empty(Diff([node with { IsDown = true }], HostOf(node)));
    }

    [Fact]
    public void A_node_that_left_leaves_and_one_that_joined_again_is_the_same_host()
    {
        var old = HostOf(Node("a", "gpu1"));
        Assert.Equal(old.Id, Assert.IsType<NodeMove.Leave>(Assert.Single(Diff([], old))).HostId);
        // The Swarm keeps the old node as down
        var again = Diff([Node("a", "gpu1") with { IsDown = true }, Node("b", "gpu1")], old);
        var follow = Assert.IsType<NodeMove.Follow>(Assert.Single(again));
        Assert.Equal((old.Id, "b"), (follow.HostId, follow.Node.Id));
        // One that had left while it was busy takes work again
        old.NodeId = null;
        Assert.Equal(
            HostWish.Active,
            Assert.IsType<NodeMove.Follow>(Assert.Single(Diff([Node("b", "gpu1")], old))).Wish
        );
    }

    [Fact]
    public void A_hostname_becomes_a_name_that_hosts_may_have() =>
        Assert.Equal("gpu-1.lab", SwarmNodes.NameOf(Node("a", "GPU 1.lab")));

    private static IReadOnlyList<NodeMove> Diff(SwarmNode[] nodes, params Host[] hosts) =>
        SwarmNodes.Diff(s_cluster, nodes, hosts);

    private static SwarmNode Node(string id, string name) =>
        new(id, name, "10.0.0.9", false, "active", false, new Dictionary<string, string>());

    private static Host HostOf(SwarmNode node, HostWish wish = HostWish.Active)
    {
        var join = (NodeMove.Join)Diff([node])[0];
        return new Host
        {
            Id = Guid.NewGuid(),
            Name = node.Hostname,
            Address = join.Address,
            Labels = join.Labels,
            NodeId = node.Id,
            SealedCredentials = s_cluster.SealedCredentials,
            Wish = wish,
        };
    }
}
