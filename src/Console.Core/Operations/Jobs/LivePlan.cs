using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Placement;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>The queue, the fleet, and the plan that follows from them at one moment.</summary>
public sealed record PlannedQueue(
    DateTimeOffset At,
    FleetSnapshot Fleet,
    IReadOnlyList<JobRequest> Queue,
    QueuePlan Plan
)
{
    private Dictionary<long, WaitingJob>? _byId;

    /// <summary>Everything that is queued, in order; what the next pass of the loop starts comes first.</summary>
    public IReadOnlyList<WaitingJob> Waiting { get; } = Rows(Plan, Queue, At);

    public WaitingJob? Find(long jobId) => (_byId ??= Waiting.ToDictionary(w => w.JobId)).GetValueOrDefault(jobId);

    private static IReadOnlyList<WaitingJob> Rows(QueuePlan plan, IReadOnlyList<JobRequest> queue, DateTimeOffset now)
    {
        var clusters = queue.ToDictionary(j => j.Id, j => j.ClusterId);
        var ahead = new Dictionary<Guid, int>();
        var rows = new List<WaitingJob>(queue.Count);
        foreach (var placed in plan.Placements)
        {
            var position = ahead[clusters[placed.JobId]] = ahead.GetValueOrDefault(clusters[placed.JobId]) + 1;
            var why = new WaitReason(
                WaitKind.PlannerBehind,
                $"there is room on {string.Join(", ", placed.HostNames)}: it starts with the next plan"
            );
            rows.Add(new WaitingJob(placed.JobId, position, [why], now));
        }
        rows.AddRange(
            plan.Waiting.Select(w => w with { Position = w.Position + ahead.GetValueOrDefault(clusters[w.JobId]) })
        );
        return rows;
    }
}

/// <summary>
/// The plan as it would be made now, for whoever looks: positions, estimates and previews come from the function that
/// the loop itself plans with, on any console, and cost no write. One is made at a time, and is good for a second, or
/// until the next workload comes.
/// </summary>
public sealed class LivePlan(IDbContextFactory<ConsoleDb> databases, QueueReader queue, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan s_goodFor = TimeSpan.FromSeconds(1);
    private readonly SemaphoreSlim _one = new(1);
    private volatile Made? _latest;

    /// <param name="Newest">id of the newest workload before the plan was made</param>
    private sealed record Made(long Newest, PlannedQueue Plan);

    /// <param name="mustKnow">a queued job that the answer must speak of: an older plan may have been made before it came back</param>
    public async Task<PlannedQueue> GetAsync(CancellationToken ct, long? mustKnow = null)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        // Whoever has submitted a job and looks must find it
        var newest = await db.Workloads.MaxAsync(w => (long?)w.Id, ct) ?? 0;
        if (Fresh(newest, mustKnow) is { } fresh)
        {
            return fresh;
        }
        await _one.WaitAsync(ct);
        try
        {
            if (Fresh(newest, mustKnow) is { } meanwhile)
            {
                return meanwhile;
            }
            var now = time.GetUtcNow();
            var waiting = await queue.ReadAsync(db, ct);
            var fleet = await FleetReader.ReadAsync(db, now, ct);
            var made = new PlannedQueue(now, fleet, waiting, Planner.Plan(fleet, waiting, now));
            _latest = new Made(newest, made);
            return made;
        }
        finally
        {
            _one.Release();
        }
    }

    private PlannedQueue? Fresh(long newest, long? mustKnow) =>
        _latest is { } l
        && l.Newest >= newest
        && time.GetUtcNow() - l.Plan.At < s_goodFor
        && (mustKnow is not { } id || l.Plan.Find(id) is not null)
            ? l.Plan
            : null;

    public void Dispose() => _one.Dispose();
}
