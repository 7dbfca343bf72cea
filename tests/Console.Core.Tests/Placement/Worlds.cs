using System.Collections.Immutable;
using CsCheck;
using DeepLab.Core.Clusters;
using DeepLab.Core.Placement;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using static DeepLab.Core.Tests.Placement.Fleets;

namespace DeepLab.Core.Tests.Placement;

/// <summary>A fleet with jobs running on it, and a queue before it.</summary>
public sealed record World(FleetSnapshot Fleet, ImmutableArray<JobRequest> Queue)
{
    public QueuePlan Plan() => Planner.Plan(Fleet, Queue, Fleets.Now);

    public JobRequest Job(long id) => Queue.Single(j => j.Id == id);

    public override string ToString() =>
        string.Join(
            '\n',
            [
                Fleet.Clusters.Any(c => c.SpansHosts) ? "spans hosts" : "one host each",
                .. Fleet.Hosts.Select(h =>
                    $"{h.Name} {h.State} zone {h.Labels["zone"]}, {h.CpusFree}/{h.Cpus} CPUs, "
                    + $"{h.MemoryFreeBytes >> 30}/{h.MemoryBytes >> 30} GiB, {string.Join(' ', h.Gpus.Select(g => $"{g.Model}:{g.HeldBy}"))}"
                ),
                .. Fleet.Running.Select(r =>
                    $"runs {r.Id}: priority {r.Priority}, team {r.Team}, user {r.OwnerId.ToString()[7]}, to {r.EndsBy:t}"
                    + $"{(r.Preemptible ? ", preemptible" : "")}{(r.Borrowing ? ", borrowing" : "")}{(r.IsEnding ? ", ending" : "")}"
                ),
                $"quotas of GPUs: {string.Join(", ", Fleet.Teams.Select(t => $"team {t.Name} {t.Quota.Gpus}"))}, user 1 {Fleet.Users.FirstOrDefault()?.Quota.Gpus}",
                .. Queue.Select(j =>
                    $"waits {j.Id}: priority {j.Priority}, rank {j.Rank}, team {j.Team}, user {j.OwnerId.ToString()[7]}, {j.MaxDuration}, "
                    + $"since {j.QueuedAt:t}{(j.Preemptible ? ", preemptible" : "")}{(j.Held ? ", held" : "")}, {j.Placement.Mode} "
                    + $"{Words.Labels(j.Placement)} not {string.Join(' ', j.Placement.ExcludeHosts)}: "
                    + string.Join(
                        " + ",
                        j.Roles.Select(r =>
                            $"{r.Replicas} x {r.Resources.Gpus} GPUs {r.Resources.GpuModel} {r.Resources.Cpus} CPUs {r.Resources.Memory >> 30} GiB"
                        )
                    )
                ),
            ]
        );
}

internal static class Worlds
{
    private static readonly string[] s_models = ["A100", "T4"];
    private static readonly string?[] s_asked = [null, null, null, "a100", "t4"];
    private static readonly string[] s_teams = ["a", "b", "c"];
    private static readonly Guid[] s_users = [new(1, 0, 0, new byte[8]), new(2, 0, 0, new byte[8])];
    private static readonly Gen<TimeSpan?> s_durations = Gen.OneOf<TimeSpan?>(
        null,
        TimeSpan.FromMinutes(30),
        TimeSpan.FromHours(2),
        TimeSpan.FromHours(8)
    );

    private static Gen<World> Of(Gen<bool> spans, Gen<int> roles) =>
        Gen.Select(
            spans,
            Host.List[1, 5],
            Job(roles).Array[0, 10],
            Job(roles).Array[1, 12],
            Gen.Int[0, 5].Nullable(),
            Gen.Int[0, 5].Nullable(),
            Gen.Int[0, 15],
            (across, hosts, first, queue, quotaA, quotaOfUser, ending) =>
            {
                var fleet = new FleetSnapshot([.. hosts.Select((h, i) => Named(h, i))])
                {
                    Clusters = [new ClusterSlot(Fleets.Cluster, "lab", across)],
                    Teams = [Team("a", quotaA), Team("b", 6, 2), Team("c")],
                    Users = [new UserSlot(s_users[0], "ann", new Quota(quotaOfUser, Running: 6))],
                };
                fleet = fleet.Run(first.Select((j, i) => j with { Id = i + 1, Held = false }));
                foreach (var job in fleet.Running.Where(r => (r.Id & ending) == 1))
                {
                    fleet = fleet.Change(job.Id, r => r with { IsEnding = true });
                }
                return new World(fleet, [.. queue.Select((j, i) => j with { Id = 101 + i })]);
            }
        );

    public static readonly Gen<HostSlot> Host = Gen.Select(
        Gen.OneOf(s_models).Array[0, 8],
        Gen.Int[1, 16],
        Gen.Int[1, 32],
        Gen.Int[0, 9],
        Gen.Bool,
        (models, cpus, memory, state, label) =>
            Fleets.Host("?", 0, cpus, memory * Gib) with
            {
                State = state == 0 ? HostState.Draining : HostState.Ready,
                Gpus = [.. models.Select(m => new GpuSlot("", m, m == "T4" ? 16 * Gib : 80 * Gib, true, null))],
                Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["zone"] = label ? "x" : "y" },
                Images = new HashSet<string>(StringComparer.Ordinal) { label ? "i" : "j" },
            }
    );

    public static HostSlot Named(HostSlot host, int index)
    {
        var named = Fleets.Host($"h{index}", 0);
        return host with
        {
            Id = named.Id,
            Name = named.Name,
            Gpus = [.. host.Gpus.Select((g, i) => g with { Uuid = $"GPU-{named.Name}-{i}" })],
        };
    }

    private static Gen<JobRequest> Job(Gen<int> roles) =>
        Gen.Select(
            roles.SelectMany(n => Role.Array[n]),
            Gen.Int[0, 3],
            Gen.OneOf(s_teams),
            Gen.OneOf(s_users),
            s_durations,
            Gen.Select(Gen.Bool, Gen.Int[0, 9], Gen.Int[0, 120], Gen.Int[0, 9]),
            (parts, priority, team, user, duration, more) =>
            {
                var (preemptible, where, waited, rare) = more;
                return new JobRequest(
                    0,
                    Fleets.Cluster,
                    priority * 10,
                    [.. parts.Select((r, i) => r with { Name = $"r{i}" })]
                )
                {
                    Team = team,
                    OwnerId = user,
                    MaxDuration = duration,
                    Preemptible = preemptible,
                    QueuedAt = Now.AddMinutes(-waited),
                    Held = rare == 0,
                    Rank = rare == 1 ? waited : null,
                    Image = "i",
                    Placement = where switch
                    {
                        0 => new PlacementSpec { Mode = PlacementMode.Spread },
                        1 => new PlacementSpec { Mode = PlacementMode.SameHost },
                        2 => new PlacementSpec { ExcludeHosts = ["h0"] },
                        3 => new PlacementSpec { HostLabels = PlacementSpec.NoLabels.Add("zone", "x") },
                        _ => new PlacementSpec(),
                    },
                };
            }
        );

    private static readonly Gen<RoleSpec> Role = Gen.Select(
        Gen.Int[1, 3],
        Gen.Int[0, 4],
        Gen.OneOf(s_asked),
        Gen.Int[1, 8],
        Gen.Int[1, 8],
        (replicas, gpus, model, cpus, memory) =>
            new RoleSpec
            {
                Name = "",
                Replicas = replicas,
                Resources = new ResourcesSpec
                {
                    Gpus = gpus,
                    GpuModel = gpus == 0 ? null : model,
                    Cpus = cpus / 2.0,
                    Memory = memory * Gib,
                },
            }
    );

    /// <summary>Every rule in use.</summary>
    public static readonly Gen<World> Any = Of(Gen.Bool, Gen.Int[1, 2]);

    /// <summary>One role a job: where the planner's answer over several hosts is exact.</summary>
    public static readonly Gen<World> OneRole = Of(Gen.Bool, Gen.Const(1));
}
