using DeepLab.Core.Workloads;

namespace DeepLab.Web.Wording;

/// <summary>Durations as people read them. `wwwroot/js/page.js` has the same rules for those that tick.</summary>
public static class Durations
{
    /// <summary>`42 s`, `4 m 12 s`, `3 h 05 m`, `2 d 4 h`; a negative one (clocks differ) is `0 s`.</summary>
    public static string Short(TimeSpan d) => DurationText.Short(d);

    /// <summary>`just now`, `42 s ago`, `in 3 h 05 m`.</summary>
    public static string Ago(DateTimeOffset at, DateTimeOffset now)
    {
        var d = now - at;
        return d.TotalSeconds switch
        {
            < -1 => $"in {Short(-d)}",
            < 2 => "just now",
            _ => $"{Short(d)} ago",
        };
    }

    /// <summary>Exact, for tooltips: `0:04:12.345`.</summary>
    public static string Exact(TimeSpan d) =>
        $"{(long)d.TotalHours}:{d.Minutes:00}:{d.Seconds:00}.{d.Milliseconds:000}";
}
