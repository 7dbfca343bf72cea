using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads.Receipts;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>Receipts of jobs: as it was kept at the end, else as it is now.</summary>
public sealed class JobReceipts(IDbContextFactory<ConsoleDb> databases, RunReceipts receipts, TimeProvider time)
{
    /// <summary>Null where there is no such job.</summary>
    public async Task<Receipt?> FindAsync(Actor actor, long id, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        if (
            await JobQueries.Filter(db, actor, new JobFilter()).SingleOrDefaultAsync(w => w.Id == id, ct) is not { } job
        )
        {
            return null;
        }
        var kept = await db.Receipts.AsNoTracking().SingleOrDefaultAsync(r => r.WorkloadId == id, ct);
        return kept?.Receipt ?? await receipts.MakeAsync(job, time.GetUtcNow(), ct);
    }
}
