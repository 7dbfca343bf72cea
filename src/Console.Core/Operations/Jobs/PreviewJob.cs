using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Placement;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>Answers what submitting would do now, and changes nothing.</summary>
public sealed class PreviewJob(IDbContextFactory<ConsoleDb> databases)
{
    public async Task<JobPreview> RunAsync(Actor actor, JobSpec spec, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var cluster = await db.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Name == spec.Cluster, ct);
        var errors = await SpecChecks.RunAsync(db, spec, cluster, ct);
        if (errors.Count > 0)
        {
            return new JobPreview(errors, null, [], []);
        }
        // It would be the youngest of its priority
        var request = new JobRequest(long.MaxValue, cluster!.Id, spec.Priority, spec.Roles[0]);
        var queue = await QueueReader.ReadAsync(db, ct);
        var plan = Planner.Plan(await FleetReader.ReadAsync(db, ct), [.. queue, request]);
        var placed = plan.Placements.FirstOrDefault(p => p.JobId == request.Id);
        return placed is not null
            ? new JobPreview([], placed.HostName, [.. placed.Gpus.SelectMany(g => g)], [])
            : new JobPreview([], null, [], [.. plan.Waiting.Single(w => w.JobId == request.Id).Waits]);
    }
}

/// <summary>Reads the queue as the planner sees it.</summary>
public static class QueueReader
{
    public static async Task<IReadOnlyList<JobRequest>> ReadAsync(ConsoleDb db, CancellationToken ct)
    {
        var rows = await db
            .Workloads.AsNoTracking()
            .Where(w => w.State == WorkloadState.Queued && w.Desired == DesiredState.Run)
            .Select(w => new
            {
                w.Id,
                w.ClusterId,
                w.Priority,
                w.SpecJson,
            })
            .ToListAsync(ct);
        return
        [
            .. rows.Select(r => new JobRequest(r.Id, r.ClusterId, r.Priority, StoredSpec.Read(r.SpecJson).Roles[0])),
        ];
    }
}

/// <summary>Specs in the database were valid when they were stored.</summary>
public static class StoredSpec
{
    /// <exception cref="InvalidOperationException">The stored text is not a spec: the database was edited by hand.</exception>
    public static JobSpec Read(string json)
    {
        var reading = SpecReader.ReadStored(json);
        return reading.Spec
            ?? throw new InvalidOperationException(
                "A stored spec does not read back: "
                    + string.Join(" ", reading.Errors.Select(e => $"{e.Path}: {e.Message}"))
            );
    }
}
