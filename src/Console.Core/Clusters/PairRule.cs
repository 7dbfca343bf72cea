using System.Globalization;

namespace DeepLab.Core.Clusters;

/// <summary>When two hosts are measured again, and when the network between them is slow. Pure.</summary>
public static class PairRule
{
    /// <summary>How long a reading is good for: jobs that come meanwhile do not wait for another.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromHours(6);

    /// <summary>The same, of a slow one or of none.</summary>
    public static readonly TimeSpan AgainAfter = TimeSpan.FromMinutes(10);

    /// <summary>Other pairs' readings count for so long.</summary>
    public static readonly TimeSpan OthersWithin = TimeSpan.FromDays(7);

    /// <summary>Earlier readings of a pair that say what is typical of it.</summary>
    public const int LeastEarlier = 3;

    /// <summary>Other pairs that say what is typical of the cluster.</summary>
    public const int LeastOthers = 2;

    /// <summary>Of what is typical, below which it is slow.</summary>
    private const double Share = 0.5;

    /// <summary>Times the typical delay, above which it is slow; where that is by <see cref="LeastDelay"/> at least.</summary>
    private const double DelayTimes = 4;

    /// <summary>Milliseconds: a busy machine answers late as well.</summary>
    private const double LeastDelay = 5;

    /// <summary>Megabytes per second: less is slow whatever others do, as where large packets get lost.</summary>
    private const double Floor = 1;

    public static bool IsDue(HostPair? pair, DateTimeOffset now) =>
        pair is null || now - pair.TriedAt >= (pair.Slow.Length > 0 || pair.Unmeasured.Length > 0 ? AgainAfter : Fresh);

    /// <summary>As a sentence without its subject; null where it is not slow.</summary>
    /// <param name="earlier">readings of this pair</param>
    /// <param name="others">newest readings of the cluster's other pairs</param>
    public static string? WhySlow(
        PairFigures reading,
        IReadOnlyCollection<PairFigures> earlier,
        IReadOnlyCollection<PairFigures> others
    ) =>
        Against(reading, others, LeastOthers, "the cluster's other pairs")
        ?? Against(reading, earlier, LeastEarlier, "this pair")
        ?? (reading.MegabytesPerSecond < Floor ? $"carries {Speed(reading)}, next to nothing" : null);

    /// <summary>`118 MB/s`</summary>
    public static string Speed(PairFigures of) => $"{Number(of.MegabytesPerSecond)} MB/s";

    /// <summary>`0.21 ms`</summary>
    public static string Delay(PairFigures of) => $"{Number(of.Milliseconds)} ms";

    /// <param name="values">at least one</param>
    internal static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static string? Against(PairFigures reading, IReadOnlyCollection<PairFigures> known, int least, string whose)
    {
        if (known.Count < least)
        {
            return null;
        }
        var typical = new PairFigures(
            Median(known.Select(k => k.MegabytesPerSecond)),
            Median(known.Select(k => k.Milliseconds))
        );
        if (reading.MegabytesPerSecond < Share * typical.MegabytesPerSecond)
        {
            return $"carries {Speed(reading)}, less than half of the {Speed(typical)} that are typical of {whose}";
        }
        return
            reading.Milliseconds > DelayTimes * typical.Milliseconds
            && reading.Milliseconds - typical.Milliseconds >= LeastDelay
            ? $"answers in {Delay(reading)}, where {Delay(typical)} are typical of {whose}"
            : null;
    }

    private static string Number(double value) =>
        value.ToString(
            value switch
            {
                >= 100 => "0",
                >= 10 => "0.#",
                _ => "0.##",
            },
            CultureInfo.InvariantCulture
        );
}
