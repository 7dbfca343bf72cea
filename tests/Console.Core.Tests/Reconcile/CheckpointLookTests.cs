using System.Text;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Reconcile;

/// <summary>What a stranger's container answers is parsed, bounded, and not believed.</summary>
public sealed class CheckpointLookTests
{
    private static CheckpointListing Parse(string text) => CheckpointLook.Parse(Encoding.UTF8.GetBytes(text));

    [Fact]
    public void A_whole_answer_names_files_with_size_time_and_end()
    {
        var listing = Parse("12 1700000000 w ./a b/step-1.pt\n7 1700000001 b ./step-2.pt\n0 0 - ./x\nend\n");
        Assert.True(listing.IsWhole);
        Assert.Equal(
            [
                ("a b/step-1.pt", 12L, 1700000000L, CheckpointSeal.Whole),
                ("step-2.pt", 7L, 1700000001L, CheckpointSeal.Broken),
                ("x", 0L, 0L, CheckpointSeal.None),
            ],
            listing.Files.Select(f => (f.Path, f.Bytes, f.WrittenAt.ToUnixTimeSeconds(), f.Seal))
        );
    }

    [Fact]
    public void An_answer_that_was_cut_says_nothing_of_what_is_missing()
    {
        Assert.False(Parse("12 1700000000 w ./step-1.pt\n").IsWhole);
        var many = string.Concat(Enumerable.Range(0, CheckpointLook.MostFiles).Select(i => $"1 1 - ./f{i}\n"));
        Assert.False(Parse(many + "end\n").IsWhole);
    }

    [Theory]
    [InlineData("-1 1 - ./a")]
    [InlineData("1 99999999999999 - ./a")]
    [InlineData("1 1 - /etc/passwd")]
    [InlineData("1 1 - ./")]
    [InlineData("1 1 - ./a\u001b[2J")]
    [InlineData("1 1 -")]
    [InlineData("")]
    public void Lines_of_another_form_are_left_out(string line) => Assert.Empty(Parse(line + "\nend\n").Files);
}
