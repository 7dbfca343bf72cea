using DeepLab.Web.Logs;

namespace DeepLab.Web.Tests.Logs;

public sealed class AnsiTextTests
{
    [Fact]
    public void Plain_text_is_one_plain_span()
    {
        var span = Assert.Single(AnsiText.Parse("epoch 1 loss 0.25"));

        Assert.Equal(new AnsiSpan("epoch 1 loss 0.25", default), span);
    }

    [Fact]
    public void An_empty_line_has_no_span() => Assert.Empty(AnsiText.Parse(""));

    [Fact]
    public void Colours_begin_and_end_where_the_program_said()
    {
        var spans = AnsiText.Parse("a \u001b[31mred\u001b[0m b \u001b[1;92mbright\u001b[m");

        Assert.Equal(["a ", "red", " b ", "bright"], spans.Select(s => s.Text));
        Assert.Equal("i1", spans[1].Style.Classes());
        Assert.Null(spans[2].Style.Classes());
        Assert.Equal("i10 b", spans[3].Style.Classes());
    }

    [Theory]
    [InlineData("\u001b[38;5;196mx", "color:#ff0000")]
    [InlineData("\u001b[38;5;244mx", "color:#808080")]
    [InlineData("\u001b[38;2;1;2;3mx", "color:#010203")]
    [InlineData("\u001b[48;2;255;0;16mx", "background:#ff0010")]
    [InlineData("\u001b[38:2:1:2:3mx", "color:#010203")]
    public void Wide_palettes_become_exact_colours(string line, string css) =>
        Assert.Equal(css, Assert.Single(AnsiText.Parse(line)).Style.Css());

    [Theory]
    [InlineData("\u001b[38;5mx")]
    [InlineData("\u001b[38mx")]
    [InlineData("\u001b[99999999999999mx")]
    [InlineData("\u001b[2Kx")]
    [InlineData("\u001b[?25lx")]
    [InlineData("\u001b]0;title\u0007x")]
    [InlineData("\u001b]8;;http://a\u001b\\x")]
    [InlineData("\u001b(x")]
    public void Everything_else_of_a_terminal_is_dropped(string line) =>
        Assert.Equal("x", AnsiText.Plain(line).TrimStart('('));

    [Theory]
    [InlineData("\u001b")]
    [InlineData("\u001b[")]
    [InlineData("\u001b[1;3")]
    [InlineData("\u001b]0;never ends")]
    public void A_sequence_cut_off_leaves_nothing(string line) => Assert.Equal("", AnsiText.Plain(line));

    [Fact]
    public void A_progress_bar_shows_its_last_state() =>
        Assert.Equal("100%|####|", AnsiText.Plain("\r  1%|    |\r 50%|##  |\r100%|####|\r"));

    [Fact]
    public void Other_control_characters_become_visible() =>
        Assert.Equal("a\u2407b\u2400c\td", AnsiText.Plain("a\u0007b\0c\td"));

    [Fact]
    public void Inverse_swaps_ink_and_paper()
    {
        var style = Assert.Single(AnsiText.Parse("\u001b[31;47;7mx")).Style;

        Assert.Equal((7, 1), (style.Ink, style.Paper));
    }
}
