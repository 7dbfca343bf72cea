using System.Collections.Immutable;
using DeepLab.Core.Feeds;
using DeepLab.Core.Placement;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>Writes why jobs wait. Only reasons that changed are written: a long queue at rest costs no write.</summary>
public sealed class WaitWrites(LeaderWrites writes, IDbContextFactory<ConsoleDb> databases)
{
    private const int RowsPerCommit = 200;

    /// <summary>
    /// What this process wrote last, so that an unchanged queue is not even read. Another leader may have written since;
    /// its reasons came from the same plan of the same rows, and the next change of ours rewrites them.
    /// </summary>
    private Dictionary<long, ImmutableArray<WaitReason>> _written = [];
    private long _epoch;

    public async Task WriteAsync(LeaderTerm term, QueuePlan plan)
    {
        if (_epoch != term.Epoch)
        {
            (_epoch, _written) = (term.Epoch, await StoredAsync(term));
        }
        var waiting = plan.Waiting.ToDictionary(x => x.JobId);
        var stale = plan
            .Waiting.Where(x => !_written.TryGetValue(x.JobId, out var before) || !Same(before, x.Waits))
            .Select(x => x.JobId);
        foreach (var chunk in stale.Order().Chunk(RowsPerCommit))
        {
            await writes.RunAsync(
                term,
                async (db, ct) =>
                {
                    var rows = await db
                        .Workloads.FromSql($"select * from workloads where id = any({chunk}) order by id for update")
                        .ToListAsync(ct);
                    foreach (var w in rows.Where(w => w.State == WorkloadState.Queued))
                    {
                        var why = waiting[w.Id];
                        w.Waits = [.. why.Waits];
                        w.Reason = ReasonOf(why.Waits);
                        w.Message = why.Waits.IsEmpty ? "waits for the next plan" : why.Waits[0].Message;
                        w.EstimatedStart = why.EstimatedStart;
                        w.FirstEstimate ??= why.EstimatedStart;
                        db.Tell(ChangeKind.Workload, w.Id);
                    }
                    return 0;
                }
            );
        }
        _written = plan.Waiting.ToDictionary(x => x.JobId, x => x.Waits);
    }

    private async Task<Dictionary<long, ImmutableArray<WaitReason>>> StoredAsync(LeaderTerm term)
    {
        await using var db = await databases.CreateDbContextAsync(term.Ended);
        var stored = await db
            .Workloads.AsNoTracking()
            .Where(w => w.State == WorkloadState.Queued)
            .Select(w => new { w.Id, w.Waits })
            .ToListAsync(term.Ended);
        return stored.ToDictionary(s => s.Id, s => s.Waits.ToImmutableArray());
    }

    private static Reason ReasonOf(ImmutableArray<WaitReason> waits) =>
        waits.FirstOrDefault()?.Kind switch
        {
            WaitKind.Held => Reason.HeldByAdmin,
            WaitKind.WaitingForPreemption => Reason.WaitingForPreemption,
            _ => Reason.WaitingForResources,
        };

    private static bool Same(ImmutableArray<WaitReason> a, ImmutableArray<WaitReason> b) =>
        a == b || a.Select(x => (x.Kind, x.Message)).SequenceEqual(b.Select(x => (x.Kind, x.Message)));
}
