using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DeepLab.Core.Metrics;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations.Compare;

/// <summary>What a field of a run is about, in the order in which fields are shown.</summary>
public enum FieldKind
{
    /// <summary>A hyper-parameter that the program wrote.</summary>
    Parameter,
    Command,
    Environment,
    Code,
    Image,

    /// <summary>Volumes of the lab.</summary>
    Data,

    /// <summary>What it asked for, and where it might go.</summary>
    Resources,

    /// <summary>The hosts and GPUs that it had in the end.</summary>
    Machines,
    Other,
}

/// <param name="Path">as in the spec, `roles[0].resources.gpus`; an argument's is `roles[0].command --lr`, a parameter's its name</param>
public sealed record RunField(FieldKind Kind, string Path, string Value);

/// <summary>What made a run, spread out so that runs can be compared field by field.</summary>
public static class RunFields
{
    /// <summary>Of a stored spec. Its name and labels are left out: they name the run, and do not say how it was made.</summary>
    /// <param name="pinnedImage">what its image's tag meant then, with its digest; null where that is not known</param>
    /// <param name="pinnedRoleImages">the same of images that roles name, by that name</param>
    public static IReadOnlyList<RunField> OfSpec(
        string specJson,
        string? pinnedImage,
        IReadOnlyDictionary<string, string>? pinnedRoleImages = null
    )
    {
        var fields = new List<RunField>();
        using var spec = JsonDocument.Parse(specJson);
        Walk(spec.RootElement, "", fields);
        // An id is told with those that were seen, of which it is one
        if (pinnedImage is not null && !MadeImages.IsId(pinnedImage))
        {
            fields.Add(new RunField(FieldKind.Image, "pinnedImage", pinnedImage));
        }
        foreach (var (name, pin) in pinnedRoleImages ?? new Dictionary<string, string>())
        {
            if (!MadeImages.IsId(pin))
            {
                fields.Add(new RunField(FieldKind.Image, $"pinnedImage {name}", pin));
            }
        }
        return fields;
    }

    /// <summary>Of what was seen of it: which images its containers were made from, and what it had in its last round.</summary>
    /// <param name="attempts">all of them</param>
    /// <param name="gpus">UUIDs that the last round's attempts held</param>
    public static IReadOnlyList<RunField> OfRun(
        Workload run,
        IReadOnlyList<(int Round, string Host, string? ImageId)> attempts,
        IReadOnlyList<string> gpus
    )
    {
        var fields = new List<RunField>();
        void Add(FieldKind kind, string path, IEnumerable<string> values)
        {
            var text = string.Join(", ", values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
            if (text.Length > 0)
            {
                fields.Add(new RunField(kind, path, text));
            }
        }
        Add(
            FieldKind.Image,
            "imageId",
            attempts
                .Select(a => a.ImageId)
                .Append(run.PinnedImage)
                .Concat(run.PinnedRoleImages.Values)
                .OfType<string>()
                .Where(MadeImages.IsId)
        );
        var last = attempts.Count == 0 ? 0 : attempts.Max(a => a.Round);
        Add(FieldKind.Machines, "hosts", attempts.Where(a => a.Round == last).Select(a => a.Host));
        Add(FieldKind.Machines, "gpuModels", [run.GpuModels]);
        Add(FieldKind.Machines, "gpus", gpus);
        return fields;
    }

    /// <summary>
    /// Of the hyper-parameters that the replicas of one run wrote, each a JSON object, by name. Where they say different
    /// things, the value is all of them, in order.
    /// </summary>
    public static IReadOnlyList<RunField> OfParameters(IEnumerable<ReadOnlyMemory<byte>> written)
    {
        var found = new SortedDictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var json in written)
        {
            foreach (var (name, text) in RunMedia.ReadParameters(json))
            {
                if (!found.TryGetValue(name, out var values))
                {
                    found[name] = values = [];
                }
                if (!values.Contains(text, StringComparer.Ordinal))
                {
                    values.Add(text);
                }
            }
        }
        return [.. found.Select(f => new RunField(FieldKind.Parameter, f.Key, string.Join(", ", f.Value)))];
    }

    private static void Walk(JsonElement at, string path, List<RunField> into)
    {
        switch (at.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (
                    var p in at.EnumerateObject().Where(p => path.Length > 0 || p.Name is not ("name" or "labels"))
                )
                {
                    Walk(p.Value, path.Length == 0 ? p.Name : $"{path}.{p.Name}", into);
                }
                break;
            case JsonValueKind.Array when InRole(path) == "command":
                foreach (var (name, value) in CommandArguments.Read([.. at.EnumerateArray().Select(RunMedia.TextOf)]))
                {
                    var to = name[0] == '[' ? path + name : $"{path} {name}";
                    into.Add(new RunField(FieldKind.Command, to, value));
                }
                break;
            case JsonValueKind.Array:
                foreach (var (i, item) in at.EnumerateArray().Index())
                {
                    Walk(item, $"{path}[{i}]", into);
                }
                break;
            default:
                into.Add(
                    new RunField(
                        KindOf(path),
                        path,
                        path is "script" or "git.diff" ? Digest(RunMedia.TextOf(at)) : RunMedia.TextOf(at)
                    )
                );
                break;
        }
    }

    private static FieldKind KindOf(string path) =>
        path.StartsWith("env.", StringComparison.Ordinal) ? FieldKind.Environment
        : path is "code" or "script" || path.StartsWith("git.", StringComparison.Ordinal) ? FieldKind.Code
        : path == "image" ? FieldKind.Image
        : path.StartsWith("volumes[", StringComparison.Ordinal)
        || path.StartsWith("datasets[", StringComparison.Ordinal)
            ? FieldKind.Data
        : path.StartsWith("placement.", StringComparison.Ordinal) ? FieldKind.Resources
        : InRole(path) is not { } rest ? FieldKind.Other
        : rest == "image" ? FieldKind.Image
        : rest.StartsWith("env.", StringComparison.Ordinal) ? FieldKind.Environment
        : rest == "replicas" || rest.StartsWith("resources.", StringComparison.Ordinal) ? FieldKind.Resources
        : FieldKind.Other;

    /// <summary>`command` of `roles[0].command`; null of what is in no role.</summary>
    private static string? InRole(string path)
    {
        if (!path.StartsWith("roles[", StringComparison.Ordinal))
        {
            return null;
        }
        var end = path.IndexOf("].", StringComparison.Ordinal);
        return end < 0 ? null : path[(end + 2)..];
    }

    /// <summary>A script may be long; that it differs is what matters here.</summary>
    private static string Digest(string script) =>
        $"sha256:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(script)))} ({script.AsSpan().Count('\n') + 1} lines)";
}
