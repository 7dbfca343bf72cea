using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class SpecValuesTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("1", 1)]
    [InlineData("1B", 1)]
    [InlineData("1KiB", 1024)]
    [InlineData("1.5KiB", 1536)]
    [InlineData("1 MiB", 1048576)]
    [InlineData("2GB", 2_000_000_000)]
    [InlineData("8TiB", 8L << 40)]
    [InlineData("9223372036854775807", long.MaxValue)]
    public void Quantities_are_read(string text, long bytes)
    {
        Assert.True(Quantity.TryParse(text, out var read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("GiB")]
    [InlineData(".5GiB")]
    [InlineData("1.GiB")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("1e3")]
    [InlineData("1,000")]
    [InlineData("0.3B")]
    [InlineData("1gib")]
    [InlineData("1Gi")]
    [InlineData("1  GiB")]
    [InlineData(" 1GiB")]
    [InlineData("9223372036854775808")]
    [InlineData("9999999TiB")]
    [InlineData("99999999999999999999999999")]
    [InlineData("١GiB")]
    public void What_is_no_quantity_is_refused(string text) => Assert.False(Quantity.TryParse(text, out _));

    [Theory]
    [InlineData(0, "0B")]
    [InlineData(1023, "1023B")]
    [InlineData(1024, "1KiB")]
    [InlineData(1536L << 20, "1536MiB")]
    [InlineData(64L << 40, "64TiB")]
    public void Quantities_are_written_exactly(long bytes, string text)
    {
        Assert.Equal(text, Quantity.Format(bytes));
        Assert.True(Quantity.TryParse(text, out var again));
        Assert.Equal(bytes, again);
    }

    private const string Sha = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    [Theory]
    [InlineData("pytorch-cpu", null, "pytorch-cpu", null, null)]
    [InlineData("python:3.12-slim", null, "python", "3.12-slim", null)]
    [InlineData("deeplab/pytorch-cpu:2.6", null, "deeplab/pytorch-cpu", "2.6", null)]
    [InlineData("localhost/x", "localhost", "x", null, null)]
    [InlineData("localhost:5000/x", "localhost:5000", "x", null, null)]
    [InlineData("127.0.0.1:5000/x", "127.0.0.1:5000", "x", null, null)]
    [InlineData("10.0.0.7/team/x", "10.0.0.7", "team/x", null, null)]
    [InlineData("[::1]:5000/x", "[::1]:5000", "x", null, null)]
    [InlineData("Registry.Example/a__b/c--d:T", "Registry.Example", "a__b/c--d", "T", null)]
    [InlineData("reg:443/x", "reg:443", "x", null, null)]
    [InlineData("x@" + Sha, null, "x", null, Sha)]
    [InlineData("nvcr.io/nvidia/pytorch:24.01-py3@" + Sha, "nvcr.io", "nvidia/pytorch", "24.01-py3", Sha)]
    public void References_are_taken_apart(string text, string? registry, string path, string? tag, string? digest)
    {
        Assert.True(ImageReference.TryParse(text, out var read, out var error), error);
        Assert.Equal(new ImageReference(registry, path, tag, digest), read);
        Assert.Equal(text, read.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("-v")]
    [InlineData("--privileged")]
    [InlineData("a b")]
    [InlineData("a\n")]
    [InlineData("Python")]
    [InlineData("a//b")]
    [InlineData("/a")]
    [InlineData("a/")]
    [InlineData("a:")]
    [InlineData("a:-1")]
    [InlineData("a:b:c")]
    [InlineData("a@b")]
    [InlineData("registry\\@evil/x")]
    [InlineData("registry@evil/x")]
    [InlineData("user:pass@registry.example/x")]
    [InlineData("{{}}")]
    [InlineData("{{.Env}}/x")]
    [InlineData("a;b")]
    [InlineData("a/../b")]
    [InlineData("../b")]
    [InlineData("https://a.example/b")]
    [InlineData("a%2eb")]
    [InlineData("a@sha256:short")]
    [InlineData("a@" + Sha + "@" + Sha)]
    [InlineData("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")]
    [InlineData("169.254.169.254/x")]
    [InlineData("169.254.1.1:80/x")]
    [InlineData("[::ffff:169.254.169.254]/x")]
    [InlineData("[fe80::1]/x")]
    [InlineData("[fd00:ec2::254]/x")]
    [InlineData("0xa9fea9fe:80/x")]
    [InlineData("2852039166:80/x")]
    [InlineData("0251.0376.0251.0376/x")]
    [InlineData("metadata.google.internal/x")]
    [InlineData("localhost:2375/x")]
    [InlineData("host.example:2376/x")]
    [InlineData("host.example:2377/x")]
    [InlineData("host.example:0/x")]
    [InlineData("host.example:65536/x")]
    [InlineData("é/x")]
    public void What_is_no_reference_is_refused(string text)
    {
        Assert.False(ImageReference.TryParse(text, out var read, out var error));
        Assert.Null(read);
        Assert.NotEmpty(error);
    }

    [Theory]
    [InlineData(256)]
    [InlineData(10_000)]
    public void A_long_reference_is_refused(int length) =>
        Assert.False(ImageReference.TryParse(new string('a', length), out _, out _));
}
