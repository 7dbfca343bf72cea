namespace DeepLab.Core.Placement;

/// <summary>
/// The queue's pure plan; docs/scheduling.md says by which rules. The same fleet, queue and time give the same plan, in
/// whatever order hosts, running jobs and queue are given.
/// </summary>
public static class Planner
{
    public static QueuePlan Plan(FleetSnapshot fleet, IEnumerable<JobRequest> queue, DateTimeOffset now)
    {
        JobRequest[] jobs = [.. queue];
        return jobs.Length == 0 ? QueuePlan.Empty
            : Array.Exists(jobs, j => j.IsElastic) ? Elastic.Plan(fleet, jobs, now)
            : new Pass(fleet, jobs, now).Run();
    }
}
