using System.Text;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>What a workload's datasets are to its containers. Pure.</summary>
public static class DatasetLaunch
{
    // 0755, 0644
    private const int Folder = 0x1ED;
    private const int Plain = 0x1A4;

    public static void SetEnv(Dictionary<string, string> env, JobSpec spec)
    {
        foreach (var dataset in spec.Datasets)
        {
            env[dataset.Variable] = dataset.Root;
            if (dataset.Split)
            {
                env[dataset.ListsVariable] = dataset.Lists;
            }
        }
        if (spec.Final)
        {
            env["DEEPLAB_FINAL"] = "1";
        }
    }

    /// <summary>One file a part, each line a path below <see cref="DatasetMount.Root"/>; that of the test files for a final run alone.</summary>
    public static IEnumerable<PlacedFile> Lists(
        DatasetMount dataset,
        DatasetSplit split,
        IEnumerable<DatasetFile> files,
        bool final
    )
    {
        var parts = files.ToLookup(f => split.PartOf(f.Path), f => f.Path);
        foreach (var part in Enum.GetValues<DatasetPart>().Where(p => final || p != DatasetPart.Test))
        {
            var lines = new StringBuilder();
            foreach (var path in parts[part])
            {
                lines.Append(path).Append('\n');
            }
            yield return PlacedFile.Of($"{dataset.Lists}/{NameOf(part)}", Plain, lines.ToString());
        }
    }

    /// <summary>With the folders on the way, outermost first.</summary>
    public static IReadOnlyList<PlacedFile> InFolders(IReadOnlyList<PlacedFile> lists) =>
        [
            new PlacedFile("/tmp/deeplab", Folder, null),
            new PlacedFile(SpecDatasets.Lists, Folder, null),
            .. lists
                .Select(l => l.Path[..l.Path.LastIndexOf('/')])
                .Distinct(StringComparer.Ordinal)
                .Select(f => new PlacedFile(f, Folder, null)),
            .. lists,
        ];

    private static string NameOf(DatasetPart part) =>
        part switch
        {
            DatasetPart.Train => "train.txt",
            DatasetPart.Validation => "validation.txt",
            _ => "test.txt",
        };
}
