namespace DeepLab.Core.Workloads;

/// <summary>Durations as people read them.</summary>
public static class DurationText
{
    /// <summary>`42 s`, `4 m 12 s`, `3 h 05 m`, `2 d 4 h`; a negative one (clocks differ) is `0 s`.</summary>
    public static string Short(TimeSpan d)
    {
        var s = (long)Math.Max(0, d.TotalSeconds);
        return s switch
        {
            < 60 => $"{s} s",
            < 3600 => $"{s / 60} m {s % 60:00} s",
            < 86400 => $"{s / 3600} h {s / 60 % 60:00} m",
            _ => $"{s / 86400} d {s / 3600 % 24} h",
        };
    }
}
