namespace DeepLab.Core.Placement;

/// <summary>
/// How many replicas elastic jobs get. Each counts with its least first, since all that wait have a claim on the rest; those that
/// start so get more, in the order of the queue, as long as nobody else loses a start by it.
/// </summary>
public static class Elastic
{
    /// <summary>Plans of the whole queue that one look may cost beyond the first; who comes after them starts with its least, and grows later.</summary>
    public const int MostPlans = 24;

    internal static QueuePlan Plan(FleetSnapshot fleet, JobRequest[] jobs, DateTimeOffset now)
    {
        JobRequest[] sized = [.. jobs.Select(j => j.AtLeast())];
        var plan = new Pass(fleet, sized, now).Run();
        var at = new Dictionary<long, int>();
        for (var i = 0; i < jobs.Length; i++)
        {
            at[jobs[i].Id] = i;
        }
        var left = MostPlans;
        foreach (var i in plan.Placements.Select(p => at[p.JobId]).Where(i => jobs[i].IsElastic).ToArray())
        {
            var (low, high) = (sized[i].Replicas, jobs[i].Replicas);
            // There is room for all of them more often than for any other number
            for (var count = high; low < high && left > 0; count = (low + high + 1) / 2)
            {
                left--;
                var smaller = sized[i];
                sized[i] = jobs[i].WithReplicas(count);
                var larger = new Pass(fleet, sized, now).Run();
                if (HarmsNobody(plan, larger))
                {
                    (plan, low) = (larger, count);
                }
                else
                {
                    (sized[i], high) = (smaller, count - 1);
                }
            }
        }
        return plan;
    }

    /// <summary>
    /// With how many replicas a job that runs would start now, if it gave up what it holds and came last to the queue; null where that
    /// is no more than it has.
    /// </summary>
    /// <param name="whole">the job, as it was submitted</param>
    /// <param name="has">its replicas now</param>
    public static int? RoomToGrow(
        FleetSnapshot fleet,
        IEnumerable<JobRequest> queue,
        JobRequest whole,
        int has,
        DateTimeOffset now
    ) =>
        Planner
            .Plan(
                Fit.Without(fleet, whole.Id),
                [.. queue.Where(j => j.Id != whole.Id), whole with { QueuedAt = now }],
                now
            )
            .Placements.FirstOrDefault(p => p.JobId == whole.Id)
            is { Borrowing: false, Replicas.Length: var room }
        && room > has
            ? room
            : null;

    /// <summary>Who started before starts still, as it did, and nobody is stopped who was not.</summary>
    private static bool HarmsNobody(QueuePlan before, QueuePlan after)
    {
        var starts = after.Placements.ToDictionary(p => p.JobId, p => p.Borrowing);
        return before.Placements.All(p => starts.TryGetValue(p.JobId, out var borrows) && borrows == p.Borrowing)
            && after.Preemptions.All(p => before.Preemptions.Any(b => b.JobId == p.JobId));
    }
}
