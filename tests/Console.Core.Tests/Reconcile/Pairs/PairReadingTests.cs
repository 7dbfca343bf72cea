using DeepLab.Core.Clusters;
using DeepLab.Core.Reconcile.Pairs;

namespace DeepLab.Core.Tests.Reconcile.Pairs;

/// <summary>What comes back from a network that strangers are on is believed only where it makes sense.</summary>
public sealed class PairReadingTests
{
    [Fact]
    public void The_slower_direction_counts()
    {
        var (figures, why) = PairReading.Parse("pair 210 118000000 950000000\n");
        Assert.Equal((new PairFigures(118, 0.21), ""), (figures!.Value, why));
        Assert.Equal(0, PairReading.Parse("pair 210 0 950000000\n").Figures!.Value.MegabytesPerSecond);
    }

    [Theory]
    [InlineData("", "nothing came back")]
    [InlineData("\n", "nothing came back")]
    [InlineData("pair", "nothing came back")]
    [InlineData("pair 1 2", "nothing came back")]
    [InlineData("pair 1 2 3 4", "nothing came back")]
    [InlineData("pair -1 2 3", "nothing came back")]
    [InlineData("pair 1 2e9 3", "nothing came back")]
    [InlineData("pair NaN 2 3", "nothing came back")]
    [InlineData("pair \u0661 2 3", "nothing came back")]
    [InlineData("something pair 1 2 3", "nothing came back")]
    [InlineData("nonsense\npair 210 118000000 950000000", "nothing came back")]
    [InlineData("pair 0 1000000 1000000", "the numbers that came back make no sense")]
    [InlineData("pair 10000001 1000000 1000000", "the numbers that came back make no sense")]
    [InlineData("pair 200 999999999999999 999999999999999", "the numbers that came back make no sense")]
    [InlineData("pair 200 99999999999999999999999999 1", "nothing came back")]
    [InlineData("fail f2: Connection refused\n", "f2: Connection refused")]
    [InlineData("fail <script>\u001b[31m\u00e9", "?script???31m?")]
    public void Anything_else_is_no_reading(string said, string why) =>
        Assert.Equal((null, why), PairReading.Parse(said));

    [Fact]
    public void A_long_reason_is_cut() =>
        Assert.Equal(160, PairReading.Parse("fail " + new string('x', 900)).Why.Length);
}
