using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class SpecVolumesTests
{
    private static SpecReading Read(string volumes) =>
        SpecReader.Read(
            $$"""{"name":"a","image":"base","roles":[{"name":"worker","command":["true"]}],"volumes":{{volumes}}}"""
        );

    [Fact]
    public void Volumes_are_read_and_written_back()
    {
        var spec = Read(
            """[{"name":"datasets","mountPath":"/data","readOnly":true},{"name":"out","mountPath":"/out"}]"""
        ).Spec!;
        Assert.Equal([new VolumeMount("datasets", "/data", true), new VolumeMount("out", "/out")], spec.Volumes);
        Assert.Equal(spec.Volumes, SpecReader.Read(SpecWriter.Write(spec)).Spec!.Volumes);
    }

    [Fact]
    public void A_spec_without_volumes_is_written_as_before() =>
        Assert.DoesNotContain("volumes", SpecWriter.Write(Read("[]").Spec!));

    [Theory]
    [InlineData("""[{"mountPath":"/data"}]""", "volumes[0]")]
    [InlineData("""[{"name":"a"}]""", "volumes[0]")]
    [InlineData("""[{"name":"A b","mountPath":"/data"}]""", "volumes[0].name")]
    [InlineData("""[{"name":"a","mountPath":"/etc"}]""", "volumes[0].mountPath")]
    [InlineData("""[{"name":"a","mountPath":"/data/../etc"}]""", "volumes[0].mountPath")]
    [InlineData("""[{"name":"a","mountPath":"/data"},{"name":"b","mountPath":"/data/b"}]""", "volumes[1].mountPath")]
    [InlineData("""[{"name":"a","mountPath":"/data"},{"name":"a","mountPath":"/data"}]""", "volumes[1].mountPath")]
    [InlineData("""[{"name":"a","mountPath":"/data","readOnly":"yes"}]""", "volumes[0].readOnly")]
    [InlineData("""[{"name":"a","mountPath":"/data","hostPath":"/"}]""", "volumes[0].hostPath")]
    [InlineData("""{}""", "volumes")]
    public void What_is_wrong_is_told_at_its_field(string volumes, string path)
    {
        var reading = Read(volumes);
        Assert.Null(reading.Spec);
        Assert.StartsWith(path, Assert.Single(reading.Errors).Path);
    }
}
