using System.Collections.Immutable;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>
/// Says why a job waits, from the fleet as the plan leaves it: the next pass finds the same and says the same. What is alike
/// for all jobs of a shape is said once and shared.
/// </summary>
internal sealed class Explain(
    HostTable hosts,
    Quotas quotas,
    Reservations reservations,
    List<(int Host, Asker Asker, Room Taken)> given
)
{
    private static readonly ImmutableArray<WaitReason> s_held = [new WaitReason(WaitKind.Held, "an admin holds it")];
    private readonly Shortfalls _shortfalls = new(hosts, given);
    private readonly Dictionary<Shape, ImmutableArray<WaitReason>> _byShape = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<(Shape, int Team, int User, bool), ImmutableArray<WaitReason>> _byQuota = [];

    public ImmutableArray<WaitReason> Why(Wait wait) =>
        wait.Asker.Job.ImageHosts is { } having
        && wait.Cause is not (Cause.Held or Cause.Unreadable or Cause.Pausing or Cause.Quota)
            ? [Elsewhere(having), .. Because(wait)]
            : Because(wait);

    private static WaitReason Elsewhere(ImmutableArray<string> having)
    {
        var names = string.Join(", ", having);
        return having.IsEmpty
            ? new WaitReason(WaitKind.ImageElsewhere, "no host has its image, and no registry")
            : new WaitReason(
                WaitKind.ImageElsewhere,
                $"its image is only on {(having.Length == 1 ? "host" : "hosts")} {names}: it starts nowhere else until the image is copied",
                Host: names
            );
    }

    private ImmutableArray<WaitReason> Because(Wait wait) =>
        wait.Cause switch
        {
            Cause.Held => s_held,
            Cause.Unreadable => [new WaitReason(WaitKind.SpecUnreadable, wait.Asker.Job.Unreadable!)],
            Cause.Pausing => [Pausing(wait.Asker.Job.NotBefore!.Value)],
            Cause.Quota => ByQuota(wait.Asker),
            Cause.NothingToBorrow => ByQuota(wait.Asker).AddRange(ByRoom(wait.Asker.Shape)),
            Cause.Reserved => ByReservation(wait),
            _ => ByRoom(wait.Asker.Shape),
        };

    private static WaitReason Pausing(DateTimeOffset until) =>
        new(
            WaitKind.Pausing,
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"its last round ended just now: the next is not before {until.UtcDateTime:HH:mm:ss} UTC"
            )
        );

    /// <summary>What a job is told that has to give way.</summary>
    public static string ToVictim(JobRequest job, RunningJob victim) =>
        victim.Preemptible && victim.Priority < job.Priority
            ? $"gives way to job {job.Id} of priority {job.Priority}; its own is {victim.Priority}"
            : $"gives back what it borrowed: job {job.Id} of team {job.Team} is within its quota";

    private ImmutableArray<WaitReason> ByQuota(Asker asker)
    {
        var key = (asker.Shape, asker.Team, asker.User, asker.Job.Preemptible);
        if (!_byQuota.TryGetValue(key, out var reasons))
        {
            _byQuota[key] = reasons = quotas.Explain(asker);
        }
        return reasons;
    }

    private ImmutableArray<WaitReason> ByReservation(Wait wait)
    {
        var spots = wait.Shadow!.Spots;
        var shape = wait.Asker.Shape;
        var missing = shape.OneHost ? _shortfalls.On(shape, spots[0].Host) : _shortfalls.Over(shape);
        if (wait.Victims is { } victims)
        {
            var stops = string.Join(" and ", victims.Select(Victim));
            return
            [
                new WaitReason(WaitKind.WaitingForPreemption, $"stops {stops} for it", HeldBy: Ids(victims)),
                .. missing,
            ];
        }
        if (wait.AfterEnding)
        {
            var where = string.Join(", ", spots.Select(s => hosts.Slots[s.Host].Name).Order(StringComparer.Ordinal));
            var why = $"waits for jobs on {where} that were told to end";
            return [new WaitReason(WaitKind.WaitingForPreemption, why, Host: where), .. missing];
        }
        return Room(shape, wait.Asker.Job.Id);
    }

    private static long[] Ids(IReadOnlyList<RunningJob> victims) =>
        [.. victims.Select(v => v.Id).Take(Shortfalls.MostHolders)];

    private static string Victim(RunningJob job)
    {
        var gpus = job.Gpus == 0 ? "" : $" on {Words.Count(job.Gpus, "GPU")}";
        return $"job {job.Id} (priority {job.Priority}, {(int)job.Unsaved.TotalMinutes} min unsaved{gpus})";
    }

    private ImmutableArray<WaitReason> ByRoom(Shape shape)
    {
        if (!_byShape.TryGetValue(shape, out var reasons))
        {
            _byShape[shape] = reasons = shape.Cluster < 0 ? [] : Room(shape, null);
            if (reasons.IsEmpty)
            {
                _byShape[shape] = reasons = [new WaitReason(WaitKind.NoHostReady, "its cluster has no host")];
            }
        }
        return reasons;
    }

    /// <param name="own">the job, if hosts are reserved for itself</param>
    private ImmutableArray<WaitReason> Room(Shape shape, long? own)
    {
        var all = hosts.HostsOf[shape.Cluster];
        if (all.Length == 0)
        {
            return [];
        }
        var matching = shape.Allowed is null ? all : Array.FindAll(all, shape.Allows);
        if (matching.Length == 0)
        {
            return [NoMatch(shape)];
        }
        return shape.OneHost ? OnOneHost(shape, matching, own) : OverHosts(shape, matching, own);
    }

    private ImmutableArray<WaitReason> OnOneHost(Shape shape, int[] matching, long? own)
    {
        var (nearest, closed) = (-1, -1);
        var nearness = (Gpus: -1, Cpus: double.MinValue);
        foreach (var h in matching)
        {
            if (hosts.TakesWork[h] && Packing.Holds(hosts, shape, shape.Whole, h, hosts.Free[h]))
            {
                // It would fit, were the host not reserved: that is the whole answer
                return [Behind(h)];
            }
            var near = Shadows.Nearness(hosts, shape, h);
            var nearer = near.Gpus > nearness.Gpus || (near.Gpus == nearness.Gpus && near.Cpus > nearness.Cpus);
            if (
                !(hosts.TakesWork[h] ? nearer : closed < 0)
                || !Packing.Holds(hosts, shape, shape.Whole, h, hosts.Capacity[h])
            )
            {
                continue;
            }
            if (hosts.TakesWork[h])
            {
                (nearest, nearness) = (h, near);
            }
            else
            {
                closed = h;
            }
        }
        if (nearest >= 0)
        {
            var missing = _shortfalls.On(shape, nearest);
            return IsAhead(nearest, own) ? missing.Add(Behind(nearest)) : missing;
        }
        return [closed >= 0 ? Closed(closed) : TooLarge(shape, matching)];
    }

    private ImmutableArray<WaitReason> OverHosts(Shape shape, int[] matching, long? own)
    {
        var ready = hosts.ReadyFor(shape);
        if (!Packing.TogetherHold(hosts, shape, ready, hosts.Capacity))
        {
            return
            [
                ready.Length < matching.Length && Packing.TogetherHold(hosts, shape, matching, hosts.Capacity)
                    ? Closed(matching.First(h => !hosts.TakesWork[h]))
                    : new WaitReason(
                        WaitKind.NoHostReady,
                        "the hosts of its cluster that are ready are not enough for it"
                    ),
            ];
        }
        var missing = _shortfalls.Over(shape);
        var reserved = Array.FindIndex(ready, h => IsAhead(h, own));
        if (reserved >= 0)
        {
            return missing.Add(Behind(ready[reserved]));
        }
        return missing.IsEmpty
            ?
            [
                new WaitReason(
                    WaitKind.CannotSpanHosts,
                    "what is free of its cluster's hosts does not divide among its roles"
                ),
            ]
            : missing;
    }

    private WaitReason NoMatch(Shape shape)
    {
        var cluster = hosts.Clusters[shape.Cluster].Name;
        var of = cluster.Length == 0 ? "its cluster" : $"cluster {cluster}";
        var labels = Words.Labels(shape.Placement);
        var only = shape.Placement.OnlyHosts.IsDefaultOrEmpty
            ? ""
            : $" (it may run on {string.Join(", ", shape.Placement.OnlyHosts)})";
        return new WaitReason(
            WaitKind.NoHostMatches,
            labels.Length > 0 ? $"no host of {of} that it does not exclude carries {labels}{only}"
                : only.Length > 0 ? $"no host of {of} is one that it may run on{only}"
                : $"it excludes every host of {of}"
        );
    }

    private WaitReason Closed(int host)
    {
        var slot = hosts.Slots[host];
        var why = slot is { State: Clusters.HostState.Ready, Closed: { } closed }
            ? $"host {slot.Name} takes no work: {closed}"
            : $"host {slot.Name} is {slot.State}";
        return new WaitReason(WaitKind.NoHostReady, why, Host: slot.Name);
    }

    private WaitReason TooLarge(Shape shape, int[] matching)
    {
        if (shape.Whole.Replicas == 1 || !Packing.TogetherHold(hosts, shape, matching, hosts.Capacity))
        {
            return new WaitReason(WaitKind.NoHostReady, "no host of its cluster is large enough and ready");
        }
        var why = shape.MaySpan ? "it asks for one" : "its cluster cannot span hosts";
        return new WaitReason(
            WaitKind.CannotSpanHosts,
            $"its {shape.Whole.Replicas} replicas need several hosts, and {why}",
            shape.Whole.Replicas
        );
    }

    private bool IsAhead(int host, long? own) => reservations.On(host) is { } reserved && reserved.JobId != own;

    private WaitReason Behind(int host)
    {
        var reserved = reservations.On(host)!;
        var name = hosts.Slots[host].Name;
        return reserved.Starts == Reservation.Never
            ? new WaitReason(
                WaitKind.BehindInQueue,
                $"job {reserved.JobId} is ahead of it and waits for room on {name}",
                Host: name,
                HeldBy: [reserved.JobId]
            )
            : new WaitReason(
                WaitKind.WouldDelay,
                $"would delay job {reserved.JobId}, which is ahead of it and waits for room on {name}",
                Host: name,
                HeldBy: [reserved.JobId]
            );
    }
}
