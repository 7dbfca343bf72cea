using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Placement;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>Answers what submitting would do now, and changes nothing.</summary>
public sealed class PreviewJob(IDbContextFactory<ConsoleDb> databases, LivePlan live, TimeProvider time)
{
    public async Task<JobPreview> RunAsync(Actor actor, JobSpec spec, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var cluster = await db.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Name == spec.Cluster, ct);
        (var errors, var team, var pins, spec) = await SpecChecks.RunAsync(db, actor, spec, cluster, ct);
        if (errors.Count > 0)
        {
            return new JobPreview(errors, [], [], []);
        }
        var now = time.GetUtcNow();
        // It would be the youngest of its priority
        var request = await QueueReader.RequestAsync(
            db,
            long.MaxValue,
            spec,
            cluster!.Id,
            team!.Name,
            actor.UserId,
            now,
            pins,
            ct
        );
        var seen = await live.GetAsync(ct);
        var plan = Planner.Plan(seen.Fleet, [.. seen.Queue, request], now);
        var placed = plan.Placements.FirstOrDefault(p => p.JobId == request.Id);
        return placed is not null
            ? new JobPreview([], placed.HostNames, [.. placed.Replicas.SelectMany(r => r.Gpus)], [])
            {
                Replicas = placed.Replicas.Length,
                ReplicasAsked = request.Replicas,
            }
            : new JobPreview([], [], [], [.. plan.Waiting.Single(w => w.JobId == request.Id).Waits]);
    }
}
