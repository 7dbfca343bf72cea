using DeepLab.Core.Operations;

namespace DeepLab.Web.Wording;

/// <summary>What a stop would lose.</summary>
public static class WorkAtRisk
{
    /// <summary>`37 m 05 s on 4 GPUs unsaved`; null where nothing is.</summary>
    public static string? Of(JobRow job, DateTimeOffset now) =>
        job.UnsavedSince is not { } since ? null
        : job.GpusHeld > 0
            ? $"{Durations.Short(now - since)} on {job.GpusHeld} {(job.GpusHeld == 1 ? "GPU" : "GPUs")} unsaved"
        : $"{Durations.Short(now - since)} unsaved";
}
