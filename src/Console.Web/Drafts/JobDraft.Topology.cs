using System.Globalization;
using System.Text.Json.Nodes;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Drafts;

public sealed partial class JobDraft
{
    private static readonly string s_servers = Topologies.NameOf(Core.Workloads.Topology.ParameterServers);
    private static readonly Dictionary<string, string> s_roles = new(StringComparer.Ordinal)
    {
        [Topologies.NameOf(Core.Workloads.Topology.Mpi)] = "mpi",
        [Topologies.NameOf(Core.Workloads.Topology.Array)] = "task",
    };

    /// <summary>As the spec names it; empty = `peers`, which it need not.</summary>
    public string Topology { get; set; } = "";

    public bool HasServers => Topology == s_servers;

    /// <summary>How many parameter servers; empty where it has none.</summary>
    public string Servers
    {
        get => Server is { } role ? DraftJson.Text(role, "replicas", "1") : "";
        set
        {
            if (Server is { } role)
            {
                role["replicas"] = DraftJson.Number(value);
            }
        }
    }

    private JsonObject? Server => MoreRoles.OfType<JsonObject>().FirstOrDefault(IsServer);

    /// <summary>Takes a topology with the roles that belong to it; names that somebody gave stay.</summary>
    /// <param name="topology">as the spec names it</param>
    public void Choose(string topology)
    {
        var plain = topology == Topologies.NameOf(Core.Workloads.Topology.Peers) ? "" : topology;
        if (Role == OwnRole(Topology))
        {
            Role = OwnRole(plain);
        }
        Topology = plain;
        if (HasServers && Server is null)
        {
            // Without a command of their own: they run what the workers run
            MoreRoles.Add(
                new JsonObject
                {
                    ["name"] = Topologies.Server,
                    ["replicas"] = 1,
                    ["resources"] = new JsonObject { ["gpus"] = 0 },
                }
            );
        }
        else if (!HasServers && Server is { } unwanted)
        {
            MoreRoles.Remove(unwanted);
        }
    }

    internal static bool IsServer(JsonNode? role) =>
        role is JsonObject o && DraftJson.Text(o, "name", "") == Topologies.Server;

    private static string OwnRole(string topology) => s_roles.GetValueOrDefault(topology, Topologies.Worker);
}
