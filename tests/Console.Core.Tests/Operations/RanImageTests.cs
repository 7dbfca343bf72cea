using DeepLab.Core.Operations.Jobs;

namespace DeepLab.Core.Tests.Operations;

public sealed class RanImageTests
{
    private static readonly string s_one = "sha256:" + new string('1', 64);
    private static readonly string s_two = "sha256:" + new string('2', 64);

    [Fact]
    public void A_digest_of_a_registry_is_the_image_wherever_it_runs()
    {
        var digest = "base@" + s_one;
        Assert.Equal((digest, null), RanImage.Of("base", digest, [s_two]));
        Assert.Equal((digest, null), RanImage.Of(digest, null, [s_two]));
    }

    [Fact]
    public void An_image_that_was_made_here_has_a_tag_that_is_given_once() =>
        Assert.Equal(("deeplab-made/mine:1-7", null), RanImage.Of("mine", "deeplab-made/mine:1-7", [s_one, s_two]));

    [Fact]
    public void Of_an_image_from_no_registry_its_id_is_the_image()
    {
        Assert.Equal((s_one, null), RanImage.Of("base", null, [s_one]));
        Assert.Equal((s_one, null), RanImage.Of("base", "base:13", [s_one]));
        Assert.Equal((s_one, null), RanImage.Of("base", s_one, []));
    }

    [Fact]
    public void What_never_ran_or_ran_as_two_images_is_not_known()
    {
        foreach (
            var ids in (string[][])
                [
                    [],
                    [s_one, s_two],
                ]
        )
        {
            var (image, unknown) = RanImage.Of("base", null, ids);
            Assert.Null(image);
            Assert.Equal("image", unknown?.Path);
        }
    }
}
