using System.Collections.Immutable;
using DeepLab.Core.Volumes;

namespace DeepLab.Core.Workloads;

/// <summary>The `volumes` of a spec: which of the lab's volumes its containers see, and where.</summary>
internal static class SpecVolumes
{
    public const int Most = 20;
    private static readonly string[] Keys = ["name", "mountPath", "readOnly"];

    public static ImmutableArray<VolumeMount> Read(SpecNode? node)
    {
        var mounts = new List<VolumeMount>();
        foreach (var item in node?.Items(0, Most) ?? [])
        {
            if (SpecObject.Read(item, Keys, _ => null) is not { } volume)
            {
                continue;
            }
            var name = volume.Need("name", "the name of a volume, such as \"datasets\"")?.Name();
            var path = volume.Need("mountPath", "a path in the container, such as \"/data\"");
            var text = path?.Text(VolumePaths.Longest * 4);
            var readOnly = volume.Find("readOnly")?.Flag() ?? false;
            if (text is null)
            {
                continue;
            }
            if (VolumePaths.WhyNotInContainer(text) is { } why)
            {
                path!.Value.Fail($"This is {SpecText.Quote(text)}. {why}");
            }
            else if (mounts.Find(m => Overlap(m.MountPath, text)) is { } other)
            {
                path!.Value.Fail(
                    $"This is {SpecText.Quote(text)}, which is, holds or lies in {SpecText.Quote(other.MountPath)}; paths apart from each other are allowed."
                );
            }
            else if (name is not null)
            {
                mounts.Add(new VolumeMount(name, text, readOnly));
            }
        }
        // The shared empty array: equal specs are equal
        return mounts.Count == 0 ? [] : [.. mounts];
    }

    internal static bool Overlap(string a, string b) =>
        a == b || a.StartsWith(b + "/", StringComparison.Ordinal) || b.StartsWith(a + "/", StringComparison.Ordinal);
}
