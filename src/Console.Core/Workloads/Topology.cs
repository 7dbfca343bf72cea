using System.Collections.Immutable;
using System.Globalization;

namespace DeepLab.Core.Workloads;

/// <summary>How the replicas of a job belong together: who goes first, who decides, and who is told of whom.</summary>
public enum Topology
{
    /// <summary>All are alike: each computes, and the job succeeds when all have.</summary>
    Peers,

    /// <summary>`ps` keeps the parameters and serves them until the others, `worker` and maybe `chief`, are done.</summary>
    ParameterServers,

    /// <summary>One role; its replica 0 runs the command, which starts ranks on all of them over SSH.</summary>
    Mpi,

    /// <summary>`chief`, maybe `worker`s, and an `evaluator` that watches their checkpoints and decides nothing.</summary>
    ChiefEvaluator,

    /// <summary>Tasks that know nothing of each other but their numbers. One that fails stops no other.</summary>
    Array,
}

/// <summary>What a topology says of its replicas. Pure.</summary>
public static class Topologies
{
    public const string Server = "ps";
    public const string Worker = "worker";
    public const string Chief = "chief";
    public const string Evaluator = "evaluator";
    private static readonly string[] s_names = ["peers", "parameterServers", "mpi", "chiefEvaluator", "array"];
    private static readonly string[] s_scopes = ["gang", "replica"];

    public static string NameOf(Topology topology) => s_names[(int)topology];

    public static string NameOf(RestartScope scope) => s_scopes[(int)scope];

    internal static Topology Read(SpecNode? node) => (Topology)OneOf(node, s_names);

    internal static RestartScope ReadScope(SpecNode? node) => (RestartScope)OneOf(node, s_scopes);

    /// <summary>Place of its text among the names; of the first where it has none, or none of them.</summary>
    internal static int OneOf(SpecNode? node, string[] names)
    {
        if (node?.Text(64) is not { } text)
        {
            return 0;
        }
        var at = System.Array.IndexOf(names, text);
        if (at < 0)
        {
            node.Value.Fail($"This is {SpecText.Quote(text)}; one of {string.Join(", ", names)} is allowed.");
        }
        return Math.Max(0, at);
    }

    /// <summary>Whether the job needs this replica's success. Those that do not decide are stopped once all that do have succeeded.</summary>
    public static bool Decides(this JobSpec spec, string replica)
    {
        var role = spec.RoleOf(replica);
        return role.Deciding
            ?? (
                spec.Topology switch
                {
                    Topology.ParameterServers => role.Name != Server,
                    Topology.ChiefEvaluator => role.Name != Evaluator,
                    // The others' SSH servers never end by themselves
                    Topology.Mpi => spec.RankOf(replica) == 0,
                    _ => true,
                }
            );
    }

    /// <summary>Names of the replicas that compute together, by rank; of an array's task and of an evaluator: itself alone.</summary>
    public static ImmutableArray<string> WorldOf(this JobSpec spec, string replica) =>
        spec.Topology == Topology.Array || IsApart(spec, spec.RoleOf(replica))
            ? [replica]
            :
            [
                .. spec
                    .Roles.Where(r => !IsApart(spec, r))
                    .OrderBy(r => Precedence(spec, r))
                    .SelectMany(r => r.Names()),
            ];

    /// <summary>Of 0, in its <see cref="WorldOf"/>.</summary>
    public static int RankOf(this JobSpec spec, string replica) => spec.WorldOf(replica).IndexOf(replica);

    /// <summary>Of a replica such as `worker-0`: 0.</summary>
    public static int IndexOf(string replica) =>
        int.Parse(replica.AsSpan(replica.LastIndexOf('-') + 1), CultureInfo.InvariantCulture);

    public static IEnumerable<string> Names(this RoleSpec role) =>
        Enumerable.Range(0, role.Replicas).Select(i => $"{role.Name}-{i}");

    /// <summary>Whoever the others turn to has rank 0, in whichever order the spec names the roles.</summary>
    private static int Precedence(JobSpec spec, RoleSpec role) =>
        spec.Topology == Topology.ParameterServers && role.Name == Server ? 0
        : role.Name == Chief ? 1
        : 2;

    private static bool IsApart(JobSpec spec, RoleSpec role) =>
        spec.Topology == Topology.ChiefEvaluator && role.Name == Evaluator;

    /// <summary>What the topology asks of the roles, each fault at its path.</summary>
    internal static void Check(SpecObject job, JobSpec spec)
    {
        if (job.Find("roles") is not { } roles)
        {
            return;
        }
        switch (spec.Topology)
        {
            case Topology.ParameterServers:
                Need(roles, spec, Server);
                if (!spec.Roles.Any(r => r.Name is Worker or Chief))
                {
                    Need(roles, spec, Worker);
                }
                break;
            case Topology.ChiefEvaluator:
                Need(roles, spec, Chief);
                Need(roles, spec, Evaluator);
                foreach (var (role, i) in spec.Roles.Select((r, i) => (r, i)))
                {
                    if (role is { Name: Chief or Evaluator, Replicas: > 1 })
                    {
                        FailAt(roles, $"[{i}].replicas", $"There are {role.Replicas:N0} of {role.Name}; 1 is allowed.");
                    }
                }
                break;
            case Topology.Mpi when spec.Roles.Length > 1:
                roles.Fail(
                    $"There are {spec.Roles.Length} roles; the topology mpi takes one, whose replica 0 runs the command."
                );
                break;
            case Topology.Mpi when spec.Script is null && spec.Roles[0].Command.IsDefaultOrEmpty:
                FailAt(
                    roles,
                    "[0].command",
                    "A command is missing; the topology mpi needs one, such as [\"mpirun\", \"python3\", \"train.py\"]."
                );
                break;
            case Topology.Array when spec.Roles.Length > 1:
                roles.Fail(
                    $"There are {spec.Roles.Length} roles; the topology array takes one, each replica of which is a task."
                );
                break;
        }
        if (spec.Topology == Topology.Mpi && spec.Roles[0].RestartScope == RestartScope.Replica)
        {
            FailAt(
                roles,
                "[0].restartScope",
                "This is \"replica\"; with the topology mpi only \"gang\" is allowed: mpirun ends with the first rank it loses."
            );
        }
        CheckElastic(roles, spec);
        if (spec.Roles.All(r => r.Image is not null && r.Image != spec.Image))
        {
            job.Find("image")
                ?.Fail(
                    "No role runs this image: each names another of its own. Name one of those here, and leave it out there."
                );
        }
        if (spec.Roles.SelectMany(r => r.Names()).All(r => !spec.Decides(r)))
        {
            roles.Fail("No role decides whether the job succeeds; one at least with \"deciding\": true is needed.");
        }
    }

    private static void CheckElastic(SpecNode roles, JobSpec spec)
    {
        foreach (var (role, i) in spec.Roles.Select((r, i) => (r, i)))
        {
            if (role.MinReplicas is not { } least)
            {
                continue;
            }
            var why =
                spec.Topology != Topology.Peers
                    ? $"The topology is {NameOf(spec.Topology)}; only peers may be fewer than was asked for."
                : spec.Roles.Length > 1
                    ? $"There are {spec.Roles.Length} roles; fewer replicas than were asked for are allowed where there is one."
                : role.RestartScope == RestartScope.Replica
                    ? "Its restartScope is \"replica\"; with \"gang\" alone may another round have fewer replicas."
                : least > role.Replicas ? $"This is {least:N0}; at most its replicas, {role.Replicas:N0}, is allowed."
                : null;
            if (why is not null)
            {
                FailAt(roles, $"[{i}].minReplicas", why);
            }
        }
    }

    internal static void FailAt(SpecNode roles, string path, string message) =>
        (roles with { Path = roles.Path + path }).Fail(message);

    private static void Need(SpecNode roles, JobSpec spec, string name)
    {
        if (!spec.Roles.Any(r => r.Name == name))
        {
            roles.Fail($"The topology {NameOf(spec.Topology)} needs a role named \"{name}\", and there is none.");
        }
    }
}
