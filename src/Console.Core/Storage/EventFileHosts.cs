using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Storage;

/// <summary>Which hosts have event files of a job, on a volume of its own.</summary>
internal static class EventFileHosts
{
    /// <summary>They stay as long after the job's end, or until it is deleted.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(30);

    /// <summary>The cursor of an attempt that had none to read.</summary>
    private const string NoFiles = "{\"files\":{}";

    /// <summary>Attempts that were seen to write event files.</summary>
    public static IQueryable<Attempt> Writing(ConsoleDb db) =>
        db.Attempts.Where(a => db.Set<EventCursorRow>().Any(c => c.AttemptId == a.Id && !c.Cursor.StartsWith(NoFiles)));

    /// <summary>Ids of the hosts; none, and a sentence that says why, where there is nothing to look at.</summary>
    public static async Task<(IReadOnlyList<Guid> Hosts, string? Why)> OfAsync(
        ConsoleDb db,
        Workload job,
        JobSpec spec,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        if (!spec.KeepsEventFiles)
        {
            return (
                [],
                $"The event files of job {job.Id} end with its containers: it brings no code, no script and no checkpoints of its own. \"tensorboard\": true in a job's spec keeps them."
            );
        }
        if (job.EndedAt + Kept < now)
        {
            return ([], $"The event files of job {job.Id} were kept for {Kept.TotalDays:0} days after its end.");
        }
        var wrote = await Writing(db)
            .Where(a => a.WorkloadId == job.Id)
            .Select(a => a.HostId)
            .Distinct()
            .ToListAsync(ct);
        if (wrote.Count > 0)
        {
            return (wrote, null);
        }
        if (job.State.IsTerminal())
        {
            return ([], $"Job {job.Id} wrote no event files below DEEPLAB_LOG_DIR.");
        }
        var live = await db
            .Attempts.Where(a => a.WorkloadId == job.Id && !a.ContainerRemoved)
            .Select(a => a.HostId)
            .Distinct()
            .ToListAsync(ct);
        return live.Count > 0
            ? (live, null)
            : ([], $"Job {job.Id} has not started yet; its event files can be looked at once it has.");
    }
}
