using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DeepLab.Core.Maintenance;

/// <summary>How long what is kept.</summary>
public static class KeepingTimes
{
    /// <summary>Samples of machines as they came; their roll-ups stay longer.</summary>
    public static TimeSpan RawSamples { get; } = TimeSpan.FromDays(2);

    /// <summary>Ten-second buckets.</summary>
    public static TimeSpan FineRollups { get; } = TimeSpan.FromDays(30);

    /// <summary>Five-minute buckets.</summary>
    public static TimeSpan CoarseRollups { get; } = TimeSpan.FromDays(400);

    public static TimeSpan IdempotencyKeys { get; } = TimeSpan.FromDays(1);

    /// <summary>A deleted job's logs, curves and rows.</summary>
    public static TimeSpan DeletedJobs { get; } = TimeSpan.FromDays(7);

    /// <summary>An uploaded archive that no kept job names.</summary>
    public static TimeSpan UnusedCode { get; } = TimeSpan.FromDays(30);

    public static TimeSpan EngineOutages { get; } = TimeSpan.FromDays(30);

    /// <summary>Pulls, builds and the like that are over, with their logs.</summary>
    public static TimeSpan ImageTasks { get; } = TimeSpan.FromDays(30);
}

/// <summary>Takes away what is older than its keeping time, a bounded piece at a time. Run by the schedule; safe to run twice at once.</summary>
public sealed partial class Retention(
    IDbContextFactory<ConsoleDb> databases,
    NpgsqlDataSource database,
    ConsoleOptions options,
    TimeProvider time,
    ILogger<Retention> logger
)
{
    private const int Piece = 5_000;

    public async Task RunAsync(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var samples =
            await DropBlocksAsync(0, now - KeepingTimes.RawSamples, ct)
            + await DropBlocksAsync(10, now - KeepingTimes.FineRollups, ct)
            + await DropBlocksAsync(300, now - KeepingTimes.CoarseRollups, ct);
        await using var db = await databases.CreateDbContextAsync(ct);
        var keysBefore = now - KeepingTimes.IdempotencyKeys;
        await db.IdempotencyKeys.Where(k => k.CreatedAt < keysBefore).ExecuteDeleteAsync(ct);
        var outagesBefore = now - KeepingTimes.EngineOutages;
        await db.EngineOutages.Where(o => o.To < outagesBefore).ExecuteDeleteAsync(ct);
        var tasksBefore = now - KeepingTimes.ImageTasks;
        await db.ImageTasks.Where(t => t.EndedAt < tasksBefore).ExecuteDeleteAsync(ct);
        var expired = await ExpireJobsAsync(db, now, ct);
        var jobs = await DropJobsAsync(db, now - KeepingTimes.DeletedJobs, ct);
        var archives = await DropCodeAsync(db, now - KeepingTimes.UnusedCode, ct);
        Log.Done(logger, samples, jobs, archives, expired);
    }

    /// <summary>Blocks of machine series only: a job's own curves (owner 1) stay as long as the job.</summary>
    private async Task<int> DropBlocksAsync(int resolution, DateTimeOffset before, CancellationToken ct)
    {
        var total = 0;
        int dropped;
        do
        {
            await using var command = database.CreateCommand(
                """
                delete from series_blocks where ctid = any(array(
                  select b.ctid from series_blocks b join series s on s.id = b.series_id
                  where b.resolution = $1 and b.last_unix_millis < $2 and s.owner <> 1 limit $3))
                """
            );
            command.Parameters.AddWithValue(resolution);
            command.Parameters.AddWithValue(before.ToUnixTimeMilliseconds());
            command.Parameters.AddWithValue(Piece);
            dropped = await command.ExecuteNonQueryAsync(ct);
            total += dropped;
        } while (dropped == Piece);
        return total;
    }

    /// <summary>
    /// Takes jobs that are too old out of the history, as a user would who deletes them: the loop then takes their checkpoint
    /// volumes away, and what is left of them goes with all that was deleted.
    /// </summary>
    private static async Task<int> ExpireJobsAsync(ConsoleDb db, DateTimeOffset now, CancellationToken ct)
    {
        if (await db.Installations.Select(i => i.HistoryDays).SingleOrDefaultAsync(ct) is not { } days)
        {
            return 0;
        }
        var (before, total) = (now.AddDays(-days), 0);
        while (true)
        {
            var ids = await HistoryAge
                .Over(db, before)
                .OrderBy(w => w.EndedAt)
                .Select(w => w.Id)
                .Take(ExpiredAtOnce)
                .ToArrayAsync(ct);
            // Looked at again under its row: it may have been pinned meanwhile
            var gone = await HistoryAge
                .Over(db, before)
                .Where(w => ids.Contains(w.Id))
                .ExecuteUpdateAsync(s => s.SetProperty(w => w.DeletedAt, now), ct);
            await db
                .Secrets.Where(s =>
                    ids.Contains(s.WorkloadId) && db.Workloads.Any(w => w.Id == s.WorkloadId && w.DeletedAt != null)
                )
                .ExecuteDeleteAsync(ct);
            total += gone;
            if (gone < ExpiredAtOnce)
            {
                break;
            }
        }
        if (total > 0)
        {
            db.AddAudit(now, "console", "history.expire", $"{total} jobs that ended more than {days} days ago");
            await db.SaveChangesAsync(ct);
        }
        return total;
    }

    private const int ExpiredAtOnce = 500;

    private static async Task<int> DropJobsAsync(ConsoleDb db, DateTimeOffset before, CancellationToken ct)
    {
        var ids = await db
            .Workloads.Where(w =>
                w.DeletedAt < before
                // Its row alone knows of its home, be it kept or about to go
                && w.HomeHostId == null
                && !db.Attempts.Any(a => a.WorkloadId == w.Id && !a.ContainerRemoved)
            )
            .OrderBy(w => w.Id)
            .Select(w => w.Id)
            .Take(Piece)
            .ToArrayAsync(ct);
        foreach (var id in ids)
        {
            // One statement a job: all of it goes, or none
            await db.Database.ExecuteSqlAsync(
                $"""
                with a as (delete from attempts where workload_id = {id} returning id),
                  l as (delete from log_blocks where attempt_id in (select id from attempts where workload_id = {id})),
                  c as (delete from log_cursors where attempt_id in (select id from attempts where workload_id = {id})),
                  f as (delete from event_file_cursors where attempt_id in (select id from attempts where workload_id = {id})),
                  s as (delete from series where (owner = 1 and owner_id = {id.ToString()})
                    or (owner = 0 and owner_id in (select id::text from attempts where workload_id = {id})) returning id),
                  b as (delete from series_blocks where series_id in (select id from series
                    where (owner = 1 and owner_id = {id.ToString()})
                    or (owner = 0 and owner_id in (select id::text from attempts where workload_id = {id})))),
                  p as (delete from endpoints where workload_id = {id}),
                  k as (delete from workload_secrets where workload_id = {id}),
                  t as (delete from workload_texts where workload_id = {id}),
                  m as (delete from run_media where workload_id = {id}),
                  o as (delete from run_receipts where workload_id = {id}),
                  n as (delete from run_metrics where workload_id = {id}),
                  q as (delete from checkpoints where workload_id = {id}),
                  g as (delete from leases where workload_id = {id}),
                  e as (delete from workload_events where workload_id = {id}),
                  r as (delete from replicas where workload_id = {id})
                delete from workloads where id = {id}
                """,
                ct
            );
        }
        return ids.Length;
    }

    private async Task<int> DropCodeAsync(ConsoleDb db, DateTimeOffset before, CancellationToken ct)
    {
        var digests = await db
            .Database.SqlQuery<string>(
                $"""
                delete from code_archives c where c.last_used_at < {before}
                  and not exists (select 1 from workloads w where w.spec_json ->> 'code' = c.digest)
                returning digest as "Value"
                """
            )
            .ToListAsync(ct);
        foreach (var digest in digests)
        {
            File.Delete(Path.Combine(options.DataFolder, "code", digest.Replace(':', '-')));
        }
        return digests.Count;
    }

    private static partial class Log
    {
        [LoggerMessage(
            LogLevel.Information,
            "Retention took {Blocks} blocks of samples, {Jobs} deleted jobs and {Archives} code archives away; {Expired} jobs grew too old for the history"
        )]
        public static partial void Done(ILogger logger, int blocks, int jobs, int archives, int expired);
    }
}
