using System.Net;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Tests.Engines;

public sealed class SubnetChoiceTests
{
    private static readonly IPNetwork s_range = IPNetwork.Parse("198.19.0.0/16");

    [Theory]
    [InlineData(2, 28)]
    [InlineData(13, 28)]
    [InlineData(14, 27)]
    [InlineData(256, 23)]
    public void A_job_gets_the_smallest_network_that_its_replicas_have_room_in(int replicas, int prefix) =>
        Assert.Equal(prefix, SubnetChoice.For(replicas, s_range).PrefixLength);

    [Fact]
    public void All_parts_of_the_range_are_used_up_none_twice_and_then_there_is_none()
    {
        var choice = new SubnetChoice(IPNetwork.Parse("198.19.0.0/24"), 28);
        // One of the engine's own, one of IPv6, and one that covers four parts
        List<IPNetwork> taken =
        [
            IPNetwork.Parse("172.17.0.0/16"),
            IPNetwork.Parse("fd00::/64"),
            IPNetwork.Parse("198.19.0.64/26"),
        ];
        for (var n = 0; n < 12; n++)
        {
            var found = choice.Find($"job {n}", taken);
            Assert.NotNull(found);
            Assert.DoesNotContain(taken, t => t.Contains(found.Value.BaseAddress));
            Assert.Contains("198.19.0.", found.Value.ToString());
            taken.Add(found.Value);
        }
        Assert.Null(choice.Find("one more", taken));
    }

    [Fact]
    public void Engines_that_share_a_machine_seldom_begin_at_the_same_place()
    {
        var choice = SubnetChoice.For(2, s_range);
        var found = Enumerable.Range(0, 50).Select(n => choice.Find($"dl-{n:x6}-1-net-1", [])).ToList();
        Assert.InRange(found.Distinct().Count(), 45, 50);
    }
}
