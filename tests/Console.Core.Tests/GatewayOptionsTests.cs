namespace DeepLab.Core.Tests;

public sealed class GatewayOptionsTests
{
    private static (GatewayOptions? Options, List<string> Errors) Read(params (string Name, string Value)[] settings)
    {
        var errors = new List<string>();
        return (GatewayOptions.Read(n => settings.FirstOrDefault(s => s.Name == n).Value, errors), errors);
    }

    [Theory]
    [InlineData("http://*.localhost:8081", "12-jupyter.localhost:8081", "http://localhost:8081")]
    [InlineData("http://127.0.0.1:8081", "127.0.0.1:8081", "http://localhost:8081")]
    [InlineData("https://*.apps.example", "12-jupyter.apps.example", "http://*:443")]
    [InlineData("http://lab.example:9000/", "lab.example:9000", "http://*:9000")]
    public void An_address_says_what_endpoints_are_called_and_where_to_listen(
        string url,
        string authority,
        string listen
    )
    {
        var (options, errors) = Read(("DEEPLAB_GATEWAY_URL", url));
        Assert.Empty(errors);
        Assert.Equal(authority, options!.AuthorityOf(12, "jupyter"));
        Assert.Equal(listen, options.Listen);
        Assert.False(options.TrustedTeam);
    }

    [Fact]
    public void Behind_a_proxy_it_listens_elsewhere()
    {
        var (options, _) = Read(
            ("DEEPLAB_GATEWAY_URL", "https://*.apps.example"),
            ("DEEPLAB_GATEWAY_LISTEN", "http://*:8081")
        );
        Assert.Equal(8081, options!.ListenPort);
        Assert.Equal("https", options.Scheme);
    }

    [Fact]
    public void Nothing_set_is_no_gateway_and_the_consoles_own_origin_is_taken_only_by_its_name()
    {
        Assert.Null(Read().Options);
        Assert.True(Read(("DEEPLAB_GATEWAY", "trusted-team")).Options!.TrustedTeam);
        var (options, errors) = Read(("DEEPLAB_GATEWAY", "path"));
        Assert.Null(options);
        Assert.Contains("trusted-team", Assert.Single(errors), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("DEEPLAB_GATEWAY_URL", "apps.example")]
    [InlineData("DEEPLAB_GATEWAY_URL", "ftp://apps.example")]
    [InlineData("DEEPLAB_GATEWAY_URL", "http://apps.example/path")]
    [InlineData("DEEPLAB_GATEWAY_URL", "http://user@apps.example")]
    [InlineData("DEEPLAB_GATEWAY_URL", "http://*.127.0.0.1:8081")]
    [InlineData("DEEPLAB_GATEWAY_URL", "http://a.*.example")]
    [InlineData("DEEPLAB_GATEWAY_LISTEN", "https://127.0.0.1:8081")]
    [InlineData("DEEPLAB_GATEWAY_LISTEN", "8081")]
    public void What_is_no_address_is_named_with_what_is_allowed(string name, string value)
    {
        var (options, errors) = Read((name, value), ("DEEPLAB_GATEWAY_URL", "http://localhost:8081"));
        Assert.Null(options);
        Assert.StartsWith($"{name} is \"{value}\";", Assert.Single(errors), StringComparison.Ordinal);
    }
}
