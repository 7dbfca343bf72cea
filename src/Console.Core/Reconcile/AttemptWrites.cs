using System.Globalization;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>An attempt with all that decides its next step.</summary>
public sealed record AttemptRead(Attempt Attempt, Workload Workload, JobSpec Spec, IReadOnlyList<string> Gpus)
{
    public bool StopWanted =>
        Workload.Desired != DesiredState.Run
        // Given up with its host: its job has a new round
        || Attempt.Round < Workload.Round
        || Workload.State is WorkloadState.Stopping or WorkloadState.Restarting
        || Workload.State.IsTerminal();

    public AttemptFacts Facts =>
        new(Attempt.State, StopWanted, Attempt.StopSentAt is not null, Attempt.LogArchived, Attempt.ContainerRemoved);
}

/// <summary>The loop's writes about one attempt. Each is one transaction: attempt, leases, workload, events.</summary>
public sealed partial class AttemptWrites(
    LeaderWrites writes,
    IDbContextFactory<ConsoleDb> databases,
    InstallationId installation,
    TimeProvider time
) : IDisposable
{
    // Replicas of one job wait for each other at its row, each with a connection in hand: a thousand that start at once must
    // leave some to everybody else
    private const int MostInFlight = 24;
    private readonly SemaphoreSlim _inFlight = new(MostInFlight);

    public void Dispose() => _inFlight.Dispose();

    public async Task<AttemptRead> ReadAsync(long attemptId, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var found = await db
            .Attempts.AsNoTracking()
            .Where(a => a.Id == attemptId)
            .Select(a => new
            {
                Attempt = a,
                Workload = db.Workloads.Single(w => w.Id == a.WorkloadId),
                Gpus = db
                    .Leases.Where(l => l.AttemptId == a.Id && l.ReleasedAt == null)
                    .OrderBy(l => l.Id)
                    .Select(l => l.GpuUuid)
                    .ToList(),
            })
            .SingleAsync(ct);
        return new AttemptRead(
            found.Attempt,
            found.Workload,
            Operations.Jobs.StoredSpec.ReadRound(found.Workload),
            found.Gpus
        );
    }

    /// <summary>Names of the replicas that run in the attempt's round.</summary>
    public async Task<IReadOnlyList<string>> RunningBesideAsync(Attempt a, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db
            .Attempts.Where(x => x.WorkloadId == a.WorkloadId && x.Round == a.Round && x.State == AttemptState.Running)
            .OrderBy(x => x.Id)
            .Select(x => x.ReplicaName)
            .ToListAsync(ct);
    }

    /// <summary>Says what is about to happen, in the workload's own words too.</summary>
    public Task CreatingAsync(
        LeaderTerm term,
        long attemptId,
        Reason reason,
        string message,
        bool asEvent,
        double? pull = null
    ) =>
        ChangeAsync(
            term,
            attemptId,
            (db, w, a, now) =>
            {
                if (a.State == AttemptState.Leased)
                {
                    a.MoveTo(AttemptState.Creating, reason, message);
                }
                else if (a.State == AttemptState.Creating)
                {
                    a.Reason = reason;
                    a.Message = message;
                }
                if (w.State == WorkloadState.Starting)
                {
                    w.Reason = reason;
                    w.Message = message;
                    w.PullFraction = pull;
                    db.Tell(ChangeKind.Workload, w.Id);
                }
                if (asEvent)
                {
                    db.AddEvent(
                        w,
                        now,
                        "console",
                        reason == Reason.PullingImage ? "pulling" : "creating",
                        reason,
                        message,
                        a
                    );
                }
            }
        );

    /// <summary>Keeps what an image that the spec names is to the job, unless another replica did; answers what is kept.</summary>
    public async Task<string> PinImageAsync(LeaderTerm term, long attemptId, JobSpec spec, string named, string image)
    {
        var kept = image;
        await ChangeAsync(
            term,
            attemptId,
            (db, w, a, now) =>
            {
                if (w.PinOf(spec, named) is { } before)
                {
                    kept = before;
                    return;
                }
                w.Pin(spec, named, image);
                var what = named == spec.Image ? "its image" : $"the image of {spec.RoleOf(a.ReplicaName).Name}";
                db.AddEvent(w, now, "console", "pinned", Reason.None, $"{what} is {image} from now on", a);
            }
        );
        return kept;
    }

    /// <param name="imageId">what its container was made from; null where the engine does not tell</param>
    public Task RunningAsync(
        LeaderTerm term,
        long attemptId,
        string containerId,
        DateTimeOffset startedAt,
        string? imageId
    ) =>
        ChangeAsync(
            term,
            attemptId,
            async (db, w, a, now, ct) =>
            {
                if (a.State is AttemptState.Leased or AttemptState.Creating)
                {
                    Started(db, w, a, containerId, imageId, startedAt, now);
                    w.ExpectedSeconds ??= await MedianSecondsAsync(db, w, ct);
                }
            }
        );

    /// <summary>How long the last twenty successes of this name and owner took; null where there is none.</summary>
    private static async Task<double?> MedianSecondsAsync(ConsoleDb db, Workload w, CancellationToken ct)
    {
        var took = await db
            .Workloads.AsNoTracking()
            .Where(x => x.OwnerId == w.OwnerId && x.Name == w.Name && x.State == WorkloadState.Succeeded)
            .OrderByDescending(x => x.Id)
            .Take(20)
            .Select(x => x.EndedAt - x.StartedAt)
            .ToListAsync(ct);
        var seconds = took.OfType<TimeSpan>().Select(t => t.TotalSeconds).Order().ToArray();
        return seconds.Length == 0 ? null : seconds[seconds.Length / 2];
    }

    private static void Started(
        ConsoleDb db,
        Workload w,
        Attempt a,
        string containerId,
        string? imageId,
        DateTimeOffset startedAt,
        DateTimeOffset now
    )
    {
        if (a.State == AttemptState.Leased)
        {
            a.MoveTo(AttemptState.Creating, Reason.CreatingContainer, "");
        }
        a.ContainerId = containerId;
        a.ImageId = imageId;
        a.StartedAt = startedAt;
        a.MoveTo(AttemptState.Running, Reason.StartedRunning, "runs");
        db.AddEvent(w, now, "console", "started", Reason.StartedRunning, $"{a.ReplicaName} started", a);
    }

    public Task StopIntentAsync(LeaderTerm term, long attemptId) =>
        ChangeAsync(
            term,
            attemptId,
            (db, w, a, now) =>
            {
                if (a.StopSentAt is null && !a.State.IsTerminal())
                {
                    a.StopSentAt = now;
                    db.AddEvent(
                        w,
                        now,
                        "console",
                        "stopping",
                        Reason.None,
                        $"{a.ReplicaName} is asked to end (SIGTERM)",
                        a
                    );
                }
            }
        );

    /// <summary>Records an end.</summary>
    /// <param name="seenDead">
    /// the caller has seen the container dead, or never made: its GPUs are released. False for one that is given up with
    /// its host: its GPUs stay leased until <see cref="RemovedAsync"/>.
    /// </param>
    /// <param name="looked">where its host is lost: hosts that may be given the replica instead, where it is started again alone</param>
    /// <returns>the attempt that takes its place, where the replica is started again alone</returns>
    public async Task<LeasedAttempt?> EndedAsync(
        LeaderTerm term,
        long attemptId,
        AttemptState state,
        Func<Workload, Attempt, (Reason Reason, string Message)> explain,
        string? containerId = null,
        int? exitCode = null,
        bool oomKilled = false,
        DateTimeOffset? startedAt = null,
        DateTimeOffset? endedAt = null,
        bool seenDead = true,
        string? imageId = null,
        IReadOnlySet<Guid>? looked = null
    )
    {
        Attempt? next = null;
        await ChangeAsync(
            term,
            attemptId,
            async (db, w, a, now, ct) =>
            {
                next = null;
                if (a.State.IsTerminal())
                {
                    return;
                }
                if (startedAt is { } began && a.State != AttemptState.Running)
                {
                    // It began and ended between two looks; its history tells both all the same
                    Started(db, w, a, containerId!, imageId, began, now);
                    var round = await db
                        .Attempts.Where(x => x.WorkloadId == w.Id && x.Round == w.Round)
                        .OrderBy(x => x.Id)
                        .ToListAsync(ct);
                    await RollUpAsync(db, w, round, now, ct);
                }
                var (reason, message) = explain(w, a);
                a.ContainerId ??= containerId;
                a.ExitCode = exitCode;
                a.OomKilled = oomKilled;
                a.EndedAt = endedAt ?? now;
                a.MoveTo(state, reason, message);
                db.AddEvent(w, now, "console", "exited", reason, $"{a.ReplicaName} {message}", a);
                if (seenDead)
                {
                    next = await StartAgainAsync(db, w, a, now, ct);
                    if (next is null)
                    {
                        await ReleaseAsync(db, w, a, now, ct);
                    }
                }
                else if (looked is not null)
                {
                    next = await StartElsewhereAsync(db, w, a, looked, now, ct);
                }
                db.Tell(ChangeKind.Queue);
            }
        );
        return next is null ? null : new LeasedAttempt(next.HostId, next.Id);
    }

    public Task ArchivedAsync(
        LeaderTerm term,
        long attemptId,
        string message,
        IReadOnlyList<LogFinding>? findings = null
    ) =>
        ChangeAsync(
            term,
            attemptId,
            (db, w, a, now) =>
            {
                if (!a.LogArchived)
                {
                    a.LogArchived = true;
                    a.Findings = [.. findings ?? []];
                    db.AddEvent(w, now, "console", "archived", Reason.None, message, a);
                    foreach (var finding in a.Findings)
                    {
                        db.AddEvent(
                            w,
                            now,
                            "console",
                            "finding",
                            a.Reason,
                            $"{a.ReplicaName}: {finding.Message}. {finding.Advice}",
                            a
                        );
                    }
                }
            }
        );

    /// <summary>Its container was seen gone; what it may still have held is free.</summary>
    public Task RemovedAsync(LeaderTerm term, long attemptId) =>
        ChangeAsync(
            term,
            attemptId,
            async (db, w, a, now, ct) =>
            {
                a.ContainerRemoved = true;
                if (w.HomeDiscarded)
                {
                    // Its home waited for this
                    db.Tell(ChangeKind.Queue);
                }
                await ReleaseAsync(db, w, a, now, ct);
            }
        );

    private static async Task ReleaseAsync(
        ConsoleDb db,
        Workload w,
        Attempt a,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        await db
            .Endpoints.Where(e => e.AttemptId == a.Id && e.ReleasedAt == null)
            .ExecuteUpdateAsync(s => s.SetProperty(e => e.ReleasedAt, now), ct);
        var leases = await db.Leases.Where(l => l.AttemptId == a.Id && l.ReleasedAt == null).ToListAsync(ct);
        if (leases.Count == 0)
        {
            return;
        }
        foreach (var lease in leases)
        {
            lease.ReleasedAt = now;
        }
        w.GpusHeld -= leases.Count;
        db.Tell(ChangeKind.Queue);
        var (used, halfLife) = (leases.Sum(l => (now - l.LeasedAt).TotalSeconds), Tenancy.Team.HalfLife.TotalSeconds);
        // The decay of Team.RecentAt, in one statement: ends of one team come many at once
        await db.Database.ExecuteSqlAsync(
            $"""
            update teams set recent_use_at = {now}, recent_gpu_seconds = {used}
              + recent_gpu_seconds * power(0.5, greatest(0, extract(epoch from {now} - recent_use_at)) / {halfLife})
            where id = {w.TeamId}
            """,
            ct
        );
    }

    public Task NoteAsync(LeaderTerm term, long attemptId, string kind, string message) =>
        ChangeAsync(term, attemptId, (db, w, a, now) => db.AddEvent(w, now, "console", kind, Reason.None, message, a));

    /// <summary>Tells of each note what the attempt's last event of its kind does not say already.</summary>
    public Task TellAsync(LeaderTerm term, long attemptId, IReadOnlyList<AttemptNote> notes) =>
        ChangeAsync(
            term,
            attemptId,
            async (db, w, a, now, ct) =>
            {
                foreach (var note in notes)
                {
                    var last = await db
                        .Events.Where(e =>
                            e.WorkloadId == w.Id
                            && e.Replica == a.ReplicaName
                            && e.Attempt == a.Number
                            && e.Kind == note.Kind
                        )
                        .OrderByDescending(e => e.Seq)
                        .Select(e => e.Message)
                        .FirstOrDefaultAsync(ct);
                    if (last is null ? note.IsNews : last != note.Message)
                    {
                        db.AddEvent(w, now, "console", note.Kind, Reason.None, note.Message, a);
                    }
                }
            }
        );

    private Task ChangeAsync(
        LeaderTerm term,
        long attemptId,
        Action<ConsoleDb, Workload, Attempt, DateTimeOffset> change
    ) =>
        ChangeAsync(
            term,
            attemptId,
            (db, w, a, now, _) =>
            {
                change(db, w, a, now);
                return Task.CompletedTask;
            }
        );

    private async Task ChangeAsync(
        LeaderTerm term,
        long attemptId,
        Func<ConsoleDb, Workload, Attempt, DateTimeOffset, CancellationToken, Task> change
    )
    {
        await _inFlight.WaitAsync(term.Ended);
        try
        {
            await ChangeNowAsync(term, attemptId, change);
        }
        finally
        {
            _inFlight.Release();
        }
    }

    private Task ChangeNowAsync(
        LeaderTerm term,
        long attemptId,
        Func<ConsoleDb, Workload, Attempt, DateTimeOffset, CancellationToken, Task> change
    ) =>
        writes.RunAsync(
            term,
            async (db, ct) =>
            {
                var workloadId = await db
                    .Attempts.Where(a => a.Id == attemptId)
                    .Select(a => a.WorkloadId)
                    .SingleAsync(ct);
                var w =
                    await db.LockWorkloadAsync(workloadId, ct)
                    ?? throw new InvalidOperationException(
                        string.Create(CultureInfo.InvariantCulture, $"Attempt {attemptId} has no workload.")
                    );
                var round = await db
                    .Attempts.Where(a => a.WorkloadId == workloadId && a.Round == w.Round)
                    .OrderBy(a => a.Id)
                    .ToListAsync(ct);
                var attempt =
                    round.SingleOrDefault(a => a.Id == attemptId)
                    ?? await db.Attempts.SingleAsync(a => a.Id == attemptId, ct);
                var now = time.GetUtcNow();
                await change(db, w, attempt, now, ct);
                // The change may have put another in place of one that ended
                round.AddRange(RoundOf(db, w).Except(round));
                await RollUpAsync(db, w, round, now, ct);
                return 0;
            }
        );

    private static async Task RollUpAsync(
        ConsoleDb db,
        Workload w,
        List<Attempt> round,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        var names = new Dictionary<Guid, string>();
        if (w.HostNames.Length > 1 && round.Any(a => a.State.IsTerminal()))
        {
            var ids = round.Select(a => a.HostId).Distinct().ToArray();
            names = await db.Hosts.Where(h => ids.Contains(h.Id)).ToDictionaryAsync(h => h.Id, h => h.Name, ct);
        }
        Rollup.Apply(db, w, round, Operations.Jobs.StoredSpec.ReadRound(w), names, now);
    }
}
