using System.Text;
using DeepLab.Core.Streams.Terminals;

namespace DeepLab.Core.Tests.Streams.Terminals;

public sealed class ScrollbackTests
{
    private static string Read(Scrollback scrollback, long from)
    {
        var bytes = new byte[64];
        return Encoding.ASCII.GetString(bytes, 0, scrollback.Copy(from, bytes));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(26)]
    public void It_keeps_the_last_bytes_in_their_places_however_they_came(int piece)
    {
        var scrollback = new Scrollback(8);
        foreach (var bytes in Encoding.ASCII.GetBytes("abcdefghijklmnopqrstuvwxyz").Chunk(piece))
        {
            scrollback.Append(bytes);
        }
        Assert.Equal((18, 26), (scrollback.Start, scrollback.End));
        Assert.Equal("stuvwxyz", Read(scrollback, 18));
        Assert.Equal("xyz", Read(scrollback, 23));
        Assert.Equal("", Read(scrollback, 26));
        Assert.Throws<ArgumentOutOfRangeException>(() => Read(scrollback, 17));
        Assert.Throws<ArgumentOutOfRangeException>(() => Read(scrollback, 27));
    }

    [Fact]
    public void Who_comes_late_begins_with_a_whole_line()
    {
        var scrollback = new Scrollback(8);
        scrollback.Append("ab\ncd"u8);
        Assert.Equal("ab\ncd", Read(scrollback, scrollback.FirstLine(8)));
        scrollback.Append("ef\ngh"u8);
        Assert.Equal("cdef\ngh", Read(scrollback, scrollback.FirstLine(8)));
        Assert.Equal("gh", Read(scrollback, scrollback.FirstLine(7)));
        scrollback.Append("0123456789"u8);
        Assert.Equal("23456789", Read(scrollback, scrollback.FirstLine(8)));
    }
}
