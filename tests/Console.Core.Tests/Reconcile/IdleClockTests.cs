using DeepLab.Core.Reconcile;

namespace DeepLab.Core.Tests.Reconcile;

public sealed class IdleClockTests
{
    private static readonly DateTimeOffset s_last = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(8 * 60, 0, IdleVerdict.InUse)]
    [InlineData(8 * 60, 8 * 60 - 11, IdleVerdict.InUse)]
    [InlineData(8 * 60, 8 * 60 - 10, IdleVerdict.Warn)]
    [InlineData(8 * 60, 8 * 60, IdleVerdict.Cull)]
    [InlineData(10, 7, IdleVerdict.InUse)]
    [InlineData(10, 8, IdleVerdict.Warn)]
    public void It_warns_a_fifth_before_the_end_and_ten_minutes_at_most(int limit, int idle, IdleVerdict expected) =>
        Assert.Equal(
            expected,
            new IdleClock(s_last, TimeSpan.FromMinutes(limit)).At(s_last + TimeSpan.FromMinutes(idle))
        );

    [Fact]
    public void It_looks_again_in_time_for_the_warning_and_for_the_end_and_never_at_full_speed()
    {
        var clock = new IdleClock(s_last, TimeSpan.FromHours(8));
        Assert.Equal(TimeSpan.FromMinutes(1), clock.PauseAt(s_last));
        Assert.Equal(TimeSpan.FromSeconds(20), clock.PauseAt(clock.WarnAt - TimeSpan.FromSeconds(20)));
        Assert.Equal(TimeSpan.FromSeconds(7), clock.PauseAt(clock.CullAt - TimeSpan.FromSeconds(7)));
        Assert.Equal(TimeSpan.FromSeconds(1), clock.PauseAt(clock.CullAt + TimeSpan.FromSeconds(1)));
        Assert.Equal(TimeSpan.FromSeconds(1), new IdleClock(s_last, TimeSpan.FromSeconds(10)).PauseAt(s_last));
    }

    [Fact]
    public void Only_open_connections_to_the_port_itself_count()
    {
        const string told = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 00000000:08AE 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1
               1: 0200A8C0:08AE 0100A8C0:C001 01 00000000:00000000 00:00000000 00000000  1000        0 2
               2: 0200A8C0:C002 0100A8C0:08AE 01 00000000:00000000 00:00000000 00000000  1000        0 3
               3: 0200A8C0:08AE 0100A8C0:C003 06 00000000:00000000 00:00000000 00000000  1000        0 4
            """;
        Assert.Equal(1, IdleClock.Connections(told, 2222));
        Assert.Equal(0, IdleClock.Connections("", 2222));
    }
}

public sealed class PortBookTests
{
    private static readonly PortRange s_range = new(20000, 20004);

    [Fact]
    public void The_search_goes_on_behind_the_last_port_and_round_to_the_first() =>
        Assert.Equal([20003, 20004, 20000], PortBook.Choose(s_range, [20001], 20002, 3));

    [Fact]
    public void What_is_taken_is_left_out_and_no_more_are_found_than_there_are()
    {
        Assert.Equal([20004], PortBook.Choose(s_range, [20000, 20001, 20002, 20003], 20004, 2));
        Assert.Equal([20000, 20001], PortBook.Choose(s_range, [], 0, 2));
        // The range was another before
        Assert.Equal([20000], PortBook.Choose(s_range, [], 31000, 1));
    }

    [Theory]
    [InlineData("20000-29999", true)]
    [InlineData("1024-1024", true)]
    [InlineData("80-90", false)]
    [InlineData("3000-2000", false)]
    [InlineData("3000", false)]
    [InlineData("3000-70000", false)]
    public void A_range_is_two_ports_in_order(string text, bool isOne) =>
        Assert.Equal(isOne, PortRange.TryParse(text, out _));

    [Theory]
    [InlineData(
        "driver failed programming external connectivity: Bind for 10.0.0.7:20001 failed: port is already allocated",
        20001
    )]
    [InlineData("listen tcp4 10.0.0.7:20002: bind: address already in use", 20002)]
    [InlineData("Error starting userland proxy: listen tcp4 10.0.0.7:20002: bind: address already in use", 20002)]
    [InlineData("port is already allocated", null)]
    public void The_port_that_an_engine_names_is_found(string message, int? port)
    {
        Assert.True(Core.Engines.PortErrors.SaysTaken(message));
        Assert.Equal(port, Core.Engines.PortErrors.PortOf(message));
    }
}
