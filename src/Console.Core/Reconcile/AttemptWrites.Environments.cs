using System.Globalization;
using DeepLab.Core.Feeds;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>About an environment's doors and its idleness.</summary>
public sealed partial class AttemptWrites
{
    /// <summary>Its doors are open: it runs, and its idle clock starts.</summary>
    /// <param name="limit">how long nobody may use it; zero = for ever</param>
    public Task ReadyAsync(LeaderTerm term, long attemptId, TimeSpan limit) =>
        ChangeAsync(
            term,
            attemptId,
            (db, w, a, now) =>
            {
                if (a is { State: AttemptState.Running, ReadyAt: null })
                {
                    a.ReadyAt = now;
                    SetActive(w, now, limit);
                    db.Tell(ChangeKind.Workload, w.Id);
                }
            }
        );

    /// <summary>Tells when it was used last, and does what follows: a warning, or its end.</summary>
    public Task ActivityAsync(LeaderTerm term, long attemptId, DateTimeOffset lastActive, TimeSpan limit) =>
        ChangeAsync(
            term,
            attemptId,
            (db, w, a, now) =>
            {
                if (w is not { State: WorkloadState.Running, Desired: DesiredState.Run } || a.Round != w.Round)
                {
                    return;
                }
                // A verb may have told of a later use meanwhile
                var last = w.LastActiveAt > lastActive ? w.LastActiveAt.Value : lastActive;
                if (last != w.LastActiveAt || w.CullAt != last + limit)
                {
                    SetActive(w, last, limit);
                    db.Tell(ChangeKind.Workload, w.Id);
                }
                var clock = new IdleClock(last, limit);
                var verdict = clock.At(now);
                if (verdict == IdleVerdict.Warn && !w.CullWarned)
                {
                    w.CullWarned = true;
                    db.AddEvent(
                        w,
                        now,
                        "console",
                        "idle-warning",
                        Reason.IdleCulled,
                        $"nobody used it for {Words(now - last)}; it is stopped at {Clock(clock.CullAt)} unless somebody does",
                        a
                    );
                }
                else if (verdict == IdleVerdict.Cull)
                {
                    w.Desired = DesiredState.Stop;
                    w.StopRequestedBy = Rollup.IdleActor;
                    w.StopRequestedAt = now;
                    db.AddEvent(
                        w,
                        now,
                        "console",
                        "stop-requested",
                        Reason.IdleCulled,
                        $"nobody used it for {Words(now - last)}; it may be idle for {Words(limit)}. Its home is kept: start it again at any time",
                        a
                    );
                    db.Tell(ChangeKind.Queue);
                }
            }
        );

    /// <summary>Gives up ports that something else on the host has, and leases others in their place.</summary>
    /// <param name="taken">null = any of them may be</param>
    /// <returns>false where the host has no others</returns>
    public async Task<bool> MovePortsAsync(LeaderTerm term, long attemptId, int? taken, PortBook book)
    {
        var moved = false;
        await ChangeAsync(
            term,
            attemptId,
            async (db, w, a, now, ct) =>
            {
                var held = await db
                    .Endpoints.Where(e => e.AttemptId == a.Id && e.ReleasedAt == null)
                    .OrderBy(e => e.Id)
                    .ToListAsync(ct);
                var bad = held.Exists(e => e.Port == taken) ? held.FindAll(e => e.Port == taken) : held;
                bad.ForEach(e => book.NoteForeign(e.HostId, e.Port));
                var found = await book.FindAsync(db, a.HostId, bad.Count, [], ct);
                moved = found.Count == bad.Count;
                if (!moved)
                {
                    return;
                }
                foreach (var (old, port) in bad.Zip(found))
                {
                    old.ReleasedAt = now;
                    db.Endpoints.Add(
                        new Endpoint
                        {
                            WorkloadId = old.WorkloadId,
                            AttemptId = old.AttemptId,
                            HostId = old.HostId,
                            Name = old.Name,
                            Kind = old.Kind,
                            ContainerPort = old.ContainerPort,
                            Address = old.Address,
                            Port = port,
                            LeasedAt = now,
                        }
                    );
                    db.AddEvent(
                        w,
                        now,
                        "console",
                        "port-taken",
                        Reason.PortTaken,
                        string.Create(
                            CultureInfo.InvariantCulture,
                            $"port {old.Port} of {w.HostName} is taken by something that is not ours; {old.Name} has port {port} instead"
                        ),
                        a
                    );
                }
            }
        );
        return moved;
    }

    private static void SetActive(Workload w, DateTimeOffset at, TimeSpan limit)
    {
        w.LastActiveAt = at;
        w.CullAt = limit > TimeSpan.Zero ? at + limit : null;
        w.CullWarned = false;
    }

    private static string Clock(DateTimeOffset at) =>
        at.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    private static string Words(TimeSpan time) =>
        time >= TimeSpan.FromHours(2) ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0.#} hours")
        : time >= TimeSpan.FromMinutes(2)
            ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0} minutes")
        : string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0} seconds");
}
