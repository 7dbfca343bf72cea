namespace DeepLab.Core.Clusters;

/// <summary>What a short exchange between two hosts gave, over the network of a job that spans them.</summary>
/// <param name="MegabytesPerSecond">10^6 bytes, in the slower direction</param>
/// <param name="Milliseconds">of a byte there and back</param>
public readonly record struct PairFigures(double MegabytesPerSecond, double Milliseconds);

/// <summary>Two hosts of a cluster that a job spanned: the newest reading of the network between them, and some before it.</summary>
public sealed class HostPair
{
    /// <summary>Readings that what is typical is found from.</summary>
    public const int MostReadings = 16;

    /// <summary>How often a slow reading joins them: what lasts becomes typical, and not within a day.</summary>
    private static readonly TimeSpan s_slowJoins = TimeSpan.FromDays(1);

    /// <summary>The smaller of the two ids.</summary>
    public Guid FirstId { get; set; }
    public Guid SecondId { get; set; }
    public Guid ClusterId { get; set; }

    /// <summary>When the newest reading was taken; null where there is none.</summary>
    public DateTimeOffset? MeasuredAt { get; set; }
    public double MegabytesPerSecond { get; set; }
    public double Milliseconds { get; set; }

    /// <summary>Megabytes per second, the newest last.</summary>
    public double[] Speeds { get; set; } = [];

    /// <summary>Milliseconds, of the same readings.</summary>
    public double[] Delays { get; set; } = [];

    /// <summary>When the last of them was taken.</summary>
    public DateTimeOffset? JoinedAt { get; set; }

    /// <summary>Why the newest reading is a slow one, as a sentence without its subject; empty where it is none.</summary>
    public string Slow { get; set; } = "";

    /// <summary>When somebody tried last.</summary>
    public DateTimeOffset TriedAt { get; set; }

    /// <summary>Why the last try gave nothing; empty where it did.</summary>
    public string Unmeasured { get; set; } = "";

    public PairFigures? Newest => MeasuredAt is null ? null : new PairFigures(MegabytesPerSecond, Milliseconds);

    /// <summary>Null where there are no readings.</summary>
    public PairFigures? Typical =>
        Speeds.Length == 0 ? null : new PairFigures(PairRule.Median(Speeds), PairRule.Median(Delays));

    public static (Guid First, Guid Second) Order(Guid a, Guid b) => a.CompareTo(b) < 0 ? (a, b) : (b, a);

    /// <param name="others">newest readings of the cluster's other pairs</param>
    public void Note(PairFigures reading, IReadOnlyCollection<PairFigures> others, DateTimeOffset now)
    {
        Slow = PairRule.WhySlow(reading, [.. Speeds.Zip(Delays, (s, d) => new PairFigures(s, d))], others) ?? "";
        (MeasuredAt, MegabytesPerSecond, Milliseconds) = (now, reading.MegabytesPerSecond, reading.Milliseconds);
        (TriedAt, Unmeasured) = (now, "");
        if (Slow.Length == 0 || JoinedAt is null || now - JoinedAt >= s_slowJoins)
        {
            Speeds = [.. Speeds.TakeLast(MostReadings - 1), reading.MegabytesPerSecond];
            Delays = [.. Delays.TakeLast(MostReadings - 1), reading.Milliseconds];
            JoinedAt = now;
        }
    }

    /// <summary>What was known stands.</summary>
    public void NoteFailure(string why, DateTimeOffset now) => (TriedAt, Unmeasured) = (now, why);
}
