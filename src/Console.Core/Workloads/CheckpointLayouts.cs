using System.Globalization;
using System.Text.RegularExpressions;

namespace DeepLab.Core.Workloads;

/// <summary>
/// Which of the files in a folder are checkpoints: of TensorFlow, PyTorch, Lightning and Hugging Face as they are, or whatever
/// a job's own pattern names. By names, sizes and times alone. Pure.
/// </summary>
public static partial class CheckpointLayouts
{
    private static readonly string[] s_unfinished =
    [
        ".tmp",
        ".temp",
        ".unfinished",
        ".part",
        ".partial",
        ".incomplete",
        ".lock",
        "~",
    ];

    /// <summary>Oldest first: see <see cref="Compare"/>.</summary>
    public static IReadOnlyList<FoundCheckpoint> Find(IEnumerable<CheckpointFile> files, string? glob)
    {
        var pattern = glob is null ? null : new CheckpointGlob(glob);
        var groups = new Dictionary<(string, CheckpointLayout), List<CheckpointFile>>();
        foreach (var file in files)
        {
            if (!IsUnfinished(file.Path) && Key(file.Path, pattern) is { } key)
            {
                if (!groups.TryGetValue(key, out var group))
                {
                    groups[key] = group = [];
                }
                group.Add(file);
            }
        }
        var found = groups.Select(g => Make(g.Key.Item1, g.Key.Item2, g.Value)).ToList();
        found.Sort((a, b) => Compare((a.Step, a.WrittenAt, a.Path), (b.Step, b.WrittenAt, b.Path)));
        return found;
    }

    /// <summary>Which is newer: one with a step is before one without, then the step, then the time it was written.</summary>
    public static int Compare(
        (long? Step, DateTimeOffset WrittenAt, string Path) a,
        (long? Step, DateTimeOffset WrittenAt, string Path) b
    )
    {
        var order = (a.Step ?? -1).CompareTo(b.Step ?? -1);
        order = order != 0 ? order : a.WrittenAt.CompareTo(b.WrittenAt);
        return order != 0 ? order : string.CompareOrdinal(a.Path, b.Path);
    }

    private static bool IsUnfinished(string path) =>
        path.Split('/')
            .Any(part =>
                part.StartsWith('.')
                || part.StartsWith("tmp-", StringComparison.Ordinal)
                || part.EndsWith("_temp", StringComparison.Ordinal)
                || part.Contains(".tmp.", StringComparison.Ordinal)
                || s_unfinished.Any(end => part.EndsWith(end, StringComparison.OrdinalIgnoreCase))
            );

    /// <summary>What the file is a part of; null where it is no checkpoint's.</summary>
    private static (string, CheckpointLayout)? Key(string path, CheckpointGlob? pattern)
    {
        if (TensorFlowPart().Match(path) is { Success: true } part)
        {
            var prefix = part.Groups["prefix"].Value;
            return pattern is null || pattern.Matches(prefix) || pattern.Matches(path)
                ? (prefix, CheckpointLayout.TensorFlow)
                : null;
        }
        if (pattern is not null)
        {
            // The outermost folder that matches, or the file itself
            for (var end = path.IndexOf('/'); end > 0; end = path.IndexOf('/', end + 1))
            {
                if (pattern.Matches(path[..end]))
                {
                    return (path[..end], CheckpointLayout.Pattern);
                }
            }
            return pattern.Matches(path) ? (path, CheckpointLayout.Pattern) : null;
        }
        if (HuggingFaceFolder().Match(path) is { Success: true } folder)
        {
            return (folder.Value[..^1], CheckpointLayout.HuggingFace);
        }
        return path.EndsWith(".pt", StringComparison.Ordinal) || path.EndsWith(".pth", StringComparison.Ordinal)
                ? (path, CheckpointLayout.PyTorch)
            : path.EndsWith(".ckpt", StringComparison.Ordinal) ? (path, CheckpointLayout.Lightning)
            : null;
    }

    private static FoundCheckpoint Make(string path, CheckpointLayout layout, List<CheckpointFile> files) =>
        new(
            path,
            layout,
            StepOf(path),
            files.Sum(f => f.Bytes),
            files.Count,
            files.Max(f => f.WrittenAt),
            layout switch
            {
                CheckpointLayout.TensorFlow => HasAllShards(path, files),
                CheckpointLayout.HuggingFace => files.Exists(f => f.Path == $"{path}/trainer_state.json")
                && !files.Exists(f => f.Seal == CheckpointSeal.Broken || f.Bytes == 0)
                    ? CheckpointSeal.Whole
                    : CheckpointSeal.Broken,
                _ when files.Exists(f => f.Seal == CheckpointSeal.Broken) || files.TrueForAll(f => f.Bytes == 0) =>
                    CheckpointSeal.Broken,
                _ when files is [{ Seal: CheckpointSeal.Whole }] => CheckpointSeal.Whole,
                _ => CheckpointSeal.None,
            }
        );

    /// <summary>The index is written when all shards are.</summary>
    private static CheckpointSeal HasAllShards(string path, List<CheckpointFile> files)
    {
        var shards = files.Select(f => TensorFlowPart().Match(f.Path)).Where(m => m.Groups["of"].Success).ToArray();
        var isWhole =
            files.Exists(f => f.Path == path + ".index" && f.Bytes > 0)
            && shards.Length > 0
            && int.TryParse(shards[0].Groups["of"].Value, CultureInfo.InvariantCulture, out var all)
            && shards.Length == all;
        return isWhole ? CheckpointSeal.Whole : CheckpointSeal.Broken;
    }

    /// <summary>The number behind `step`, else the last one in the name; an extension such as `.h5` has none.</summary>
    private static long? StepOf(string path)
    {
        var name = path[(path.LastIndexOf('/') + 1)..];
        var named = NamedStep().Match(name);
        var number = (named.Success ? named : LastNumber().Match(Extension().Replace(name, ""))).Groups["step"].Value;
        return long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var step) ? step : null;
    }

    private const RegexOptions Plain = RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture;

    /// <summary>Far beyond what a path of bounded length takes.</summary>
    private const int MostMillis = 1_000;

    [GeneratedRegex(@"\A(?<prefix>.+)\.(index|data-\d{5}-of-(?<of>\d{5}))\z", Plain, MostMillis)]
    private static partial Regex TensorFlowPart();

    [GeneratedRegex(@"\A([^/]+/)*?checkpoint-\d{1,18}/", Plain, MostMillis)]
    private static partial Regex HuggingFaceFolder();

    [GeneratedRegex(@"step[-_=]?(?<step>\d{1,18})", Plain | RegexOptions.IgnoreCase, MostMillis)]
    private static partial Regex NamedStep();

    [GeneratedRegex(@"(?<step>\d{1,18})\D*\z", Plain, MostMillis)]
    private static partial Regex LastNumber();

    [GeneratedRegex(@"\.[A-Za-z][A-Za-z0-9]*\z", Plain, MostMillis)]
    private static partial Regex Extension();
}
