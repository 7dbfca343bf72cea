using System.Text.Json;
using DeepLab.Core.Volumes;

namespace DeepLab.Core.Workloads;

/// <summary>Where a job's checkpoints go, how often it writes one, and which of them stay.</summary>
public sealed record CheckpointSpec
{
    /// <summary>Steps between checkpoints, handed to the program; null = the program's own choice.</summary>
    public int? EverySteps { get; init; }

    /// <summary>
    /// Name of a volume of the lab, in which they lie below a folder of the job's own; null = a volume of the job's own on each
    /// of its hosts, which reaches no other.
    /// </summary>
    public string? Volume { get; init; }

    /// <summary>Only so many of the newest complete ones stay, and those that are pinned; null = the program's own choice.</summary>
    public int? Keep { get; init; }

    /// <summary>
    /// Metric of the program by which the best of them stays too, beside those that <see cref="Keep"/> counts; null = none does.
    /// </summary>
    public string? BestBy { get; init; }

    /// <summary>`least` or `greatest`; null = guessed from the metric's name.</summary>
    public string? Best { get; init; }

    /// <summary>Which files or folders below the checkpoint folder are checkpoints; null = the layouts that are known.</summary>
    public string? Glob { get; init; }

    /// <summary>The volume as a mount; null where it has none.</summary>
    internal VolumeMount? Mount => Volume is null ? null : new VolumeMount(Volume, CheckpointFolders.Mount);
}

/// <summary>Where a program finds its checkpoints.</summary>
public static class CheckpointFolders
{
    /// <summary>Where the volume is mounted in each container.</summary>
    public const string Mount = "/checkpoints";

    /// <summary>DEEPLAB_CHECKPOINT_DIR of a job that asks for checkpoints: a volume that others use too holds a folder for it.</summary>
    public static string Of(CheckpointSpec spec, long workloadId) =>
        spec.Volume is null
            ? Mount
            : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Mount}/job-{workloadId}");
}

/// <summary>The `checkpoint` of a spec.</summary>
internal static class SpecCheckpoint
{
    public const int MostKept = 1000;

    /// <summary>Of a metric's name.</summary>
    private const int LongestMetric = 200;
    public static readonly string[] Keys = ["everySteps", "volume", "keep", "bestBy", "best", "glob"];

    public static CheckpointSpec? Read(SpecNode? node, Func<string, string?> misplaced)
    {
        if (node is not { } given || SpecObject.Read(given, Keys, misplaced) is not { } checkpoint)
        {
            return null;
        }
        var keep = checkpoint.Find("keep")?.Whole(1, MostKept);
        var (bestBy, best) = Best(checkpoint);
        return new CheckpointSpec
        {
            EverySteps = checkpoint.Find("everySteps")?.Whole(1, 1_000_000_000),
            Volume = checkpoint.Find("volume")?.Name(),
            Keep = keep,
            BestBy = bestBy,
            Best = best,
            Glob = Glob(checkpoint.Find("glob")),
        };
    }

    private static (string? Metric, string? Way) Best(SpecObject checkpoint)
    {
        var (metric, way) = (checkpoint.Find("bestBy"), checkpoint.Find("best"));
        if (metric is { } named && checkpoint.Find("keep") is null)
        {
            named.Fail("Without \"keep\" all of them stay; a metric is allowed where \"keep\" says how many.");
        }
        var word = way?.Line(1, 20);
        if (way is { } given && word is not (null or BestWay.Least or BestWay.Greatest))
        {
            given.Fail($"This is {SpecText.Quote(word)}; \"{BestWay.Least}\" or \"{BestWay.Greatest}\" is allowed.");
        }
        if (way is { } alone && metric is null)
        {
            alone.Fail("It is said of a metric; it is allowed where \"bestBy\" names one.");
        }
        return (metric?.Line(1, LongestMetric), word);
    }

    private static string? Glob(SpecNode? node)
    {
        if (node is not { } given || given.Line(1, CheckpointGlob.Longest) is not { } text)
        {
            return null;
        }
        if (CheckpointGlob.WhyNot(text) is { } why)
        {
            given.Fail(why);
        }
        return text;
    }

    public static void Write(Utf8JsonWriter w, CheckpointSpec checkpoint)
    {
        w.WriteStartObject("checkpoint");
        if (checkpoint.Volume is { } volume)
        {
            w.WriteString("volume", volume);
        }
        if (checkpoint.EverySteps is { } steps)
        {
            w.WriteNumber("everySteps", steps);
        }
        if (checkpoint.Keep is { } keep)
        {
            w.WriteNumber("keep", keep);
        }
        if (checkpoint.BestBy is { } metric)
        {
            w.WriteString("bestBy", metric);
        }
        if (checkpoint.Best is { } way)
        {
            w.WriteString("best", way);
        }
        if (checkpoint.Glob is { } glob)
        {
            w.WriteString("glob", glob);
        }
        w.WriteEndObject();
    }
}
