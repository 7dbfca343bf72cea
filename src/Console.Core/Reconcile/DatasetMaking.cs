using System.Globalization;
using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Streams;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Turns what the jobs of datasets' versions wrote into manifests, once they have ended and their logs are whole. A version is written once: from
/// being made to ready or failed.
/// </summary>
public sealed partial class DatasetMaking(
    LeaderWrites writes,
    IDbContextFactory<ConsoleDb> databases,
    LogReader logs,
    ChangeFeed changes,
    TimeProvider time,
    ILogger<DatasetMaking> logger
)
{
    private static readonly TimeSpan s_longestWait = TimeSpan.FromMinutes(10);

    /// <summary>Lines beside those of files, and some.</summary>
    private const int MostLines = DatasetManifest.MostKept + 1000;

    public Task RunAsync(LeaderTerm term) =>
        new Sweeps(changes, time).RunAsync(
            term,
            [ChangeKind.Workload, ChangeKind.Queue],
            SweepAsync,
            why => Log.Later(logger, why)
        );

    private async Task SweepAsync(LeaderTerm term)
    {
        await using var db = await databases.CreateDbContextAsync(term.Ended);
        var making = await db
            .DatasetVersions.AsNoTracking()
            .Where(v => v.State == DatasetState.Making)
            .OrderBy(v => v.WorkloadId)
            .ToListAsync(term.Ended);
        foreach (var version in making)
        {
            var job = await db
                .Workloads.AsNoTracking()
                .SingleOrDefaultAsync(w => w.Id == version.WorkloadId, term.Ended);
            if (job is not null && !job.State.IsTerminal())
            {
                continue;
            }
            var attempt = await db
                .Attempts.AsNoTracking()
                .Where(a => a.WorkloadId == version.WorkloadId)
                .OrderByDescending(a => a.Number)
                .FirstOrDefaultAsync(term.Ended);
            if (attempt is { LogArchived: false } && time.GetUtcNow() - job?.EndedAt < s_longestWait)
            {
                // That it is whole is told by an event of the job; a host that went away tells nothing
                continue;
            }
            await EndAsync(term, version, job, attempt);
        }
    }

    private async Task EndAsync(LeaderTerm term, DatasetVersion version, Workload? job, Attempt? attempt)
    {
        var lines = attempt is null ? [] : await logs.ReadAsync(attempt.Id, 0, MostLines, term.Ended);
        string[] written = [.. lines.Where(l => !l.IsGap && l.Stream == LogStream.Stdout).Select(l => l.Text)];
        var made =
            job?.State == WorkloadState.Succeeded
                ? DatasetManifest.Read(written, out var trouble)
                : Nothing(out trouble);
        if (made is not null && version.Split is not null && made.Files > DatasetManifest.MostKept)
        {
            trouble = string.Create(
                CultureInfo.InvariantCulture,
                $"It has {made.Files:N0} files; at most {DatasetManifest.MostKept:N0} are split. Make it without a split, or of a folder of it."
            );
            made = null;
        }
        if (made is null && trouble.Length == 0)
        {
            trouble =
                written.FirstOrDefault(l => l.StartsWith(DatasetScript.Failed, StringComparison.Ordinal)) is { } told
                    ? told[DatasetScript.Failed.Length..]
                : job is null ? "Its job was deleted before its list was read."
                : $"Its job {(job.State == WorkloadState.Stopped ? "was stopped" : "failed")}: {job.Message}";
        }
        await writes.RunAsync(
            term,
            async (db, ct) =>
            {
                var row = await db.DatasetVersions.SingleOrDefaultAsync(
                    v =>
                        v.DatasetId == version.DatasetId
                        && v.Number == version.Number
                        && v.State == DatasetState.Making,
                    ct
                );
                // Deleted with its dataset meanwhile
                if (row is null)
                {
                    return false;
                }
                row.MadeAt = time.GetUtcNow();
                row.State = made is null ? DatasetState.Failed : DatasetState.Ready;
                row.Message = trouble;
                if (made is not null)
                {
                    row.Files = made.Files;
                    row.Bytes = made.Bytes;
                    row.Digest = made.Digest;
                    row.Manifest = made.Pack();
                    row.Parts = row.Split?.Count(made.Kept);
                }
                db.Tell(ChangeKind.Queue);
                return true;
            }
        );
    }

    private static DatasetManifest? Nothing(out string trouble)
    {
        trouble = "";
        return null;
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The list of a dataset is read later: {Error}")]
        public static partial void Later(ILogger logger, string error);
    }
}
