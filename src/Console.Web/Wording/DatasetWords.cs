using System.Globalization;
using DeepLab.Core.Operations.Data;

namespace DeepLab.Web.Wording;

public static class DatasetWords
{
    public static string Files(long files) =>
        string.Create(CultureInfo.InvariantCulture, $"{files:N0} {(files == 1 ? "file" : "files")}");

    /// <summary>Files of each part with the percent that was asked for, and the seed.</summary>
    public static string Split(DatasetVersionView version) =>
        version is { Split: { } split, Parts: { } parts }
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"train {parts.Train:N0} ({split.Train} %), validation {parts.Validation:N0} ({split.Validation} %), test {parts.Test:N0} ({split.Test} %), seed {split.Seed}"
            )
            : "not split";

    /// <summary>What a spec says to mount it.</summary>
    public static string Mount(string name, int version) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $$"""
            "datasets": [ { "name": "{{name}}", "version": {{version}}, "path": "/data/{{name}}" } ]
            """
        );
}
