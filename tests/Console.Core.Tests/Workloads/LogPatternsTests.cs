using System.Diagnostics;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class LogPatternsTests
{
    [Theory]
    [InlineData("step=12 loss=0.25 val/acc=9.1e-1", "12 loss 0.25; 12 val/acc 0.91")]
    [InlineData("[epoch=3] (loss=-.5, lr=1e-4) Step=70", "70 epoch 3; 70 loss -0.5; 70 lr 0.0001")]
    [InlineData("loss=nan grad=inf low=-inf", "5 loss NaN; 5 grad Infinity; 5 low -Infinity")]
    [InlineData("GET /?a=b x=1.2.3 at=10:30 took=12ms size=0x1F end=7.", "5 end 7")]
    [InlineData("nothing here: loss 0.3, =4, url?q=1", "")]
    public void Names_with_values_are_found_in_a_line(string line, string expected) =>
        Assert.Equal(expected, Read(new LogPatterns([]), line));

    [Fact]
    public void Patterns_of_the_job_name_groups_or_capture_names()
    {
        var metrics = new LogPatterns([
            @"^Iteration (?<step>\d+)",
            @"loss: (?<loss>[\d.]+) acc: (?<accuracy>[\d.]+)%",
            @"<(?<name>\w+) (?<value>[\d.]+)>",
        ]);
        Assert.Equal(
            "40 loss 0.5; 40 accuracy 91.5; 40 mem 3; 40 temp 61",
            Read(metrics, "Iteration 40 loss: 0.5 acc: 91.5% <mem 3> <temp 61>")
        );
        Assert.Equal("", Read(metrics, "Iteration 41"));
    }

    [Theory]
    [InlineData("(a+)+$", "No group is named")]
    [InlineData("loss=(?<loss>", "no regular expression")]
    [InlineData("(?<name>[a-z]+)=", "A group \"name\" needs a group \"value\"")]
    [InlineData(@"(?<x>\d+)(?=a)", "Lookarounds, backreferences")]
    [InlineData(@"(?<x>a)\k<x>", "Lookarounds, backreferences")]
    [InlineData(@"(?<x>(?:a{100}){100})", "more than 1,000 together")]
    [InlineData(@"(?<x>a{2000000000})", "more than 1,000 together")]
    public void A_pattern_that_cannot_be_used_is_told(string pattern, string why) =>
        Assert.Contains(why, LogPatterns.WhyNot(pattern), StringComparison.Ordinal);

    [Fact]
    public void No_line_takes_long_whatever_the_pattern()
    {
        var metrics = new LogPatterns([@"^(?:(?:a|aa)+)+(?<x>\d)$", @"(?:.*a){20}(?<y>\d)"]);
        var watch = Stopwatch.StartNew();
        Assert.Equal("", Read(metrics, new string('a', 1 << 20)));
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(2));
        Assert.Equal(
            LogPatterns.MostOfLine,
            Read(new LogPatterns([]), string.Concat(Enumerable.Repeat("a=1 ", 900))).Split(';').Length
        );
    }

    [Fact]
    public void A_spec_asks_for_them_and_every_fault_is_told_at_once()
    {
        const string Spec = """
            { "name": "a", "image": "base", "roles": [ { "name": "worker" } ], "metrics": METRICS }
            """;
        var read = SpecReader.Read(Spec.Replace("METRICS", "{}", StringComparison.Ordinal));
        Assert.Empty(read.Errors);
        Assert.Equal(new MetricsSpec(), read.Spec!.Metrics);
        read = SpecReader.Read(
            Spec.Replace("METRICS", """{ "patterns": ["loss=(?<loss>[0-9.]+)"] }""", StringComparison.Ordinal)
        );
        Assert.Equal(read.Spec!.Metrics, SpecReader.Read(SpecWriter.Write(read.Spec)).Spec!.Metrics);
        read = SpecReader.Read(
            Spec.Replace(
                "METRICS",
                """{ "patterns": ["(", "(?<x>a)(?!b)", 7], "every": 1 }""",
                StringComparison.Ordinal
            )
        );
        Assert.Equal(
            ["metrics.every", "metrics.patterns[0]", "metrics.patterns[1]", "metrics.patterns[2]"],
            read.Errors.Select(e => e.Path).Order(StringComparer.Ordinal)
        );
    }

    private static string Read(LogPatterns metrics, string line)
    {
        var found = new List<LogNumber>();
        metrics.Read(line, 5, found);
        return string.Join("; ", found.Select(f => FormattableString.Invariant($"{f.Step} {f.Name} {f.Value}")));
    }
}
