using System.Globalization;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Lets a job that is to give way write its next checkpoint first, where one is about to come: then it is asked to end as ever.
/// </summary>
public sealed class Yields(LeaderWrites writes, IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    /// <summary>Nobody waits longer for another's checkpoint.</summary>
    public static TimeSpan Longest { get; } = TimeSpan.FromMinutes(2);

    /// <summary>Beyond when it is expected: it is written, and seen.</summary>
    private static readonly TimeSpan s_slack = TimeSpan.FromSeconds(10);

    /// <summary>Asks a job to take a place in the queue again, at once or after its next checkpoint. Again is fine.</summary>
    public static void Ask(ConsoleDb db, Workload w, Reason reason, string message, DateTimeOffset now)
    {
        // Who only wants to grow is told who else wants its place
        if (w.YieldBy is not null && (w.RequeueReason != Reason.Growing || reason == Reason.Growing))
        {
            return;
        }
        if (By(w, now) is not { } by)
        {
            Rollup.AskToRequeue(db, w, reason, message, now);
            return;
        }
        w.YieldBy = by;
        w.RequeueReason = reason;
        w.YieldMessage = message;
        db.AddEvent(
            w,
            now,
            "console",
            "yielding",
            Reason.WaitingForCheckpoint,
            string.Create(
                CultureInfo.InvariantCulture,
                $"{message}; it has until its next checkpoint, {Math.Ceiling((by - now).TotalSeconds)} s at most"
            )
        );
        db.Tell(ChangeKind.Queue);
    }

    /// <summary>Until when it is worth to wait; null where no checkpoint is about to come, by its own pace.</summary>
    internal static DateTimeOffset? By(Workload w, DateTimeOffset now)
    {
        if (
            w.State != WorkloadState.Running
            || w.CheckpointSeconds is not { } period
            || w.UnsavedSince is not { } since
            || w.CheckpointAt is not { } last
            // It was not in this round that it wrote one: it may be loading it
            || since != last
        )
        {
            return null;
        }
        var expected = last + TimeSpan.FromSeconds(period);
        if (expected - now > Longest || now - expected > s_slack + TimeSpan.FromSeconds(period))
        {
            return null;
        }
        var by = (expected > now ? expected : now) + TimeSpan.FromSeconds(period / 2) + s_slack;
        return by - now > Longest ? now + Longest : by;
    }

    /// <summary>
    /// A job that waits for its checkpoint has written one: it is asked to end by the next pass, or at once where it grows, which it
    /// does only so.
    /// </summary>
    internal static void Written(ConsoleDb db, Workload w, DateTimeOffset now)
    {
        if (w.YieldBy > now)
        {
            w.YieldBy = now;
            if (w is { RequeueReason: Reason.Growing, Desired: DesiredState.Run, State: WorkloadState.Running })
            {
                Rollup.AskToRequeue(db, w, w.RequeueReason, w.YieldMessage, now);
            }
            db.Tell(ChangeKind.Queue);
        }
    }

    /// <summary>Asks those whose time is over. Answers when the clock alone asks for the next look; null for never.</summary>
    public async Task<DateTimeOffset?> RunAsync(LeaderTerm term)
    {
        await using var db = await databases.CreateDbContextAsync(term.Ended);
        var yielding = await db
            .Workloads.AsNoTracking()
            .Where(w =>
                w.YieldBy != null
                && w.Desired == DesiredState.Run
                && (w.State == WorkloadState.Running || w.State == WorkloadState.Starting)
            )
            .Select(w => new { w.Id, w.YieldBy })
            .ToListAsync(term.Ended);
        foreach (var due in yielding.Where(w => w.YieldBy <= time.GetUtcNow()))
        {
            await writes.RunAsync(
                term,
                async (write, ct) =>
                {
                    var w = await write.LockWorkloadAsync(due.Id, ct);
                    var now = time.GetUtcNow();
                    if (
                        w is { Desired: DesiredState.Run, State: WorkloadState.Starting or WorkloadState.Running }
                        && w.YieldBy <= now
                    )
                    {
                        if (w.RequeueReason == Reason.Growing)
                        {
                            // Nobody else waits for its place: it loses no work for a larger one
                            w.YieldBy = null;
                            write.AddEvent(
                                w,
                                now,
                                "console",
                                "stays",
                                Reason.Growing,
                                "no checkpoint came in time: it goes on as it is"
                            );
                            return 0;
                        }
                        Rollup.AskToRequeue(write, w, w.RequeueReason, w.YieldMessage, now);
                    }
                    return 0;
                }
            );
        }
        var after = time.GetUtcNow();
        return yielding.Where(w => w.YieldBy > after).Min(w => w.YieldBy);
    }
}
