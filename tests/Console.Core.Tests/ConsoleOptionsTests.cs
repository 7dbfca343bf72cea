namespace DeepLab.Core.Tests;

public sealed class ConsoleOptionsTests
{
    [Fact]
    public void The_first_hosts_address_is_an_ip_address_or_nothing()
    {
        Assert.Null(Read(("DEEPLAB_HOST_ADDRESS", "")).HostAddress);
        Assert.Equal("10.0.0.9", Read(("DEEPLAB_HOST_ADDRESS", "10.0.0.9")).HostAddress);
        Assert.Equal("fd00::1", Read(("DEEPLAB_HOST_ADDRESS", "fd00::1")).HostAddress);
    }

    [Fact]
    public void All_that_is_malformed_is_told_at_once()
    {
        var e = Assert.Throws<InvalidOperationException>(() =>
            Read(("DEEPLAB_HOST_ADDRESS", "gpu1"), ("DEEPLAB_PORTS", "80-90"), ("DEEPLAB_HOST_LABELS", "zone"))
        );
        Assert.Contains("DEEPLAB_HOST_ADDRESS is \"gpu1\"", e.Message);
        Assert.Contains("DEEPLAB_PORTS is \"80-90\"", e.Message);
        Assert.Contains("DEEPLAB_HOST_LABELS holds \"zone\"", e.Message);
    }

    private static ConsoleOptions Read(params (string Name, string Value)[] settings)
    {
        var all = settings.ToDictionary(s => s.Name, s => s.Value);
        all.TryAdd("DEEPLAB_DB", "Host=none");
        all.TryAdd("DEEPLAB_DATA", "/none");
        return ConsoleOptions.FromEnvironment(all.GetValueOrDefault);
    }
}
