using DeepLab.Core.Placement;

namespace DeepLab.Core.Tests.Placement;

/// <summary>Days of a lab in milliseconds: plans whenever a job ends or comes, and lets each run as long as it runs.</summary>
internal sealed class Simulation(FleetSnapshot fleet)
{
    private readonly PriorityQueue<Action, DateTimeOffset> _later = new();
    private readonly Dictionary<long, (JobRequest Job, TimeSpan Runs)> _waiting = [];

    public FleetSnapshot Fleet { get; private set; } = fleet;
    public DateTimeOffset Now { get; private set; } = Fleets.Now;

    /// <summary>When each job started first.</summary>
    public Dictionary<long, DateTimeOffset> Started { get; } = [];
    public Dictionary<string, double> GpuSeconds { get; } = new(StringComparer.Ordinal);

    public void Submit(DateTimeOffset at, JobRequest job, TimeSpan runs) =>
        _later.Enqueue(() => _waiting.Add(job.Id, (job with { QueuedAt = at }, runs)), at);

    public void RunUntil(DateTimeOffset end)
    {
        while (_later.TryPeek(out _, out var at) && at <= end)
        {
            Now = at;
            while (_later.TryPeek(out var happens, out at) && at == Now)
            {
                _later.Dequeue();
                happens();
            }
            Pass();
        }
    }

    private void Pass()
    {
        JobRequest[] queue = [.. _waiting.Values.Select(w => w.Job)];
        var plan = Planner.Plan(Fleet, queue, Now);
        Fleet = Fleet.Apply(plan, queue, Now);
        foreach (var placement in plan.Placements)
        {
            _waiting.Remove(placement.JobId, out var started);
            Started.TryAdd(placement.JobId, Now);
            var (job, runs) = started;
            _later.Enqueue(
                () =>
                {
                    Fleet = Fleet.End(job.Id);
                    var used = job.Gpus * runs.TotalSeconds;
                    GpuSeconds[job.Team] = GpuSeconds.GetValueOrDefault(job.Team) + used;
                },
                Now + runs
            );
        }
    }
}
