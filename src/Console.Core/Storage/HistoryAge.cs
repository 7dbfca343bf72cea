using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Storage;

/// <summary>Which jobs are too old for the history: what a page tells beforehand, and what is taken away then.</summary>
internal static class HistoryAge
{
    /// <summary>Ended before that time, and kept by no pin: neither of the job nor of a checkpoint of it that is there.</summary>
    public static IQueryable<Workload> Over(ConsoleDb db, DateTimeOffset before) =>
        db.Workloads.Where(w =>
            w.Kind == WorkloadKind.Job
            && w.EndedAt != null
            && w.EndedAt < before
            && (
                w.State == WorkloadState.Succeeded
                || w.State == WorkloadState.Failed
                || w.State == WorkloadState.Stopped
            )
            && w.DeletedAt == null
            && !w.Pinned
            && !db.Checkpoints.Any(c => c.WorkloadId == w.Id && c.Pinned && c.DeletedAt == null)
        );
}
