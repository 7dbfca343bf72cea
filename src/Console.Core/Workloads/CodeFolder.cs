namespace DeepLab.Core.Workloads;

/// <summary>Where uploaded archives lie: `code/sha256-…` below the data folder.</summary>
public sealed class CodeFolder(ConsoleOptions options)
{
    public string Root { get; } = Directory.CreateDirectory(Path.Combine(options.DataFolder, "code")).FullName;

    public string PathOf(string digest) => Path.Combine(Root, digest.Replace(':', '-'));
}
