using System.Collections.Immutable;
using DeepLab.Core.Placement;
using DeepLab.Core.Workloads;
using static DeepLab.Core.Tests.Placement.Fleets;

namespace DeepLab.Core.Tests.Placement;

/// <summary>Which hosts a job may go to, and which it goes to.</summary>
public sealed class WhereTests
{
    private static HostSlot Labelled(string name, int gpus, string zone) =>
        Host(name, gpus) with
        {
            Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["zone"] = zone },
        };

    private static PlacementSpec Zone(string zone) =>
        new() { HostLabels = ImmutableSortedDictionary<string, string>.Empty.Add("zone", zone) };

    private static IEnumerable<int> Counts(JobPlacement placement) =>
        placement.Replicas.GroupBy(r => r.HostName).OrderBy(g => g.Key).Select(g => g.Count());

    [Fact]
    public void Where_no_network_spans_hosts_those_of_the_hosts_do_in_a_trusted_cluster()
    {
        HostSlot[] hosts = [Host("a", 1), Host("b", 1)];
        var own = Job(1, 1, replicas: 2);
        var theirs = Job(2, 1, replicas: 2) with { HostNetwork = true };
        FleetSnapshot Fleet(bool trusted) =>
            new([.. hosts]) { Clusters = [new ClusterSlot(Cluster, "plain", false, trusted)] };
        // Alike but for their networks, so that one is not taken for the other
        var placed = Assert.Single(Plan(Fleet(true), own, theirs).Placements);
        Assert.Equal((2, 2), ((int)placed.JobId, placed.HostNames.Count));
        Assert.Empty(Plan(Fleet(false), own, theirs).Placements);
    }

    [Fact]
    public void Roles_have_resources_of_their_own()
    {
        HostSlot[] hosts = [Host("a", 2, model: "T4"), Host("b", 3)];
        var job = Job(1, 0) with { Roles = [Role("ps", 1, 0, cpus: 4), Role("any", 1, 1), Role("big", 2, 1, "a100")] };
        var placed = Assert.Single(Plan(hosts, job).Placements);
        Assert.Equal(["b"], placed.HostNames);
        Assert.Equal(["ps0", "any0", "big0", "big1"], placed.Replicas.Select(r => r.Role + r.Index));
        Assert.Equal([0, 1, 1, 1], placed.Replicas.Select(r => r.Gpus.Length));
        Assert.Equal(3, placed.Replicas.SelectMany(r => r.Gpus).Distinct().Count());
    }

    [Fact]
    public void Who_can_use_any_gpu_leaves_the_rare_ones()
    {
        var mixed = Host("a", 2, gpuMemory: 80 * Gib);
        mixed = mixed with { Gpus = [mixed.Gpus[0], mixed.Gpus[1] with { MemoryBytes = 16 * Gib, Model = "T4" }] };
        Assert.Equal("GPU-a-1", Plan([mixed], Job(1, 1)).Placements[0].Replicas[0].Gpus[0]);
        var job = Job(1, 0) with { Roles = [Role("any", 1, 1), Role("big", 1, 1, "a100")] };
        var placed = Assert.Single(Plan([mixed], job).Placements);
        Assert.Equal(["GPU-a-1", "GPU-a-0"], placed.Replicas.Select(r => r.Gpus.Single()));
    }

    [Fact]
    public void A_cluster_that_spans_hosts_packs_or_spreads()
    {
        var fleet = Spanning(Host("a", 4), Host("b", 4), Host("c", 2));
        var job = Job(1, 1, replicas: 6);
        Assert.Equal([4, 2], Counts(Plan(fleet, job).Placements.Single()));
        Assert.Equal(["a", "c"], Plan(fleet, job).Placements.Single().HostNames);
        var spread = job with { Placement = new PlacementSpec { Mode = PlacementMode.Spread } };
        Assert.Equal([2, 2, 2], Counts(Plan(fleet, spread).Placements.Single()));
        var same = job with { Placement = new PlacementSpec { Mode = PlacementMode.SameHost } };
        Assert.Equal(WaitKind.CannotSpanHosts, Plan(fleet, same).Waiting.Single().Waits.Single().Kind);
        Assert.Equal(3, Plan(fleet, Job(1, 2, replicas: 5)).Placements.Single().HostNames.Count);
    }

    [Fact]
    public void What_a_spanning_cluster_lacks_is_said_in_numbers()
    {
        var fleet = Spanning(Host("a", 8), Host("b", 8), Host("c", 8)).Run(Job(1, 1));
        var why = Plan(fleet, Job(2, 8, replicas: 3)).Waiting.Single().Waits.Single();
        Assert.Equal(
            "needs 24 GPUs, 8 for each of 3 replicas; cluster swarm has 23 of 24 free, room for 2 of 3 replicas on 2 hosts",
            why.Message
        );
        Assert.Equal(WaitKind.NotEnoughGpus, why.Kind);
        var plan = Plan(fleet, Job(2, 8, replicas: 3), Job(3, 8));
        Assert.Empty(plan.Placements);
        Assert.Equal(WaitKind.BehindInQueue, plan.Waiting[1].Waits[0].Kind);
    }

    [Fact]
    public void Labels_and_exclusions_are_met_or_named()
    {
        HostSlot[] hosts = [Labelled("a", 1, "x"), Labelled("b", 2, "y")];
        Assert.Equal(["b"], Plan(hosts, Job(1, 1) with { Placement = Zone("y") }).Placements[0].HostNames);
        var excludes = Job(1, 1) with { Placement = new PlacementSpec { ExcludeHosts = ["a"] } };
        Assert.Equal(["b"], Plan(hosts, excludes).Placements[0].HostNames);
        var nowhere = Plan(hosts, Job(1, 1) with { Placement = Zone("z") }).Waiting.Single().Waits.Single();
        Assert.Equal(WaitKind.NoHostMatches, nowhere.Kind);
        Assert.Contains("zone=z", nowhere.Message);
    }

    [Fact]
    public void A_host_with_the_image_is_taken_before_one_with_fewer_cpus_left()
    {
        var has = Host("b", 2, cpus: 32) with { Images = new HashSet<string>(StringComparer.Ordinal) { "i" } };
        Assert.Equal(["b"], Plan([Host("a", 2), has], Job(1, 1) with { Image = "i" }).Placements[0].HostNames);
        Assert.Equal(["a"], Plan([Host("a", 2), has], Job(1, 1) with { Image = "j" }).Placements[0].HostNames);
    }

    [Fact]
    public void A_host_with_the_images_of_all_roles_is_taken_before_one_with_some_of_them()
    {
        var (both, one) = (Has("b", 32, "i", "j"), Has("a", 16, "i"));
        var job = Job(1, 1) with { Image = "i", OtherImages = ["j"] };
        Assert.Equal(["b"], Plan([one, both], job).Placements[0].HostNames);
        Assert.Equal(["a"], Plan([one, both], Job(1, 1) with { Image = "i" }).Placements[0].HostNames);

        static HostSlot Has(string name, double cpus, params string[] images) =>
            Host(name, 2, cpus: cpus) with
            {
                Images = images.ToHashSet(StringComparer.Ordinal),
            };
    }

    [Fact]
    public void A_closed_host_says_why()
    {
        var closed = Host("a", 2) with { Closed = "failed its preflight: no runtime" };
        Assert.Equal(
            "host a takes no work: failed its preflight: no runtime",
            Plan([closed], Job(1, 1)).Waiting.Single().Waits.Single().Message
        );
    }

    [Fact]
    public void What_can_never_be_is_refused_where_it_was_written()
    {
        HostSlot[] hosts = [Labelled("a", 3, "x"), Labelled("b", 3, "x")];
        string[] Paths(FleetSnapshot fleet, JobRequest job) => [.. Fit.CheckEver(fleet, job).Select(e => e.Path)];
        var alone = new FleetSnapshot([.. hosts]);
        Assert.Equal(["roles"], Paths(alone, Job(1, 2, replicas: 2)));
        Assert.Contains("cannot span hosts", Fit.CheckEver(alone, Job(1, 2, replicas: 2))[0].Message);
        Assert.Empty(Paths(Spanning(hosts), Job(1, 2, replicas: 2)));
        Assert.Equal(["roles"], Paths(Spanning(hosts), Job(1, 2, replicas: 3)));
        Assert.Equal(["roles[0].resources.gpus"], Paths(Spanning(hosts), Job(1, 4, replicas: 2)));
        Assert.Equal(["placement.hostLabels"], Paths(alone, Job(1, 1) with { Placement = Zone("z") }));
        var nowhere = new PlacementSpec { ExcludeHosts = ["a", "b"] };
        Assert.Equal(["placement.excludeHosts"], Paths(alone, Job(1, 1) with { Placement = nowhere }));
        Assert.Empty(Paths(new FleetSnapshot([]), Job(1, 1000)));
        var second = Job(1, 0) with { Roles = [Role("ps", 1, 0), Role("worker", 1, 4)] };
        Assert.Equal(["roles[1].resources.gpus"], Paths(alone, second));
    }

    [Fact]
    public void The_smallest_change_is_named_and_starts()
    {
        var fleet = new FleetSnapshot([Host("a", 4)]).Run(Job(1, 1));
        var fewer = WhatIf.SmallestChange(fleet, [], Job(2, 4), Now)!;
        Assert.Equal("roles[0].resources.gpus", fewer.Field);
        Assert.Equal("starts now with 3 GPUs for each replica, instead of 4", fewer.Sentence);
        Assert.Equal(3, Plan(fleet, fewer.Job).Placements.Single().Replicas[0].Gpus.Length);
        Assert.Null(WhatIf.SmallestChange(fleet, [], Job(2, 3), Now));
        Assert.Equal(
            "roles[0].resources.gpuModel",
            WhatIf.SmallestChange(fleet, [], Job(2, 1, model: "H100"), Now)!.Field
        );
        Assert.Equal("roles[0].replicas", WhatIf.SmallestChange(fleet, [], Job(2, 1, replicas: 4), Now)!.Field);
        var promised = new FleetSnapshot([Host("a", 4)]).Run(Job(1, 2) with { MaxDuration = TimeSpan.FromHours(5) });
        Assert.Equal("maxDuration", WhatIf.SmallestChange(promised, [Job(2, 4)], Job(3, 1), Now)!.Field);
    }
}
