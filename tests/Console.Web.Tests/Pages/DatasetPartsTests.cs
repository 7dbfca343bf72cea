using DeepLab.Core.Operations.Data;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using DeepLab.Web.Drafts;
using DeepLab.Web.Wording;

namespace DeepLab.Web.Tests.Pages;

/// <summary>What pages say of datasets.</summary>
public sealed class DatasetPartsTests
{
    private const string Job = """{"name":"a","image":"base","roles":[{"name":"worker","command":["true"]}],""";

    [Fact]
    public void What_is_shown_to_be_copied_into_a_spec_is_read_as_that_version()
    {
        var spec = SpecReader.Read($"{Job}{DatasetWords.Mount("my.digits", 3)}}}").Spec!;
        Assert.Equal([new DatasetMount("my.digits", 3, "/data/my.digits")], spec.Datasets);
    }

    [Fact]
    public void The_parts_are_told_with_what_was_asked_for()
    {
        var version = new DatasetVersionView(
            1,
            DatasetState.Ready,
            "",
            "v",
            "",
            1200,
            1,
            "sha256:x",
            new DatasetSplit(7, 80, 15, 5),
            new DatasetParts(1000, 150, 50),
            1,
            "ann",
            default,
            null
        );
        Assert.Equal("train 1,000 (80 %), validation 150 (15 %), test 50 (5 %), seed 7", DatasetWords.Split(version));
        Assert.Equal("not split", DatasetWords.Split(version with { Split = null, Parts = null }));
        Assert.Equal(("1 file", "1,200 files"), (DatasetWords.Files(1), DatasetWords.Files(1200)));
    }

    [Fact]
    public void A_clone_mounts_the_same_versions_and_leaves_to_the_console_what_they_lie_on()
    {
        var first = SpecReader
            .Read(
                Job
                    + """ "final":true,"datasets":[{"name":"a","version":2,"path":"/a","volume":"v","folder":"f","split":true}]}"""
            )
            .Spec!;
        var draft = DraftJson.Read(SpecWriter.Write(first))!;
        Assert.DoesNotContain("datasets", draft.Others.Select(o => o.Key));
        var again = SpecReader.Read(DraftJson.Write(draft)).Spec!;
        Assert.Equal([new DatasetMount("a", 2, "/a")], again.Datasets);
        Assert.True(again.Final);
        draft.Datasets[0].Version = "two";
        draft.Final = false;
        var wrong = DraftJson.Write(draft);
        Assert.DoesNotContain("final", wrong);
        Assert.Equal(["datasets[0].version"], SpecReader.Read(wrong).Errors.Select(e => e.Path));
    }
}
