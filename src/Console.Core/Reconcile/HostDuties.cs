using System.Globalization;
using DeepLab.Core.Clusters;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// What the clock asks of hosts: a drain whose deadline is over requeues what still runs there, and a host that did not
/// answer for its whole grace has its attempts given up. Their GPUs stay leased until their containers are seen dead.
/// </summary>
public sealed class HostDuties(
    LeaderWrites writes,
    AttemptWrites attempts,
    TelemetryStarter telemetry,
    IDbContextFactory<ConsoleDb> databases,
    ConsoleOptions options,
    TimeProvider time
)
{
    /// <summary>Answers when the clock alone asks for the next look; null for never.</summary>
    /// <param name="looked">hosts that may be given work</param>
    /// <param name="leased">told of each attempt that takes the place of one that was lost</param>
    public async Task<DateTimeOffset?> RunAsync(
        LeaderTerm term,
        IReadOnlySet<Guid> looked,
        Action<LeasedAttempt> leased
    )
    {
        await using var db = await databases.CreateDbContextAsync(term.Ended);
        var hosts = await db
            .Hosts.AsNoTracking()
            .Where(h =>
                h.DrainDeadline != null || (h.UnreachableSince != null && h.LostAt == null) || h.Wish == HostWish.Fenced
            )
            .ToListAsync(term.Ended);
        var now = time.GetUtcNow();
        var next = new List<DateTimeOffset>();
        foreach (var host in hosts)
        {
            if (host is { Wish: HostWish.Draining, DrainDeadline: { } deadline })
            {
                if (deadline <= now)
                {
                    await DrainAsync(term, host);
                }
                else
                {
                    next.Add(deadline);
                }
            }
            if (host.Wish == HostWish.Fenced)
            {
                await FenceAsync(term, host, looked, leased);
            }
            else if (host is { UnreachableSince: { } since, LostAt: null })
            {
                if (since + options.HostGrace <= now)
                {
                    await GiveUpAsync(term, host, looked, leased);
                }
                else
                {
                    next.Add(since + options.HostGrace);
                }
            }
        }
        return next.Count == 0 ? null : next.Min();
    }

    private async Task DrainAsync(LeaderTerm term, Host host)
    {
        foreach (var id in (await LiveAsync(host.Id, term.Ended)).Select(a => a.WorkloadId).Distinct().Order())
        {
            await writes.RunAsync(
                term,
                async (db, ct) =>
                {
                    var w = await db.LockWorkloadAsync(id, ct);
                    if (w is { Desired: DesiredState.Run, State: WorkloadState.Starting or WorkloadState.Running })
                    {
                        Yields.Ask(
                            db,
                            w,
                            Reason.HostDrained,
                            $"{host.Name} is drained and its deadline is over",
                            time.GetUtcNow()
                        );
                    }
                    return 0;
                }
            );
        }
    }

    /// <summary>
    /// An operator said that the host is dead: what it may have run is lost, and what that held is free, unseen. The host
    /// takes no work before it was activated and checked, and by then nothing of it is left.
    /// </summary>
    private async Task FenceAsync(LeaderTerm term, Host host, IReadOnlySet<Guid> looked, Action<LeasedAttempt> leased)
    {
        var live = await LiveAsync(host.Id, term.Ended);
        await LoseAsync(term, host, live, $"was given up: {host.Name} was fenced", looked, leased);
        await using var db = await databases.CreateDbContextAsync(term.Ended);
        var left = await db
            .Attempts.AsNoTracking()
            .Where(a => a.HostId == host.Id && !a.ContainerRemoved)
            .OrderBy(a => a.Id)
            .ToListAsync(term.Ended);
        foreach (var attempt in left)
        {
            if (attempt is { MayHaveRun: true, LogArchived: false })
            {
                const string Why = "its host was fenced before its log was read to the end";
                await telemetry.CloseLogAsync(attempt.Id, Why, term.Ended);
                await attempts.ArchivedAsync(term, attempt.Id, Why);
            }
            await attempts.RemovedAsync(term, attempt.Id);
        }
    }

    private async Task GiveUpAsync(LeaderTerm term, Host host, IReadOnlySet<Guid> looked, Action<LeasedAttempt> leased)
    {
        var live = await LiveAsync(host.Id, term.Ended);
        var why = string.Create(
            CultureInfo.InvariantCulture,
            $"was given up: {host.Name} has not answered for {options.HostGrace:c}"
        );
        await LoseAsync(term, host, live, why, looked, leased);
        await writes.RunAsync(
            term,
            async (db, ct) =>
            {
                var row = await db.LockHostAsync(host.Id, ct);
                if (row is { UnreachableSince: not null, LostAt: null })
                {
                    row.LostAt = time.GetUtcNow();
                    if (live.Count > 0)
                    {
                        row.StateMessage +=
                            $"; {live.Count} {(live.Count == 1 ? "attempt was" : "attempts were")} given up";
                    }
                    db.Tell(ChangeKind.Host);
                    db.Tell(ChangeKind.Queue);
                }
                return 0;
            }
        );
    }

    private async Task LoseAsync(
        LeaderTerm term,
        Host host,
        IReadOnlyList<(long Id, long WorkloadId)> live,
        string why,
        IReadOnlySet<Guid> looked,
        Action<LeasedAttempt> leased
    )
    {
        foreach (var attempt in live)
        {
            var next = await attempts.EndedAsync(
                term,
                attempt.Id,
                AttemptState.Lost,
                (_, _) => (Reason.HostLost, why),
                // The last time it was seen alive: what failed after that, because of it, is not the cause
                endedAt: host.LastSeenAt ?? host.UnreachableSince,
                seenDead: false,
                looked: looked
            );
            if (next is { } elsewhere)
            {
                leased(elsewhere);
            }
        }
    }

    private async Task<IReadOnlyList<(long Id, long WorkloadId)>> LiveAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var rows = await db
            .Attempts.AsNoTracking()
            .Where(a =>
                a.HostId == hostId
                && !a.ContainerRemoved
                && (
                    a.State == AttemptState.Leased
                    || a.State == AttemptState.Creating
                    || a.State == AttemptState.Running
                )
            )
            .OrderBy(a => a.Id)
            .Select(a => new { a.Id, a.WorkloadId })
            .ToListAsync(ct);
        return [.. rows.Select(r => (r.Id, r.WorkloadId))];
    }
}
