using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class MadeImagesTests
{
    [Theory]
    [InlineData("deeplab-made/x:1", true)]
    [InlineData("docker.io/deeplab-made/x:1", true)]
    [InlineData(
        "index.docker.io/deeplab-made/x@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        true
    )]
    [InlineData("deeplab-made/x/y", true)]
    [InlineData("registry.example.org/deeplab-made/x:1", false)]
    [InlineData("deeplab-mad/x:1", false)]
    [InlineData("deeplab/base:13", false)]
    public void What_was_made_here_is_known_however_it_is_spelled(string reference, bool made) =>
        Assert.Equal(made, MadeImages.IsMade(reference));

    [Theory]
    [InlineData("a")]
    [InlineData("0123456789ab")]
    [InlineData("sha256:0123456789ab")]
    [InlineData("sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")]
    public void What_an_engine_may_take_for_an_id_is_no_reference(string text) =>
        Assert.False(ImageReference.TryParse(text, out _, out _));

    [Theory]
    [InlineData("docker.io/library/debian", "debian:latest")]
    [InlineData("debian:13", "debian:13")]
    [InlineData("registry.example.org/team/x", "registry.example.org/team/x:latest")]
    public void A_reference_is_compared_as_engines_list_it(string text, string listed)
    {
        Assert.True(ImageReference.TryParse(text, out var parsed, out _));
        Assert.Equal(listed, parsed.Familiar);
    }

    [Theory]
    [InlineData("torch-2.6", "2.6-cu12")]
    [InlineData("x", "")]
    public void The_reference_of_what_is_made_is_one(string name, string version)
    {
        Assert.True(MadeImages.IsName(name) && MadeImages.IsVersion(version));
        var reference = MadeImages.Reference(name, version, 42);
        Assert.True(ImageReference.TryParse(reference, out var parsed, out _));
        Assert.Equal(reference, parsed.Familiar);
        Assert.EndsWith("42", parsed.Tag!);
    }
}
