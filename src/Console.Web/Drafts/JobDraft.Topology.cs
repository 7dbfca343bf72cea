using System.Globalization;
using System.Text.Json.Nodes;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Drafts;

public sealed partial class JobDraft
{
    private const string Scope = "restartScope";
    private const string Least = "minReplicas";
    private static readonly string s_servers = Topologies.NameOf(Core.Workloads.Topology.ParameterServers);
    private static readonly string s_evaluator = Topologies.NameOf(Core.Workloads.Topology.ChiefEvaluator);
    private static readonly string s_array = Topologies.NameOf(Core.Workloads.Topology.Array);
    private static readonly string s_alone = Topologies.NameOf(RestartScope.Replica);
    private static readonly Dictionary<string, string> s_roles = new(StringComparer.Ordinal)
    {
        [Topologies.NameOf(Core.Workloads.Topology.Mpi)] = "mpi",
        [s_array] = "task",
        [s_evaluator] = Topologies.Chief,
    };

    /// <summary>As the spec names it; empty = `peers`, which it need not.</summary>
    public string Topology { get; set; } = "";

    public bool HasServers => Topology == s_servers;
    public bool HasEvaluator => Topology == s_evaluator;

    /// <summary>The role that is counted beside the first: parameter servers, or the workers of a chief; null where there is none.</summary>
    public string? SecondRole =>
        HasServers ? Topologies.Server
        : HasEvaluator ? Topologies.Worker
        : null;

    /// <summary>How many replicas of <see cref="SecondRole"/>; `0` takes the workers of a chief away.</summary>
    public string Seconds
    {
        get => SecondRole is { } name && RoleOf(name) is { } role ? DraftJson.Text(role, "replicas", "1") : "0";
        set
        {
            if (SecondRole is not { } name)
            {
                return;
            }
            if (HasEvaluator && value is "0" or "")
            {
                Remove(name);
                return;
            }
            // Workers of a chief are like it, in command and resources
            var role = RoleOf(name);
            if (role is null)
            {
                MoreRoles.Insert(0, role = new JsonObject { ["name"] = name });
            }
            role["replicas"] = DraftJson.Number(value);
        }
    }

    /// <summary>A number that was given stays in sight where it is not allowed, with what is wrong about it.</summary>
    public bool MayBeElastic =>
        (Topology.Length == 0 && MoreRoles.Count == 0 && Replicas != "1") || RoleOthers.ContainsKey(Least);

    /// <summary>Of replicas, in each round; empty = all or none.</summary>
    public string MinReplicas
    {
        get => DraftJson.Text(RoleOthers, Least, "");
        set
        {
            if (value.Length == 0)
            {
                RoleOthers.Remove(Least);
            }
            else
            {
                RoleOthers[Least] = DraftJson.Number(value);
            }
        }
    }

    /// <summary>Index in the spec of <see cref="SecondRole"/>.</summary>
    public int SecondAt => MoreRoles.TakeWhile(r => !IsNamed(r, SecondRole)).Count() + 1;

    /// <summary>The keys of each role that the form shows by their own fields, by its name, in the order of the spec.</summary>
    public IEnumerable<(string Name, JsonObject Keys)> RoleKeys() =>
        MoreRoles.OfType<JsonObject>().Select(r => (DraftJson.Text(r, "name", ""), r)).Prepend((Role, RoleOthers));

    private JsonObject? RoleOf(string name) => MoreRoles.OfType<JsonObject>().FirstOrDefault(r => IsNamed(r, name));

    /// <summary>Takes a topology with the roles that belong to it; names that somebody gave stay.</summary>
    /// <param name="topology">as the spec names it</param>
    public void Choose(string topology)
    {
        var plain = topology == Topologies.NameOf(Core.Workloads.Topology.Peers) ? "" : topology;
        if (Role == OwnRole(Topology))
        {
            Role = OwnRole(plain);
        }
        var before = Topology;
        Topology = plain;
        if (before == s_evaluator && !HasEvaluator)
        {
            Remove(Topologies.Worker);
        }
        Have(Topologies.Server, HasServers);
        // It reads what the others wrote: they need not stop for it
        Have(Topologies.Evaluator, HasEvaluator)?.TryAdd(Scope, s_alone);
        if (HasEvaluator && before != plain)
        {
            Replicas = "1";
        }
        if (plain.Length > 0)
        {
            RoleOthers.Remove(Least);
        }
        // Tasks know nothing of each other
        if (plain == s_array && before != plain)
        {
            RoleOthers.TryAdd(Scope, s_alone);
        }
        else if (plain != s_array && before == s_array)
        {
            RoleOthers.Remove(Scope);
        }
    }

    /// <summary>Keys that the role has as the first one has them, unless it has its own.</summary>
    internal IReadOnlyList<string> Followed(JsonNode? role) =>
        HasServers && IsServer(role) || HasEvaluator && IsNamed(role, Topologies.Evaluator) ? ["command"]
        : HasEvaluator && IsNamed(role, Topologies.Worker) ? ["command", "resources"]
        : [];

    internal static bool IsServer(JsonNode? role) => IsNamed(role, Topologies.Server);

    internal static bool IsNamed(JsonNode? role, string? name) =>
        role is JsonObject o && DraftJson.Text(o, "name", "") == name;

    /// <summary>Sees to it that there is one, without GPUs and without a command of its own, or none. Answers a new one.</summary>
    private JsonObject? Have(string name, bool wanted)
    {
        if (!wanted)
        {
            Remove(name);
        }
        if (!wanted || RoleOf(name) is not null)
        {
            return null;
        }
        var made = new JsonObject
        {
            ["name"] = name,
            ["replicas"] = 1,
            ["resources"] = new JsonObject { ["gpus"] = 0 },
        };
        MoreRoles.Add(made);
        return made;
    }

    private void Remove(string name)
    {
        if (RoleOf(name) is { } unwanted)
        {
            MoreRoles.Remove(unwanted);
        }
    }

    private static string OwnRole(string topology) => s_roles.GetValueOrDefault(topology, Topologies.Worker);
}
