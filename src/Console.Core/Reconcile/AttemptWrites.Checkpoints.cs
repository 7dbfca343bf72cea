using System.Globalization;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <param name="HostId">the host that the folder lies on; null = each of the volume's hosts has it</param>
/// <param name="IsWhole">what was not found is not there</param>
/// <param name="WritersGone">nobody writes any more: what has no mark of its end is as complete as it will be</param>
public sealed record CheckpointSight(
    Guid? HostId,
    IReadOnlyList<FoundCheckpoint> Found,
    bool IsWhole,
    bool WritersGone = false
);

/// <summary>The loop's writes about checkpoints.</summary>
public sealed partial class AttemptWrites
{
    /// <summary>A look at a file system within the same second shows a file that grows as one that does not.</summary>
    private static readonly TimeSpan s_stillFor = TimeSpan.FromSeconds(2);

    /// <summary>Rows of a job that tell of checkpoints which are gone: its history.</summary>
    private const int MostGone = 200;

    /// <summary>Gaps between checkpoints that its period is learned from.</summary>
    private const int GapsLearned = 5;

    /// <summary>Keeps what a look showed.</summary>
    public Task CheckpointsSeenAsync(LeaderTerm term, long attemptId, CheckpointSight sight) =>
        ChangeAsync(term, attemptId, (db, w, a, now, ct) => KeepAsync(db, w, a, sight, now, ct));

    /// <summary>Marks checkpoints as wanted away: <see cref="CheckpointRemovals"/> takes them away.</summary>
    /// <param name="place">as in <see cref="CheckpointSight"/></param>
    public Task CheckpointsUnwantedAsync(LeaderTerm term, long attemptId, Guid? place, IReadOnlyList<string> paths) =>
        ChangeAsync(
            term,
            attemptId,
            async (db, w, _, now, ct) =>
            {
                await db
                    .Checkpoints.Where(c =>
                        c.WorkloadId == w.Id
                        && c.HostId == place
                        && paths.Contains(c.Path)
                        && !c.Pinned
                        && c.DeleteRequestedAt == null
                        && c.DeletedAt == null
                    )
                    .ExecuteUpdateAsync(s => s.SetProperty(c => c.DeleteRequestedAt, now), ct);
                db.Tell(ChangeKind.Queue);
            }
        );

    /// <summary>
    /// Decides where an attempt goes on; all that begin a round go on from the same, one that was started again alone from its
    /// newest. What it chose is kept before its container is made.
    /// </summary>
    /// <param name="host">name, for people</param>
    public async Task<ResumeChoice?> ResumeAsync(LeaderTerm term, long attemptId, CheckpointSight sight, string host)
    {
        ResumeChoice? made = null;
        await ChangeAsync(
            term,
            attemptId,
            async (db, w, a, now, ct) =>
            {
                if (a.ResumeDecided || a.State.IsTerminal())
                {
                    return;
                }
                var known = await db
                    .Checkpoints.AsNoTracking()
                    .Where(c => c.WorkloadId == w.Id && c.Complete && c.DeletedAt == null)
                    .ToListAsync(ct);
                var rows = await KeepAsync(db, w, a, sight, now, ct);
                var past = await db
                    .Attempts.AsNoTracking()
                    .Where(x => x.WorkloadId == w.Id && x.Number <= a.Number && x.Id != a.Id)
                    .Select(x => new
                    {
                        x.Number,
                        IsOwn = x.ReplicaId == a.ReplicaId && x.Round == a.Round,
                        x.ResumeDecided,
                        x.ResumeFrom,
                        x.Reason,
                        x.ExitCode,
                    })
                    .ToListAsync(ct);
                var own = CheckpointLaunch.OwnPart(Operations.Jobs.StoredSpec.Read(w.SpecJson), a.ReplicaName);
                known.RemoveAll(c => !c.Path.StartsWith(own, StringComparison.Ordinal));
                var there = rows.Where(c =>
                        c.Complete && c.DeletedAt is null && c.Path.StartsWith(own, StringComparison.Ordinal)
                    )
                    .Select(c => new ResumeCandidate(c.Path, c.Step, c.WrittenAt, c.Attempt))
                    .ToList();
                var decided =
                    own.Length > 0 || past.Exists(x => x.IsOwn)
                        ? null
                        : past.FirstOrDefault(x => x.Number == a.Number && x.ResumeDecided);
                made = decided is null
                    ? ResumeChoice.Make(
                        there,
                        [.. past.Select(x => new PastAttempt(x.Number, x.ResumeFrom, x.Reason, x.ExitCode))]
                    )
                    : new ResumeChoice(there.Find(c => c.Path == decided.ResumeFrom), []);
                if (made.IsHopeless)
                {
                    return;
                }
                a.ResumeDecided = true;
                a.ResumeFrom = made.From?.Path;
                a.ResumeStep = made.From?.Step;
                if (Tell(a, made, known, host) is { } told)
                {
                    db.AddEvent(
                        w,
                        now,
                        "console",
                        made.From is null ? "resume-lost" : "resuming",
                        Reason.None,
                        told,
                        a
                    );
                }
            }
        );
        return made;
    }

    /// <summary>In words, with what it lost; null where there was nothing to go on from.</summary>
    private static string? Tell(Attempt a, ResumeChoice choice, List<Checkpoint> known, string host)
    {
        var newest = known.OrderBy(c => c.Step ?? -1).ThenBy(c => c.WrittenAt).LastOrDefault();
        var passed =
            choice.PassedOver.Count == 0
                ? ""
                : $"; {Named(choice.PassedOver[0].Path, choice.PassedOver[0].Step)} was given up: {ResumeChoice.MostTries} tries that began with it failed before they wrote another";
        if (choice.From is { } from)
        {
            var unreached =
                newest is not null && newest.Step > from.Step && choice.PassedOver.Count == 0
                    ? $"; {Named(newest.Path, newest.Step)}, which was seen before, is not on {host}"
                    : "";
            return $"{a.ReplicaName} resumes from {Named(from.Path, from.Step)} of attempt {from.WrittenIn.ToString(CultureInfo.InvariantCulture)}{passed}{unreached}";
        }
        return newest is null
            ? null
            : $"{a.ReplicaName} starts from the beginning: {Named(newest.Path, newest.Step)}, its newest checkpoint, does not reach {host}; name a volume that all hosts have, and a restart elsewhere finds it";
    }

    private static string Named(string path, long? step) =>
        step is { } s ? string.Create(CultureInfo.InvariantCulture, $"step {s} ({path})") : path;

    private static async Task<IReadOnlyList<Checkpoint>> KeepAsync(
        ConsoleDb db,
        Workload w,
        Attempt a,
        CheckpointSight sight,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        var rows = await db
            .Checkpoints.Where(c => c.WorkloadId == w.Id && c.HostId == sight.HostId && c.DeletedAt == null)
            .ToDictionaryAsync(c => c.Path, StringComparer.Ordinal, ct);
        var changed = false;
        foreach (var found in sight.Found)
        {
            changed |= Keep(db, w, a, sight, found, rows, now);
        }
        if (sight.IsWhole)
        {
            var there = sight.Found.Select(f => f.Path).ToHashSet(StringComparer.Ordinal);
            foreach (var gone in rows.Values.Where(c => !there.Contains(c.Path)))
            {
                gone.DeletedAt = now;
                changed = true;
            }
        }
        if (changed)
        {
            await LearnAsync(db, w, rows.Values, now, ct);
            db.Tell(ChangeKind.Workload, w.Id);
        }
        return [.. rows.Values];
    }

    /// <summary>Answers whether anything of it is new.</summary>
    private static bool Keep(
        ConsoleDb db,
        Workload w,
        Attempt a,
        CheckpointSight sight,
        FoundCheckpoint found,
        Dictionary<string, Checkpoint> rows,
        DateTimeOffset now
    )
    {
        var writtenAt = found.WrittenAt > now ? now : found.WrittenAt;
        var isNew = !rows.TryGetValue(found.Path, out var row);
        if (isNew || row!.Bytes != found.Bytes || row.Files != found.Files || row.WrittenAt < writtenAt)
        {
            if (isNew)
            {
                row = new Checkpoint
                {
                    WorkloadId = w.Id,
                    HostId = sight.HostId,
                    Path = found.Path,
                    Replica = a.ReplicaName,
                };
                db.Checkpoints.Add(row);
                rows[found.Path] = row;
            }
            row!.Layout = found.Layout;
            row.Step = found.Step;
            row.Bytes = found.Bytes;
            row.Files = found.Files;
            row.WrittenAt = writtenAt;
            row.ChangedAt = now;
            row.Replica = a.ReplicaName;
            // An attempt that only looks before it begins has written nothing
            row.Attempt =
                a.State == AttemptState.Running || a.StartedAt is not null ? a.Number : Math.Max(1, a.Number - 1);
            row.Complete =
                found.Seal == CheckpointSeal.Whole || (found.Seal == CheckpointSeal.None && sight.WritersGone);
            return true;
        }
        var complete =
            found.Seal == CheckpointSeal.Whole
            || (found.Seal == CheckpointSeal.None && (sight.WritersGone || now - row.ChangedAt >= s_stillFor));
        if (row.Complete == complete)
        {
            return false;
        }
        row.Complete = complete;
        return true;
    }

    private static async Task LearnAsync(
        ConsoleDb db,
        Workload w,
        IEnumerable<Checkpoint> there,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        var complete = there.Where(c => c.Complete && c.DeletedAt is null).ToList();
        complete.Sort(
            (x, y) => CheckpointLayouts.Compare((x.Step, x.WrittenAt, x.Path), (y.Step, y.WrittenAt, y.Path))
        );
        if (complete.LastOrDefault() is { } newest && (w.CheckpointAt is null || w.CheckpointAt <= newest.WrittenAt))
        {
            if (w.CheckpointAt != newest.WrittenAt)
            {
                Yields.Written(db, w, now);
            }
            w.CheckpointAt = newest.WrittenAt;
            w.CheckpointStep = newest.Step;
        }
        await db.SaveChangesAsync(ct);
        var written = await db
            .Checkpoints.AsNoTracking()
            .Where(c => c.WorkloadId == w.Id && c.Complete)
            .OrderByDescending(c => c.WrittenAt)
            .Select(c => new { c.Attempt, c.WrittenAt })
            .Take(GapsLearned + 1)
            .ToListAsync(ct);
        var gaps = written
            .Zip(written.Skip(1))
            .Where(p => p.First.Attempt == p.Second.Attempt)
            .Select(p => (p.First.WrittenAt - p.Second.WrittenAt).TotalSeconds)
            .Order()
            .ToArray();
        if (gaps.Length > 0)
        {
            // A file system's clock has whole seconds
            w.CheckpointSeconds = Math.Max(1, gaps[gaps.Length / 2]);
        }
        await db.Database.ExecuteSqlAsync(
            $"""
            delete from checkpoints where workload_id = {w.Id} and deleted_at is not null and id < (
              select id from checkpoints where workload_id = {w.Id} and deleted_at is not null
              order by id desc offset {MostGone} limit 1)
            """,
            ct
        );
    }
}
