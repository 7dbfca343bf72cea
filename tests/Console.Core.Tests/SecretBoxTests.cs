namespace DeepLab.Core.Tests;

public sealed class SecretBoxTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("deeplab-box-").FullName;

    private string KeyFile => Path.Combine(_folder, "sub", "secrets.key");

    [Fact]
    public void What_was_sealed_opens_for_whoever_shares_the_file_and_for_the_same_purpose()
    {
        var kept = new SecretBox(KeyFile).Seal("a", "a secret that must not be seen");
        Assert.DoesNotContain("secret", kept, StringComparison.Ordinal);
        Assert.Equal("a secret that must not be seen", new SecretBox(KeyFile).Open("a", kept));
        Assert.Throws<SecretBoxException>(() => new SecretBox(KeyFile).Open("b", kept));
    }

    [Fact]
    public void Another_key_or_one_changed_character_opens_nothing()
    {
        var box = new SecretBox(KeyFile);
        var kept = box.Seal("a", "text");
        Assert.Throws<SecretBoxException>(() => new SecretBox(KeyFile + "2").Open("a", kept));
        var changed = kept[..^3] + (kept[^3] == 'A' ? 'B' : 'A') + kept[^2..];
        Assert.Throws<SecretBoxException>(() => box.Open("a", changed));
        Assert.Throws<SecretBoxException>(() => box.Open("a", ""));
        Assert.Throws<SecretBoxException>(() => box.Open("a", "v1:AAAA"));
    }

    [Fact]
    public void The_key_is_for_its_owner_alone_and_a_file_without_a_key_is_told()
    {
        _ = new SecretBox(KeyFile);
        Assert.True(
            OperatingSystem.IsWindows()
                || File.GetUnixFileMode(KeyFile) == (UnixFileMode.UserRead | UnixFileMode.UserWrite)
        );
        Assert.Equal(["secrets.key"], Directory.GetFiles(Path.GetDirectoryName(KeyFile)!).Select(Path.GetFileName));
        File.WriteAllText(KeyFile, "no key");
        Assert.Contains(KeyFile, Assert.Throws<InvalidOperationException>(() => new SecretBox(KeyFile)).Message);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
