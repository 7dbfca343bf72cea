using System.Globalization;
using DeepLab.Core.Volumes;

namespace DeepLab.Core.Tests.Volumes;

public sealed class DatasetSplitTests
{
    private static DatasetFile[] Files(int count) =>
        [
            .. Enumerable
                .Range(0, count)
                .Select(i => new DatasetFile(string.Create(CultureInfo.InvariantCulture, $"images/{i}.png"), 1, "")),
        ];

    /// <summary>As Python's hashlib has them: whoever writes the rule down again gets the same parts.</summary>
    [Theory]
    [InlineData("c", 8)]
    [InlineData("images/b c.png", 24)]
    [InlineData("a.png", 37)]
    [InlineData("é.txt", 44)]
    [InlineData("f", 91)]
    public void A_files_place_of_a_hundred_is_told_by_seed_and_path_alone(string path, int place)
    {
        Assert.Equal(DatasetPart.Train, new DatasetSplit(7, place + 1, 0, 99 - place).PartOf(path));
        Assert.Equal(DatasetPart.Test, new DatasetSplit(7, place, 0, 100 - place).PartOf(path));
        Assert.Equal(DatasetPart.Validation, new DatasetSplit(7, place, 1, 99 - place).PartOf(path));
    }

    [Fact]
    public void The_parts_are_about_as_large_as_was_asked_and_no_file_is_lost()
    {
        var parts = new DatasetSplit(1, 80, 15, 5).Count(Files(10_000));
        Assert.Equal(10_000, parts.Train + parts.Validation + parts.Test);
        Assert.InRange(parts.Train, 7_850, 8_150);
        Assert.InRange(parts.Validation, 1_380, 1_620);
        Assert.InRange(parts.Test, 410, 590);
    }

    [Fact]
    public void Another_seed_divides_otherwise_and_a_part_of_nothing_is_empty()
    {
        var files = Files(1000);
        DatasetSplit one = new(1, 50, 50, 0);
        Assert.NotEqual(
            files.Select(f => one.PartOf(f.Path)),
            files.Select(f => (one with { Seed = 2 }).PartOf(f.Path))
        );
        Assert.Equal(0, one.Count(files).Test);
        Assert.Equal(new DatasetParts(0, 0, 1000), new DatasetSplit(1, 0, 0, 100).Count(files));
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("a/b c", true)]
    [InlineData("/a", false)]
    [InlineData("a/", false)]
    [InlineData("a/../b", false)]
    [InlineData("..", false)]
    [InlineData("a\\b", false)]
    [InlineData("a\nb", false)]
    public void A_folder_is_below_its_volume(string folder, bool allowed) =>
        Assert.Equal(allowed, DatasetFolders.WhyNot(folder) is null);
}
