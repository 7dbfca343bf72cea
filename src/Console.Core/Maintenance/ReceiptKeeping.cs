using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DeepLab.Core.Maintenance;

/// <summary>
/// Keeps the receipts and the best metrics of jobs that have ended, while their samples are there. Run by the schedule; safe to run
/// twice at once.
/// </summary>
public sealed partial class ReceiptKeeping(
    IDbContextFactory<ConsoleDb> databases,
    RunReceipts receipts,
    TimeProvider time,
    ILogger<ReceiptKeeping> logger
)
{
    private const int AtOnce = 100;

    /// <summary>The last samples and curves of a run are durable by then.</summary>
    private static readonly TimeSpan s_settled = TimeSpan.FromMinutes(1);

    /// <summary>Of what ended before, little is measured any more.</summary>
    private static readonly TimeSpan s_oldest = TimeSpan.FromDays(7);

    public async Task RunAsync(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var (from, to, last) = (now - s_oldest, now - s_settled, (At: DateTimeOffset.MinValue, Id: 0L));
        while (true)
        {
            await using var db = await databases.CreateDbContextAsync(ct);
            var ended = await db
                .Workloads.AsNoTracking()
                .Where(w =>
                    w.Kind == WorkloadKind.Job
                    && w.EndedAt != null
                    && w.EndedAt > from
                    && w.EndedAt < to
                    && w.DeletedAt == null
                    && !db.Receipts.Any(r => r.WorkloadId == w.Id)
                )
                .Where(w => w.EndedAt > last.At || (w.EndedAt == last.At && w.Id > last.Id))
                .OrderBy(w => w.EndedAt)
                .ThenBy(w => w.Id)
                .Take(AtOnce)
                .ToListAsync(ct);
            foreach (var w in ended)
            {
                last = (w.EndedAt!.Value, w.Id);
                await KeepAsync(db, w, now, ct);
            }
            if (ended.Count < AtOnce)
            {
                return;
            }
        }
    }

    private async Task KeepAsync(ConsoleDb db, Workload w, DateTimeOffset now, CancellationToken ct)
    {
        try
        {
            db.Receipts.Add(
                new RunReceipt
                {
                    WorkloadId = w.Id,
                    KeptAt = now,
                    Receipt = await receipts.MakeAsync(w, now, ct),
                }
            );
            db.RunMetrics.AddRange(await receipts.MetricsAsync(w.Id, ct));
            await db.SaveChangesAsync(ct);
        }
        catch (DbUpdateException e)
            when (e.InnerException is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation })
        {
            // Another console was first
        }
        catch (InvalidDataException e)
        {
            // Samples that are damaged stay so, and must not keep the receipts of all later jobs away
            Log.Damaged(logger, w.Id, e);
        }
        finally
        {
            db.ChangeTracker.Clear();
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The receipt of job {Job} could not be made")]
        public static partial void Damaged(ILogger logger, long job, Exception error);
    }
}
