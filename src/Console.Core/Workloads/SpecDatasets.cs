using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using DeepLab.Core.Volumes;

namespace DeepLab.Core.Workloads;

/// <summary>A version of a dataset, by name, in the containers of a job or environment.</summary>
/// <param name="Path">where the version's volume is mounted, read-only; the files are below <see cref="Root"/></param>
public sealed record DatasetMount(string Name, int Version, string Path)
{
    /// <summary>What the version lies on, written by the console when the spec comes; null before.</summary>
    public string? Volume { get; init; }

    /// <summary>Of the version, below the volume; empty = all of it.</summary>
    public string Folder { get; init; } = "";

    /// <summary>The version has parts; their lists are in <see cref="Lists"/>.</summary>
    public bool Split { get; init; }

    /// <summary>Name of the variable that says where its files are.</summary>
    public string Variable =>
        "DEEPLAB_DATASET_"
        + string.Concat(Name.Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToUpperInvariant(c) : '_'));

    /// <summary>Name of the variable that says where its lists are.</summary>
    public string ListsVariable => Variable + "_LISTS";

    /// <summary>What paths of the lists begin at.</summary>
    public string Root => Folder.Length == 0 ? Path : $"{Path}/{Folder}";

    /// <summary>Folder of its lists in a container.</summary>
    public string Lists => $"{SpecDatasets.Lists}/{Name}";

    internal string[] Names => [Variable, ListsVariable];
    internal VolumeMount? Mount => Volume is null ? null : new VolumeMount(Volume, Path, ReadOnly: true);
}

/// <summary>The `datasets` of a spec.</summary>
public static class SpecDatasets
{
    public const int Most = 20;

    /// <summary>Holds a folder for each dataset that has parts.</summary>
    public const string Lists = "/tmp/deeplab/datasets";

    // The last three are the console's: it writes what they are whatever is sent, so that a spec it tells may be sent again
    private static readonly string[] s_keys = ["name", "version", "path", "volume", "folder", "split"];

    /// <param name="volumes">of the spec: nothing is mounted in another's place</param>
    internal static ImmutableArray<DatasetMount> Read(SpecNode? node, ImmutableArray<VolumeMount> volumes)
    {
        var mounts = new List<DatasetMount>();
        foreach (var item in node?.Items(0, Most) ?? [])
        {
            if (SpecObject.Read(item, s_keys, _ => null) is not { } dataset)
            {
                continue;
            }
            var nameNode = dataset.Need("name", "the name of a dataset, such as \"digits\"");
            var name = nameNode?.Name();
            var version = dataset.Need("version", "the number of one of its versions")?.Whole(1, int.MaxValue);
            var path = dataset.Need("path", "a path in the container, such as \"/data\"");
            var text = path?.Text(VolumePaths.Longest * 4);
            var volume = dataset.Find("volume")?.Name();
            var folder = dataset.Find("folder")?.Text(DatasetFolders.Longest * 4) ?? "";
            var split = dataset.Find("split")?.Flag() ?? false;
            if (DatasetFolders.WhyNot(folder) is { } wrong)
            {
                dataset.Find("folder")!.Value.Fail(wrong);
            }
            if (text is null || name is null || version is not { } number)
            {
                continue;
            }
            var mount = new DatasetMount(name, number, text)
            {
                Volume = volume,
                Folder = folder,
                Split = split,
            };
            if (VolumePaths.WhyNotInContainer(text) is { } why)
            {
                path!.Value.Fail($"This is {SpecText.Quote(text)}. {why}");
            }
            else if (
                volumes
                    .Select(v => v.MountPath)
                    .Concat(mounts.Select(m => m.Path))
                    .FirstOrDefault(p => SpecVolumes.Overlap(p, text)) is
                { } other
            )
            {
                path!.Value.Fail(
                    $"This is {SpecText.Quote(text)}, which is, holds or lies in {SpecText.Quote(other)}; paths apart from each other are allowed."
                );
            }
            else if (mounts.Find(m => m.Names.Intersect(mount.Names).Any()) is { } same)
            {
                nameNode!.Value.Fail(
                    $"Its variable {mount.Variable} would be one of those of \"{same.Name}\" before it; one version of a dataset is allowed, and names that make other variables."
                );
            }
            else
            {
                mounts.Add(mount);
            }
        }
        // The shared empty array: equal specs are equal
        return mounts.Count == 0 ? [] : [.. mounts];
    }

    internal static void Write(Utf8JsonWriter w, ImmutableArray<DatasetMount> datasets)
    {
        w.WriteStartArray("datasets");
        foreach (var dataset in datasets)
        {
            w.WriteStartObject();
            w.WriteString("name", dataset.Name);
            w.WriteNumber("version", dataset.Version);
            w.WriteString("path", dataset.Path);
            if (dataset.Volume is { } volume)
            {
                w.WriteString("volume", volume);
            }
            if (dataset.Folder.Length > 0)
            {
                w.WriteString("folder", dataset.Folder);
            }
            if (dataset.Split)
            {
                w.WriteBoolean("split", true);
            }
            w.WriteEndObject();
        }
        w.WriteEndArray();
    }

    /// <summary>`3` as in `digits 3`.</summary>
    public static string InWords(this DatasetMount dataset) =>
        string.Create(CultureInfo.InvariantCulture, $"{dataset.Name} {dataset.Version}");
}
