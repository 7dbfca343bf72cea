using System.Globalization;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.History;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>Reads of jobs. Members find their own, admins all.</summary>
public sealed class JobQueries(
    IDbContextFactory<ConsoleDb> databases,
    LivePlan plan,
    ChangeFeed changes,
    TimeProvider time
)
{
    public async Task<Outcome<Page<JobRow>>> ListAsync(
        Actor actor,
        JobFilter filter,
        string? cursor,
        int limit,
        CancellationToken ct
    )
    {
        var search = SearchQuery.Read(filter.Query, time.GetUtcNow());
        if (search.Errors.Count > 0)
        {
            return new Outcome<Page<JobRow>>.Refused(search.Errors);
        }
        await using var db = await databases.CreateDbContextAsync(ct);
        return await WorkloadLists.PageAsync(
            Filter(db, actor, filter).Matching(db, search.Terms),
            cursor,
            limit,
            list => list.Select(JobRows.FromWorkload).ToListAsync(ct),
            row => row.Id
        );
    }

    /// <summary>A window of the list by position, for virtualized grids, and how many there are in all. A search that is none finds none.</summary>
    public async Task<(IReadOnlyList<JobRow> Rows, int Total)> WindowAsync(
        Actor actor,
        JobFilter filter,
        int skip,
        int take,
        CancellationToken ct
    )
    {
        var search = SearchQuery.Read(filter.Query, time.GetUtcNow());
        if (search.Errors.Count > 0)
        {
            return ([], 0);
        }
        await using var db = await databases.CreateDbContextAsync(ct);
        return await WorkloadLists.WindowAsync(
            Filter(db, actor, filter).Matching(db, search.Terms),
            skip,
            take,
            list => list.Select(JobRows.FromWorkload).ToListAsync(ct),
            ct
        );
    }

    /// <summary>Those of the jobs that the actor may see, newest first.</summary>
    public async Task<IReadOnlyList<JobRow>> FindRowsAsync(
        Actor actor,
        IReadOnlyCollection<long> ids,
        CancellationToken ct
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await Filter(db, actor, new JobFilter())
            .Where(w => ids.Contains(w.Id))
            .OrderByDescending(w => w.Id)
            .Select(JobRows.FromWorkload)
            .ToListAsync(ct);
    }

    /// <summary>Is there such a workload that the actor may see? For who needs nothing else of it.</summary>
    public async Task<bool> MaySeeAsync(Actor actor, long id, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db.Workloads.VisibleTo(actor).AnyAsync(w => w.Id == id, ct);
    }

    public async Task<JobDetail?> FindAsync(Actor actor, long id, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var w = await db.Workloads.AsNoTracking().VisibleTo(actor).SingleOrDefaultAsync(x => x.Id == id, ct);
        if (w is null)
        {
            return null;
        }
        var cluster = await db.Clusters.Where(c => c.Id == w.ClusterId).Select(c => c.Name).SingleAsync(ct);
        var spec = StoredSpec.TryRead(w.SpecJson, out _);
        var waiting = w.State == WorkloadState.Queued ? (await plan.GetAsync(ct, id)).Find(id) : null;
        return new JobDetail(
            JobRows.Compiled(w),
            cluster,
            spec?.Image ?? "",
            StoredSpec.Write(spec, w.SpecJson),
            w.Desired,
            w.Restarts,
            spec?.Restart.MaxRestarts ?? 0,
            // The loop writes the reasons a moment after the job came, or changed its place
            w.Waits.Count > 0
            || waiting is null
                ? w.Waits
                : waiting.Waits,
            waiting?.Position,
            waiting?.EstimatedStart,
            w.TeamName,
            w.Preemptible,
            w.Borrowing,
            w.Held,
            w.Interruptions,
            w.Preemptions,
            await ReplicaReader.ReadAsync(db, id, w.HostNetwork, ct)
        )
        {
            Datasets = spec?.Datasets ?? [],
            Final = spec?.Final == true,
            CheckpointStep = w.CheckpointStep,
            CheckpointSeconds = w.CheckpointSeconds,
            YieldBy = w.YieldBy,
            RoundReplicas = w.RoundReplicas,
            Growing = w.YieldBy is not null && w.RequeueReason == Reason.Growing,
            Notes = w.Notes,
            Origin = w.OriginId is { } origin ? new OriginView(origin, w.OriginExact) : null,
            PinnedImage = w.PinnedImage,
            PinnedRoleImages = w.PinnedRoleImages,
            RoleImages =
            [
                .. (spec?.Roles ?? []).Where(r => r.Image is not null).Select(r => new RoleImage(r.Name, r.Image!)),
            ],
        };
    }

    public async Task<IReadOnlyList<EventView>?> EventsAsync(
        Actor actor,
        long id,
        int afterSeq,
        int limit,
        CancellationToken ct
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        if (!await db.Workloads.VisibleTo(actor).AnyAsync(w => w.Id == id, ct))
        {
            return null;
        }
        return await db
            .Events.AsNoTracking()
            .Where(e => e.WorkloadId == id && e.Seq > afterSeq)
            .OrderBy(e => e.Seq)
            .Take(limit)
            .Select(e => new EventView(e.Seq, e.At, e.Actor, e.Kind, e.Reason, e.Message, e.Replica, e.Attempt))
            .ToListAsync(ct);
    }

    /// <summary>The queue in the order of the plan; positions count everyone's jobs, only the actor's own are shown.</summary>
    /// <param name="skip">rows of the actor to leave out, for the next page</param>
    public async Task<IReadOnlyList<QueueRow>> QueueAsync(Actor actor, int skip, int limit, CancellationToken ct)
    {
        var planned = await plan.GetAsync(ct);
        var owners = planned.Queue.ToDictionary(j => j.Id, j => j.OwnerId);
        var shown = planned
            .Waiting.Where(w => actor.IsAdmin || owners[w.JobId] == actor.UserId)
            .Skip(skip)
            .Take(limit)
            .ToArray();
        var ids = shown.Select(w => w.JobId).ToArray();
        await using var db = await databases.CreateDbContextAsync(ct);
        var rows = await db
            .Workloads.AsNoTracking()
            .Where(w => ids.Contains(w.Id) && w.State == WorkloadState.Queued && w.DeletedAt == null)
            .ToDictionaryAsync(w => w.Id, ct);
        return
        [
            .. shown
                .Where(w => rows.ContainsKey(w.JobId))
                .Select(w => QueueRow.Of(w, rows[w.JobId], JobRows.Compiled(rows[w.JobId]))),
        ];
    }

    /// <summary>How far first estimates of the last hundred starts were off, seconds: the median; null where there are none.</summary>
    public async Task<double?> EstimateErrorAsync(CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var errors = await db
            .Workloads.AsNoTracking()
            .Where(w => w.EstimateErrorSeconds != null)
            .OrderByDescending(w => w.Id)
            .Take(100)
            .Select(w => Math.Abs(w.EstimateErrorSeconds!.Value))
            .ToListAsync(ct);
        return errors.Count == 0 ? null : errors.Order().ElementAt(errors.Count / 2);
    }

    /// <summary>Returns when the job has ended or the timeout ran out; null where there is no such job.</summary>
    public async Task<JobDetail?> WaitForEndAsync(Actor actor, long id, TimeSpan timeout, CancellationToken ct)
    {
        using var subscription = changes.Subscribe(c => c == new Change(ChangeKind.Workload, id));
        var deadline = time.GetTimestamp();
        while (true)
        {
            var job = await FindAsync(actor, id, ct);
            var left = timeout - time.GetElapsedTime(deadline);
            if (job is null || job.Row.State.IsTerminal() || left <= TimeSpan.Zero)
            {
                return job;
            }
            await subscription.NextAsync(left, time, ct);
        }
    }

    /// <summary>
    /// The attempt a log or chart is about, without its ports: null names mean the first replica and its newest attempt.
    /// </summary>
    public async Task<AttemptView?> FindAttemptAsync(
        Actor actor,
        long id,
        string? replica,
        int? attempt,
        CancellationToken ct
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        if (!await db.Workloads.VisibleTo(actor).AnyAsync(w => w.Id == id, ct))
        {
            return null;
        }
        var replicas = await ReplicaReader.ReadAsync(db, id, withPorts: false, ct);
        var chosen = replica is null ? replicas.FirstOrDefault() : replicas.FirstOrDefault(r => r.Name == replica);
        return attempt is null
            ? chosen?.Attempts.LastOrDefault()
            : chosen?.Attempts.FirstOrDefault(a => a.Number == attempt);
    }

    internal static IQueryable<Workload> Filter(
        ConsoleDb db,
        Actor actor,
        JobFilter filter,
        WorkloadKind kind = WorkloadKind.Job
    )
    {
        var jobs = db.Workloads.AsNoTracking().VisibleTo(actor).Where(w => w.Kind == kind);
        if (filter.States.Count == 1)
        {
            // Not one of a list: then the index gives the newest first, and a long history is not walked
            var state = filter.States[0];
            jobs = jobs.Where(w => w.State == state);
        }
        else if (filter.States.Count > 0)
        {
            var states = filter.States.ToArray();
            jobs = jobs.Where(w => states.Contains(w.State));
        }
        if (filter.Owner is { Length: > 0 } owner)
        {
            jobs = jobs.Where(w => w.OwnerName == owner);
        }
        if (filter.Host is { Length: > 0 } host)
        {
            jobs = jobs.Where(w => w.HostName == host || w.HostNames.Contains(host));
        }
        if (filter.Search is { Length: > 0 } search)
        {
            var pattern = SearchFilter.Part(search);
            jobs = long.TryParse(search, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                ? jobs.Where(w => w.Id == number || EF.Functions.ILike(w.Name, pattern, "\\"))
                : jobs.Where(w => EF.Functions.ILike(w.Name, pattern, "\\"));
        }
        return jobs;
    }
}
