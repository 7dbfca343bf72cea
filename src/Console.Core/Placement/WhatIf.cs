using System.Collections.Immutable;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <param name="Field">path in the spec, such as `roles[0].resources.gpus`</param>
/// <param name="Sentence">what to change, from what to what</param>
/// <param name="Job">as it would start now</param>
public sealed record SpecChange(string Field, string Sentence, JobRequest Job);

/// <summary>What a waiting job could ask for instead, to start at once: each answer is a whole plan of the changed queue.</summary>
public static class WhatIf
{
    /// <summary>Plans that one question may cost.</summary>
    public const int MostPlans = 24;

    /// <summary>
    /// The smallest change by which it would start now; null where none of those tried does, or it starts as it is. What costs
    /// the job nothing is tried first, then what it may run on, then how much it gets.
    /// </summary>
    public static SpecChange? SmallestChange(
        FleetSnapshot fleet,
        IReadOnlyList<JobRequest> queue,
        JobRequest job,
        DateTimeOffset now
    )
    {
        JobRequest[] others = [.. queue.Where(j => j.Id != job.Id)];
        var plans = 0;
        bool Starts(JobRequest changed) =>
            plans++ < MostPlans
            && Planner.Plan(fleet, [.. others, changed], now).Placements.Any(p => p.JobId == job.Id);
        if (Starts(job))
        {
            return null;
        }
        return Choices(fleet, job).FirstOrDefault(c => Starts(c.Job))
            ?? Largest(Fewer(job, Gpus), Starts)
            ?? Largest(Fewer(job, Replicas), Starts);
    }

    private static IEnumerable<SpecChange> Choices(FleetSnapshot fleet, JobRequest job)
    {
        if (job.MaxDuration is null || job.MaxDuration > TimeSpan.FromHours(1))
        {
            var changed = job with { MaxDuration = TimeSpan.FromHours(1) };
            yield return new SpecChange("maxDuration", "starts now if it ends within an hour", changed);
        }
        if (!job.Preemptible)
        {
            var changed = job with { Preemptible = true };
            yield return new SpecChange("preemptible", "starts now if it may be stopped for others", changed);
        }
        if (job.Placement.HostLabels.Count > 0)
        {
            var anywhere = job.Placement with { HostLabels = PlacementSpec.NoLabels };
            yield return new SpecChange(
                "placement.hostLabels",
                $"starts now on a host without {Words.Labels(job.Placement)}",
                job with
                {
                    Placement = anywhere,
                }
            );
        }
        foreach (var change in AnyKind(job))
        {
            yield return change;
        }
        foreach (
            var cluster in fleet
                .Clusters.Where(c => c.Id != job.ClusterId)
                .OrderBy(c => c.Name, StringComparer.Ordinal)
                .Take(4)
        )
        {
            yield return new SpecChange(
                "cluster",
                $"starts now on cluster {cluster.Name}",
                job with
                {
                    ClusterId = cluster.Id,
                }
            );
        }
    }

    private static IEnumerable<SpecChange> AnyKind(JobRequest job)
    {
        for (var i = 0; i < Math.Min(4, job.Roles.Length); i++)
        {
            var asked = job.Roles[i].Resources;
            if (asked is { GpuModel: null, GpuMemory: null })
            {
                continue;
            }
            var field = asked.GpuModel is null ? "gpuMemory" : "gpuModel";
            yield return new SpecChange(
                $"roles[{i}].resources.{field}",
                $"starts now with any GPU, instead of one{Words.Kind(asked)}",
                With(job, i, job.Roles[i] with { Resources = asked with { GpuModel = null, GpuMemory = null } })
            );
        }
    }

    /// <summary>The same with less of something for its largest role, by how much is left of it: from 1 to one less than asked.</summary>
    private static SpecChange[] Fewer(JobRequest job, Func<JobRequest, int, int, SpecChange> change)
    {
        var role = Enumerable
            .Range(0, job.Roles.Length)
            .MaxBy(i => job.Roles[i].Replicas * (1 + job.Roles[i].Resources.Gpus));
        var most = change == Gpus ? job.Roles[role].Resources.Gpus : job.Roles[role].Replicas;
        return [.. Enumerable.Range(1, Math.Max(0, most - 1)).Select(n => change(job, role, n))];
    }

    private static SpecChange Gpus(JobRequest job, int role, int count)
    {
        var of = job.Roles[role];
        return new SpecChange(
            $"roles[{role}].resources.gpus",
            $"starts now with {Words.Count(count, "GPU")} for each replica, instead of {of.Resources.Gpus}",
            With(job, role, of with { Resources = of.Resources with { Gpus = count } })
        );
    }

    private static SpecChange Replicas(JobRequest job, int role, int count)
    {
        var of = job.Roles[role];
        return new SpecChange(
            $"roles[{role}].replicas",
            $"starts now with {Words.Count(count, "replica")}, instead of {of.Replicas}",
            With(job, role, of with { Replicas = count })
        );
    }

    private static JobRequest With(JobRequest job, int role, RoleSpec changed) =>
        job with
        {
            Roles = job.Roles.SetItem(role, changed),
        };

    /// <summary>The last that starts, of changes that ask for more and more.</summary>
    private static SpecChange? Largest(SpecChange[] changes, Func<JobRequest, bool> starts)
    {
        var (low, high) = (0, changes.Length);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (starts(changes[middle].Job))
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }
        return low == 0 ? null : changes[low - 1];
    }
}
