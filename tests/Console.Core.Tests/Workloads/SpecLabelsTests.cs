using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

/// <summary>Labels and origin of the code, which a spec carries and no program sees.</summary>
public sealed class SpecLabelsTests
{
    private const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private static SpecReading Read(string more) =>
        SpecReader.Read($$"""{"name":"n","image":"i","roles":[{"name":"w"}],{{more}}}""");

    [Fact]
    public void What_is_written_reads_back()
    {
        var spec = Read(
            $$"""
            "labels":{"exp":"a b","done":"","k/x.y-z_1":"é"},
            "git":{"commit":"{{Commit}}","repository":"git@example:lab/x.git","branch":"main","diff":"--- a\n+++ b\n"}
            """
        ).Spec!;
        Assert.Equal(["done", "exp", "k/x.y-z_1"], spec.Labels.Keys);
        Assert.Equal((Commit, "main"), (spec.Git!.Commit, spec.Git.Branch));
        var again = SpecReader.ReadStored(SpecWriter.Write(spec)).Spec!;
        Assert.Equal(spec.Labels.AsEnumerable(), again.Labels.AsEnumerable());
        Assert.Equal(spec.Git, again.Git);
    }

    [Fact]
    public void A_spec_without_them_is_written_as_before_there_were_any()
    {
        var text = SpecWriter.Write(Read("\"labels\":{}").Spec!);
        Assert.DoesNotContain("\"labels\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain("\"git\"", text, StringComparison.Ordinal);
    }

    [Fact]
    public void All_that_is_wrong_is_told_at_once()
    {
        var labels = string.Join(",", Enumerable.Range(0, SpecLabels.Most + 1).Select(i => $"\"l{i}\":\"\""));
        Assert.Equal(["labels"], Read($"\"labels\":{{{labels}}}").Errors.Select(e => e.Path));
        Assert.Equal(
            ["labels[\"a b\"]", "labels.long", "labels.line", "labels.number", "git.commit", "git.branch"],
            Read(
                $$"""
                "labels":{"a b":"1","long":"{{new string('x', SpecLabels.LongestText + 1)}}","line":"a\nb","number":1},
                "git":{"commit":"HEAD","branch":"a\tb"}
                """
            )
                .Errors.Select(e => e.Path)
        );
        Assert.Equal(["git.commit"], Read("\"git\":{}").Errors.Select(e => e.Path));
    }
}
