using System.Globalization;
using DeepLab.Core.Volumes;

namespace DeepLab.Core.Tests.Volumes;

public sealed class DatasetManifestTests
{
    private static readonly string s_ones = new('1', 64);
    private static readonly string s_twos = new('2', 64);

    // Told by sha256sum of the two lines
    private const string Digest = "41619fe36f06cdbcaacdf43d2c4216eaf8336bec8c83bcfd7c27753968040af2";

    [Fact]
    public void What_the_job_wrote_is_read_and_unpacks_as_it_was_packed()
    {
        var read = DatasetManifest.Read(
            ["other", $"file {s_ones} 3 a", $"file {s_twos} 40 b c", $"total 2 43 {Digest}"],
            out _
        )!;
        Assert.Equal((2, 43, $"sha256:{Digest}"), (read.Files, read.Bytes, read.Digest));
        DatasetFile[] files = [new("a", 3, s_ones), new("b c", 40, s_twos)];
        Assert.Equal(files, read.Kept);
        Assert.Equal(files, DatasetManifest.Unpack(read.Pack()));
    }

    [Fact]
    public void A_list_that_lost_a_line_its_end_or_a_letter_is_none()
    {
        string[] whole = [$"file {s_ones} 3 a", $"file {s_twos} 40 b c", $"total 2 43 {Digest}"];
        Assert.NotNull(DatasetManifest.Read(whole, out _));
        Assert.Null(DatasetManifest.Read(whole[..2], out var noEnd));
        Assert.Contains("no end", noEnd);
        Assert.Null(DatasetManifest.Read(whole[1..], out var lost));
        Assert.Contains("1 of 2 lines", lost);
        Assert.Null(DatasetManifest.Read([$"file {s_ones} 3 \uFFFD", .. whole[1..]], out var changed));
        Assert.Contains("UTF-8", changed);
    }

    [Fact]
    public void Beyond_what_is_kept_files_are_counted()
    {
        var lines = Enumerable
            .Range(0, DatasetManifest.MostKept)
            .Select(i => string.Create(CultureInfo.InvariantCulture, $"file {s_ones} 1 {i:D6}"))
            .Append($"total 60000 60000 {Digest}");
        var read = DatasetManifest.Read(lines, out _)!;
        Assert.Equal((DatasetManifest.MostKept, 60_000L), (read.Kept.Count, read.Files));
    }
}
