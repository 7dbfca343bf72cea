using Bunit;
using DeepLab.Core.Workloads;
using DeepLab.Web.Components.Shared;

namespace DeepLab.Web.Tests.Shared;

public sealed class WaitListTests : BunitContext
{
    [Fact]
    public void Every_reason_is_shown_in_its_order_with_links_to_who_holds()
    {
        WaitReason[] waits =
        [
            new(WaitKind.NotEnoughGpus, "needs 4 GPUs on one host; local has 2 of 8 free", 4, 2, 8, "local", [7, 9]),
            new(WaitKind.BehindInQueue, "2 jobs are before it"),
        ];

        var list = Render<WaitList>(p => p.Add(c => c.Waits, waits));

        var items = list.FindAll("li");
        Assert.Equal(2, items.Count);
        Assert.Contains("needs 4 GPUs on one host", items[0].TextContent, StringComparison.Ordinal);
        Assert.Contains("2 jobs are before it", items[1].TextContent, StringComparison.Ordinal);
        Assert.Equal(["/jobs/7", "/jobs/9"], list.FindAll("a").Select(a => a.GetAttribute("href")));
    }

    [Fact]
    public void Many_holders_are_cut_and_counted()
    {
        WaitReason[] waits =
        [
            new(WaitKind.NotEnoughGpus, "full", HeldBy: [.. Enumerable.Range(1, 20).Select(i => (long)i)]),
        ];

        var list = Render<WaitList>(p => p.Add(c => c.Waits, waits));

        Assert.Equal(6, list.FindAll("a").Count);
        Assert.Contains("and 14 more", list.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Even_without_a_plan_it_says_what_it_waits_for()
    {
        var list = Render<WaitList>(p => p.Add(c => c.Waits, []));

        Assert.Contains("Waits for the next plan", list.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reason_is_text_and_never_markup()
    {
        var list = Render<WaitList>(p =>
            p.Add(c => c.Waits, [new WaitReason(WaitKind.NoHostReady, "<img src=x onerror=alert(1)>")])
        );

        Assert.Empty(list.FindAll("img"));
        Assert.Contains("<img src=x", list.Find("li").TextContent, StringComparison.Ordinal);
    }
}
