using DeepLab.Core.Operations;

namespace DeepLab.Web.Wording;

/// <summary>What a stop would lose.</summary>
public static class WorkAtRisk
{
    /// <summary>`37 m 05 s on 4 GPUs unsaved`; null where nothing is.</summary>
    public static string? Of(JobRow job, DateTimeOffset now) =>
        job.UnsavedSince is { } since ? $"{Durations.Short(now - since)}{On(job)} unsaved" : null;

    /// <summary>` on 4 GPUs`; empty where it holds none.</summary>
    public static string On(JobRow job) =>
        job.GpusHeld switch
        {
            0 => "",
            1 => " on 1 GPU",
            var gpus => $" on {gpus} GPUs",
        };

    /// <summary>Seconds of GPU time, of the clock where it holds none; 0 where nothing is unsaved.</summary>
    public static double Weight(JobRow job, DateTimeOffset now) =>
        job.UnsavedSince is { } since ? Math.Max(0, (now - since).TotalSeconds) * Math.Max(1, job.GpusHeld) : 0;

    /// <summary>`7 h 12 m of GPU time in 3 jobs, and 4 m 00 s in 1 job without GPUs`; null where nothing is.</summary>
    public static string? Sum(IEnumerable<JobRow> jobs, DateTimeOffset now)
    {
        var losing = jobs.Where(j => j.UnsavedSince is not null).ToLookup(j => j.GpusHeld > 0);
        string[] parts = [.. new[] { true, false }.Where(losing.Contains).Select(Part)];
        return parts.Length == 0 ? null : string.Join(", and ", parts);

        string Part(bool onGpus)
        {
            var count = losing[onGpus].Count();
            var time = TimeSpan.FromSeconds(losing[onGpus].Sum(j => Weight(j, now)));
            return $"{Durations.Short(time)}{(onGpus ? " of GPU time" : "")} in {count} {(count == 1 ? "job" : "jobs")}{(onGpus ? "" : " without GPUs")}";
        }
    }
}
