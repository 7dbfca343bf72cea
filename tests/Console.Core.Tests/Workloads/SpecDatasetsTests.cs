using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class SpecDatasetsTests
{
    private static SpecReading Read(string datasets, string more = "") =>
        SpecReader.Read(
            $$"""{"name":"a","image":"base","roles":[{"name":"worker","command":["true"]}],"datasets":{{datasets}}{{more}}}"""
        );

    [Fact]
    public void Datasets_are_read_and_written_back()
    {
        var spec = Read(
            """[{"name":"digits","version":2,"path":"/data","volume":"shared","folder":"a/b","split":true},{"name":"x.y-z","version":1,"path":"/in"}]""",
            ""","final":true"""
        ).Spec!;
        var digits = new DatasetMount("digits", 2, "/data")
        {
            Volume = "shared",
            Folder = "a/b",
            Split = true,
        };
        Assert.Equal([digits, new DatasetMount("x.y-z", 1, "/in")], spec.Datasets);
        Assert.True(spec.Final);
        var again = SpecReader.ReadStored(SpecWriter.Write(spec)).Spec!;
        Assert.Equal(spec.Datasets, again.Datasets);
        Assert.True(again.Final);
    }

    [Fact]
    public void A_spec_without_datasets_is_written_as_before()
    {
        var text = SpecWriter.Write(Read("[]", ""","final":false""").Spec!);
        Assert.DoesNotContain("datasets", text);
        Assert.DoesNotContain("final", text);
    }

    [Fact]
    public void Its_volume_is_mounted_read_only_once_it_is_known_and_named_by_its_field()
    {
        var spec = Read(
            """[{"name":"a","version":1,"path":"/a"},{"name":"b","version":1,"path":"/b","volume":"v"}]""",
            ""","checkpoint":{"volume":"kept"},"volumes":[{"name":"out","mountPath":"/out"}]"""
        ).Spec!;
        Assert.Equal(
            [
                ("volumes[0].name", new VolumeMount("out", "/out")),
                ("checkpoint.volume", new VolumeMount("kept", CheckpointFolders.Mount)),
                ("datasets[1].name", new VolumeMount("v", "/b", ReadOnly: true)),
            ],
            spec.NamedMounts()
        );
        Assert.Equal(spec.NamedMounts().Select(m => m.Mount), spec.Mounts);
    }

    [Theory]
    [InlineData("""[{"version":1,"path":"/data"}]""", "datasets[0].name")]
    [InlineData("""[{"name":"a","path":"/data"}]""", "datasets[0].version")]
    [InlineData("""[{"name":"a","version":0,"path":"/data"}]""", "datasets[0].version")]
    [InlineData("""[{"name":"a","version":1}]""", "datasets[0].path")]
    [InlineData("""[{"name":"A b","version":1,"path":"/data"}]""", "datasets[0].name")]
    [InlineData("""[{"name":"a","version":1,"path":"/etc"}]""", "datasets[0].path")]
    [InlineData("""[{"name":"a","version":1,"path":"/tmp/deeplab/x"}]""", "datasets[0].path")]
    [InlineData("""[{"name":"a","version":1,"path":"/data","folder":"../x"}]""", "datasets[0].folder")]
    [InlineData("""[{"name":"a","version":1,"path":"/mounted/b"}]""", "datasets[0].path")]
    [InlineData(
        """[{"name":"a","version":1,"path":"/data"},{"name":"b","version":1,"path":"/data/b"}]""",
        "datasets[1].path"
    )]
    [InlineData(
        """[{"name":"a.b","version":1,"path":"/x"},{"name":"a-b","version":1,"path":"/y"}]""",
        "datasets[1].name"
    )]
    [InlineData(
        """[{"name":"a-lists","version":1,"path":"/x"},{"name":"a","version":1,"path":"/y"}]""",
        "datasets[1].name"
    )]
    [InlineData("""[{"name":"a","version":1,"path":"/data","digest":"x"}]""", "datasets[0].digest")]
    [InlineData("{}", "datasets")]
    public void What_is_wrong_is_told_at_its_field(string datasets, string path)
    {
        var reading = Read(datasets, ""","volumes":[{"name":"m","mountPath":"/mounted"}]""");
        Assert.Null(reading.Spec);
        Assert.Equal(path, Assert.Single(reading.Errors).Path);
    }

    [Fact]
    public void An_environment_is_never_a_final_test_run()
    {
        var reading = SpecReader.Read(
            """{"name":"a","image":"base","roles":[{"name":"environment"}],"environment":{"jupyter":true},"datasets":[{"name":"a","version":1,"path":"/a"}],"final":true}"""
        );
        Assert.Equal(["final"], reading.Errors.Select(e => e.Path));
    }
}
