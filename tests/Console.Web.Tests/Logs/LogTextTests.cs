using Bunit;
using DeepLab.Web.Components.Shared.Logs;

namespace DeepLab.Web.Tests.Logs;

public sealed class LogTextTests : BunitContext
{
    [Fact]
    public void What_a_program_prints_never_becomes_markup()
    {
        const string Evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\u001b[31m<b>red</b>";

        var text = Render<LogText>(p => p.Add(c => c.Text, Evil));

        Assert.Empty(text.FindAll("script, img, b"));
        Assert.Contains("<b>red</b>", text.Find("span.i1").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public void Hits_are_marked_whatever_their_case()
    {
        var text = Render<LogText>(p => p.Add(c => c.Text, "Loss 1, loss 2, LOSS 3").Add(c => c.Search, "loss"));

        Assert.Equal(["Loss", "loss", "LOSS"], text.FindAll("mark").Select(m => m.TextContent));
    }

    [Fact]
    public void A_huge_line_is_cut_and_says_so()
    {
        var text = Render<LogText>(p => p.Add(c => c.Text, new string('x', 100_000)));

        Assert.Contains("98,000 more characters", text.Find(".more").TextContent, StringComparison.Ordinal);
        Assert.True(text.Markup.Length < 4000);
    }
}
