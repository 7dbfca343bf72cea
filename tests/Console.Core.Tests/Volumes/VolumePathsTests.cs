using DeepLab.Core.Volumes;

namespace DeepLab.Core.Tests.Volumes;

public sealed class VolumePathsTests
{
    [Theory]
    [InlineData("/data")]
    [InlineData("/mnt/data sets/a.b_c-d")]
    [InlineData("/srv/etc")]
    [InlineData("/home/lab")]
    public void A_data_folder_of_a_host_may_be_a_volume(string path) => Assert.Null(VolumePaths.WhyNotOnHost(path));

    [Theory]
    [InlineData("/")]
    [InlineData("/etc")]
    [InlineData("/etc/ssh")]
    [InlineData("/var")]
    [InlineData("/var/run/docker.sock")]
    [InlineData("/run")]
    [InlineData("/var/lib")]
    [InlineData("/var/lib/docker/volumes")]
    [InlineData("/proc/1/root")]
    [InlineData("/data/../etc")]
    [InlineData("/data/./x")]
    [InlineData("//etc")]
    [InlineData("/data/")]
    [InlineData("data")]
    [InlineData("")]
    [InlineData("/da\nta")]
    [InlineData("/a:b")]
    [InlineData("/a,readonly=false")]
    public void What_a_host_lives_from_may_not(string path) => Assert.NotNull(VolumePaths.WhyNotOnHost(path));

    [Theory]
    [InlineData("/data", true)]
    [InlineData("/workspace/data", true)]
    [InlineData("/home/user", true)]
    [InlineData("/workspace", false)]
    [InlineData("/tmp", false)]
    [InlineData("/checkpoints", false)]
    [InlineData("/etc/passwd", false)]
    [InlineData("/usr/bin", false)]
    [InlineData("/dev/shm", false)]
    [InlineData("/", false)]
    public void A_container_keeps_what_its_image_and_the_console_filled(string path, bool may) =>
        Assert.Equal(may, VolumePaths.WhyNotInContainer(path) is null);
}
