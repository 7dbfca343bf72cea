using Bunit;
using DeepLab.Core.Operations;
using DeepLab.Core.Workloads;
using DeepLab.Web.Components.Shared;
using DeepLab.Web.Drafts;
using DeepLab.Web.Wording;

namespace DeepLab.Web.Tests.Pages;

/// <summary>What pages show of the history of runs.</summary>
public sealed class RunPartsTests : BunitContext
{
    private static readonly DateTimeOffset s_now = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Labels_survive_their_lines()
    {
        var labels = LabelLines.Read("  exp = a=b \n\nbaseline\n").Labels;
        Assert.Equal("baseline\nexp=a=b", LabelLines.Write(labels));
        Assert.Equal(["labels[\"a b\"]"], LabelLines.Read("ok\na b=1").Errors.Select(e => e.Path));
    }

    [Fact]
    public void A_label_leads_to_all_that_have_it_and_is_never_markup()
    {
        var labels = new Dictionary<string, string>
        {
            ["exp"] = "<b>\"x\" \\y",
            ["two"] = "",
            ["three"] = "",
        };
        var chips = Render<LabelChips>(p => p.Add(c => c.Labels, labels).Add(c => c.Most, 2));
        Assert.Empty(chips.FindAll("b"));
        Assert.Contains("+1", chips.Markup, StringComparison.Ordinal);
        var query = Uri.UnescapeDataString(chips.FindAll("a")[0].GetAttribute("href")!.Split("?q=")[1]);
        var read = Core.Operations.History.SearchQuery.Read(query, s_now);
        Assert.Equal(["exp=<b>\"x\" \\y"], Assert.Single(read.Terms).Texts);
    }

    [Fact]
    public void The_filters_of_a_list_are_one_search()
    {
        var address = WorkloadListAddress.From("lr label:a", "failed,stopped", "ann \"x\\", "gpu1");
        var read = Core.Operations.History.SearchQuery.Read(address.Query, s_now);
        Assert.Empty(read.Errors);
        Assert.Equal([WorkloadState.Failed, WorkloadState.Stopped], read.Terms[0].States);
        Assert.Equal(["ann \"x\\", "gpu1", "lr", "a"], read.Terms.Skip(1).Select(t => t.Texts[0]));
        Assert.Equal("", WorkloadListAddress.From(null, null, null, null).Query);
    }

    [Fact]
    public void What_is_known_of_the_code_is_told_and_what_is_not_is_said()
    {
        var spec = SpecReader.Read("""{"name":"n","image":"i","roles":[{"name":"w"}]}""").Spec!;
        Assert.Equal("in the image", CodeWords.Of(spec).Short);
        Assert.Equal("archive 111111111111", CodeWords.Of(spec with { Code = "sha256:" + new string('1', 64) }).Short);
        var git = new GitSpec { Commit = new string('2', 40), Diff = "x" };
        Assert.StartsWith(
            "commit 222222222222 with changes, script ",
            CodeWords.Of(spec with { Script = "x", Git = git }).Short,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "not kept",
            CodeWords.Of(spec with { Volumes = [new("d", "/d")] }).Long,
            StringComparison.Ordinal
        );
        Assert.Equal("not known", CodeWords.Of(null).Short);
    }
}
