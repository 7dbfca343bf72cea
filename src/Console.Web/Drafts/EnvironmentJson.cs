using System.Text.Json.Nodes;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Drafts;

/// <summary>An environment's draft as the JSON that the API takes, and a stored spec as a draft.</summary>
public static class EnvironmentJson
{
    public const string Mask = "••••••••";
    private const string Placement = "placement";
    private const string OnlyHosts = "onlyHosts";

    /// <summary>Keys that the wizard has a question for.</summary>
    private static readonly HashSet<string> s_own =
    [
        "name",
        "cluster",
        "team",
        "image",
        "gpus",
        "gpuModel",
        "cpus",
        "memory",
        "shm",
        "volumes",
        "datasets",
        "home",
        "jupyter",
        "tensorboard",
        "ports",
        "idleAfter",
    ];

    /// <param name="masked">for eyes: the password is not in it</param>
    public static string Write(EnvironmentDraft d, bool masked)
    {
        var json = new JsonObject
        {
            ["name"] = d.Name,
            ["cluster"] = d.Cluster,
            ["image"] = d.Image,
            ["gpus"] = DraftJson.Number(d.Gpus),
            ["cpus"] = DraftJson.Number(d.Cpus),
            ["memory"] = d.Memory,
            ["shm"] = d.Shm,
        };
        DraftJson.Optional(json, "team", d.Team);
        DraftJson.Optional(json, "gpuModel", d.GpuModel);
        if (d.Host.Length > 0)
        {
            json[Placement] = new JsonObject { [OnlyHosts] = new JsonArray(d.Host) };
        }
        if (d.Volumes.Count > 0)
        {
            json["volumes"] = new JsonArray([.. d.Volumes.Select(DraftJson.Volume)]);
        }
        if (d.Datasets.Count > 0)
        {
            json["datasets"] = DraftJson.Write(d.Datasets);
        }
        if (d.Home.Length > 0)
        {
            json["home"] = DraftJson.Number(d.Home);
        }
        var jupyter = new JsonObject { ["enabled"] = d.Jupyter };
        if (d is { Jupyter: true, OwnPassword: true })
        {
            jupyter["password"] = masked ? Mask : d.Password;
        }
        json["jupyter"] = jupyter;
        json["tensorboard"] = d.TensorBoard;
        var ssh = new JsonObject { ["enabled"] = d.Ssh };
        if (d.Ssh && DraftJson.At(d.Others, "ssh") is JsonObject { } other && DraftJson.At(other, "keys") is { } keys)
        {
            ssh["keys"] = keys.DeepClone();
        }
        json["ssh"] = ssh;
        if (Ports(d.Ports) is { Count: > 0 } ports)
        {
            json["ports"] = ports;
        }
        DraftJson.Optional(json, "idleAfter", d.IdleAfter);
        foreach (var (key, value) in d.Others.Where(o => o.Key != "ssh"))
        {
            json.TryAdd(key, value?.DeepClone());
        }
        return json.ToJsonString(DraftJson.Readable);
    }

    private static JsonArray Ports(string text)
    {
        var ports = new JsonArray();
        foreach (var part in text.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = part.IndexOf(':', StringComparison.Ordinal);
            ports.Add(
                new JsonObject
                {
                    ["name"] = colon < 0 ? part : part[..colon],
                    ["port"] = DraftJson.Number(colon < 0 ? "" : part[(colon + 1)..]),
                }
            );
        }
        return ports;
    }

    /// <param name="specJson">as it is stored, with its role and its `environment`</param>
    public static EnvironmentDraft FromSpec(string specJson) =>
        FromDefinition(EnvironmentDefinition.Of(JsonNode.Parse(specJson)!.AsObject()));

    /// <param name="flat">as the API takes it</param>
    public static EnvironmentDraft FromDefinition(JsonObject flat)
    {
        var plain = new EnvironmentDraft();
        var draft = new EnvironmentDraft
        {
            Name = DraftJson.Text(flat, "name", ""),
            Cluster = DraftJson.Text(flat, "cluster", ""),
            Image = DraftJson.Text(flat, "image", ""),
            Team = DraftJson.Text(flat, "team", ""),
            Gpus = DraftJson.Text(flat, "gpus", plain.Gpus),
            GpuModel = DraftJson.Text(flat, "gpuModel", ""),
            Cpus = DraftJson.Text(flat, "cpus", plain.Cpus),
            Memory = DraftJson.Text(flat, "memory", plain.Memory),
            Shm = DraftJson.Text(flat, "shm", plain.Shm),
            Jupyter = DraftJson.Flag(DraftJson.At(flat, "jupyter") as JsonObject, "enabled", true),
            TensorBoard = DraftJson.Flag(flat, "tensorboard", false),
            Ssh = DraftJson.Flag(DraftJson.At(flat, "ssh") as JsonObject, "enabled", false),
            IdleAfter = DraftJson.Text(flat, "idleAfter", ""),
            Ports = string.Join(
                ", ",
                (DraftJson.At(flat, "ports") as JsonArray ?? [])
                    .OfType<JsonObject>()
                    .Select(p => $"{DraftJson.Text(p, "name", "")}:{DraftJson.Text(p, "port", "")}")
            ),
        };
        draft.Volumes.AddRange(DraftJson.Volumes(flat));
        draft.Datasets.AddRange(DraftJson.Datasets(flat));
        draft.Host = OnlyHost(flat);
        // An exported one has none; whoever wrote one by hand wants it
        draft.Password = DraftJson.Text(DraftJson.At(flat, "jupyter") as JsonObject ?? [], "password", "");
        draft.OwnPassword = draft.Password.Length > 0;
        foreach (var (key, value) in flat.Where(k => !s_own.Contains(k.Key)))
        {
            if (key != Placement || draft.Host.Length == 0)
            {
                draft.Others[key] = value?.DeepClone();
            }
        }
        return draft;
    }

    /// <summary>Where nothing else is said of its place; the wizard has no question for the rest.</summary>
    private static string OnlyHost(JsonObject flat) =>
        DraftJson.At(flat, Placement) is JsonObject { Count: 1 } placement
        && DraftJson.At(placement, OnlyHosts) is JsonArray { Count: 1 } hosts
        && hosts[0] is JsonValue value
        && value.TryGetValue<string>(out var host)
            ? host
            : "";
}
