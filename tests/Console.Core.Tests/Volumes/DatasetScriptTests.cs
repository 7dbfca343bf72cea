using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using DeepLab.Core.Volumes;

namespace DeepLab.Core.Tests.Volumes;

/// <summary>The script itself, run by this machine's shell on a folder of this machine.</summary>
public sealed class DatasetScriptTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("deeplab-dataset-");

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public async Task Every_file_is_listed_in_the_order_of_bytes_whatever_its_name()
    {
        string[] names = ["-n", "a\tb".Replace('\t', '_'), "b c", "back\\slash", "sub/a", "sub.a", "é"];
        foreach (var name in names)
        {
            var path = Path.Combine(_root.FullName, "data", name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, name, TestContext.Current.CancellationToken);
        }
        File.CreateSymbolicLink(Path.Combine(_root.FullName, "data", "link"), "/etc/passwd");
        var (code, lines) = await RunAsync("data");
        var manifest = DatasetManifest.Read(lines, out var trouble);
        Assert.True(manifest is not null, trouble);
        Assert.Equal(0, code);
        Assert.Equal(names.OrderBy(Encoding.UTF8.GetBytes, ByBytes), manifest.Kept.Select(f => f.Path));
        Assert.Equal(names.Sum(n => Encoding.UTF8.GetByteCount(n)), manifest.Bytes);
        var slash = manifest.Kept.Single(f => f.Path == "back\\slash");
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData("back\\slash"u8)), slash.Sha256);
    }

    [Fact]
    public async Task What_cannot_be_listed_is_told_in_a_sentence()
    {
        var (code, lines) = await RunAsync("none");
        Assert.Equal(
            (3, "failed The volume has no folder \"none\" that programs may enter."),
            (code, Assert.Single(lines))
        );
        _root.CreateSubdirectory("empty");
        Assert.StartsWith("failed There is no file in it.", Assert.Single((await RunAsync("empty")).Lines));
        await File.WriteAllTextAsync(
            Path.Combine(_root.CreateSubdirectory("odd").FullName, "a\nb"),
            "",
            TestContext.Current.CancellationToken
        );
        Assert.StartsWith("failed The name of a file", Assert.Single((await RunAsync("odd")).Lines));
    }

    private static readonly Comparer<byte[]> ByBytes = Comparer<byte[]>.Create(
        (a, b) => a.AsSpan().SequenceCompareTo(b)
    );

    private async Task<(int Code, string[] Lines)> RunAsync(string folder)
    {
        var ct = TestContext.Current.CancellationToken;
        var start = new ProcessStartInfo("/bin/sh")
        {
            ArgumentList = { "-c", DatasetScript.Text.Replace(DatasetScript.Mount + "/", _root.FullName + "/") },
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        start.Environment[DatasetScript.FolderVariable] = folder;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(ct);
        var text = await process.StandardOutput.ReadToEndAsync(ct);
        await process.WaitForExitAsync(ct);
        await errors;
        return (process.ExitCode, text.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
