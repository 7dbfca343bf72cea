using DeepLab.Web.Drafts;

namespace DeepLab.Web.Tests.Drafts;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("", new string[0])]
    [InlineData("  python3   train.py ", new[] { "python3", "train.py" })]
    [InlineData("sh -c 'echo $HOME; ls'", new[] { "sh", "-c", "echo $HOME; ls" })]
    [InlineData("a \"b \\\" c\" d\\ e", new[] { "a", "b \" c", "d e" })]
    [InlineData("x '' y", new[] { "x", "", "y" })]
    [InlineData("--name='two words'", new[] { "--name=two words" })]
    [InlineData("'never closed", new[] { "never closed" })]
    public void Words_are_split_as_a_shell_would(string text, string[] expected) =>
        Assert.Equal(expected, CommandLine.Split(text));

    [Theory]
    [InlineData("plain")]
    [InlineData("two words")]
    [InlineData("")]
    [InlineData("it's")]
    [InlineData("say \"hi\"")]
    [InlineData("both ' and \" and \\")]
    [InlineData("line\nbreak\ttab")]
    [InlineData("back\\slash")]
    public void Whatever_is_joined_splits_into_the_same(string word) =>
        Assert.Equal([word, "next"], CommandLine.Split(CommandLine.Join([word, "next"])));
}
