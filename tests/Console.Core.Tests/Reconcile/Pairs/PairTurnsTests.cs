using DeepLab.Core.Reconcile.Pairs;

namespace DeepLab.Core.Tests.Reconcile.Pairs;

public sealed class PairTurnsTests
{
    private static Guid[] Hosts(int count) =>
        [.. Enumerable.Range(1, count).Select(i => new Guid(i, 0, 0, new byte[8]))];

    [Theory]
    [InlineData(2, 1)]
    [InlineData(3, 3)]
    [InlineData(8, 28)]
    public void Every_pair_has_its_turn_and_no_host_is_in_two_of_one(int hosts, int pairs)
    {
        var all = PairTurns.Among(Hosts(hosts)).ToArray();
        Assert.Equal(pairs, all.Length);
        Assert.All(all, p => Assert.True(p.First.CompareTo(p.Second) < 0));
        var turns = PairTurns.Turns(all).ToArray();
        Assert.Equal(all.Order(), turns.SelectMany(t => t).Order());
        Assert.All(turns, t => Assert.Distinct(t.SelectMany(p => new[] { p.First, p.Second })));
        Assert.InRange(turns.Length, hosts - 1, 2 * hosts);
    }

    [Fact]
    public void A_large_job_measures_some_of_its_hosts()
    {
        var some = PairTurns.Some(PairTurns.Among(Hosts(40)));
        Assert.Equal(PairTurns.MostHosts, some.SelectMany(p => new[] { p.First, p.Second }).Distinct().Count());
        Assert.Equal(PairTurns.MostHosts * (PairTurns.MostHosts - 1) / 2, some.Count);
    }
}
