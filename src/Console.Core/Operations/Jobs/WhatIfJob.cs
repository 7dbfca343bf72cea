using DeepLab.Core.Placement;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <param name="Field">path in the spec, such as `roles[0].resources.gpus`; null where no single change would do</param>
public sealed record StartChange(string? Field, string Sentence);

/// <summary>The smallest change of a waiting job that would start it now, found by running the plan again with it.</summary>
public sealed class WhatIfJob(IDbContextFactory<ConsoleDb> databases, LivePlan live)
{
    public async Task<Outcome<StartChange>> RunAsync(Actor actor, long id, CancellationToken ct)
    {
        await using (var db = await databases.CreateDbContextAsync(ct))
        {
            var state = await db
                .Workloads.VisibleTo(actor)
                .Where(w => w.Id == id)
                .Select(w => (WorkloadState?)w.State)
                .SingleOrDefaultAsync(ct);
            if (state is null)
            {
                return new Outcome<StartChange>.NotFound();
            }
            if (state != WorkloadState.Queued)
            {
                return new Outcome<StartChange>.Conflict(
                    $"Job {id} is {state}; only a queued job waits for something."
                );
            }
        }
        var seen = await live.GetAsync(ct, id);
        if (seen.Queue.FirstOrDefault(j => j.Id == id) is not { } job)
        {
            return new Outcome<StartChange>.Conflict($"Job {id} does not wait any more.");
        }
        var change = WhatIf.SmallestChange(seen.Fleet, seen.Queue, job, seen.At);
        return new Outcome<StartChange>.Done(
            change is null
                ? new StartChange(null, "no single change of the job would start it now: others have to end first")
                : new StartChange(change.Field, change.Sentence)
        );
    }
}
