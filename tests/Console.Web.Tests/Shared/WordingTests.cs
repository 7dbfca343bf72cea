using DeepLab.Web.Wording;

namespace DeepLab.Web.Tests.Shared;

public sealed class WordingTests
{
    [Theory]
    [InlineData(-5, "0 s")]
    [InlineData(0, "0 s")]
    [InlineData(59.9, "59 s")]
    [InlineData(60, "1 m 00 s")]
    [InlineData(252, "4 m 12 s")]
    [InlineData(3599, "59 m 59 s")]
    [InlineData(11_100, "3 h 05 m")]
    [InlineData(187_200, "2 d 4 h")]
    public void Durations_are_told_in_two_units(double seconds, string expected) =>
        Assert.Equal(expected, Durations.Short(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(0, "just now")]
    [InlineData(42, "42 s ago")]
    [InlineData(-90, "in 1 m 30 s")]
    public void Moments_are_told_from_now(int secondsAgo, string expected)
    {
        var now = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

        Assert.Equal(expected, Durations.Ago(now - TimeSpan.FromSeconds(secondsAgo), now));
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1024, "1 KiB")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(25_233_981_440, "23.5 GiB")]
    public void Sizes_have_three_digits(double bytes, string expected) => Assert.Equal(expected, Sizes.Bytes(bytes));

    [Fact]
    public void Rounds_up_to_the_next_unit() => Assert.Equal("0.98 GiB", Sizes.Bytes(1.05e9));
}
