using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Drafts;

/// <summary>A draft as JSON and back. What cannot be right is carried over as it is, for the reader of specs to refuse.</summary>
public static class DraftJson
{
    internal static readonly JsonSerializerOptions Readable = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        // Shown as text, never as markup
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Keys that the form has fields for; `checkpoint` only where it says something.</summary>
    private static readonly HashSet<string> s_own =
    [
        "name",
        "cluster",
        "image",
        "script",
        "code",
        "topology",
        "roles",
        "env",
        "volumes",
        "datasets",
        "restart",
        "priority",
        "maxDuration",
    ];
    private static readonly HashSet<string> s_roleKeys = ["name", "replicas", "command", "resources"];
    private static readonly JsonDocumentOptions s_strict = new() { MaxDepth = 32 };

    public static string Write(JobDraft d)
    {
        var resources = new JsonObject { ["gpus"] = Number(d.Gpus) };
        Optional(resources, "gpuModel", d.GpuModel);
        Optional(resources, "gpuMemory", d.GpuMemory);
        resources["cpus"] = Number(d.Cpus);
        resources["memory"] = d.Memory;
        resources["shm"] = d.Shm;
        var job = new JsonObject
        {
            ["name"] = d.Name,
            ["cluster"] = d.Cluster,
            ["image"] = d.Image,
        };
        if (d.Source == DraftSource.Script)
        {
            job["script"] = d.Script;
        }
        else if (d.Source == DraftSource.Code)
        {
            job["code"] = d.Code;
        }
        var first = new JsonObject
        {
            ["name"] = d.Role,
            ["replicas"] = Number(d.Replicas),
            ["command"] = new JsonArray([.. CommandLine.Split(d.Command).Select(w => JsonValue.Create(w))]),
            ["resources"] = resources,
        };
        foreach (var (key, value) in d.RoleOthers)
        {
            first.TryAdd(key, value?.DeepClone());
        }
        Optional(job, "topology", d.Topology);
        if (d.HostNetwork)
        {
            job["network"] = "host";
        }
        job["roles"] = new JsonArray([first, .. d.MoreRoles.Select(r => Other(d, first, r))]);
        var env = new JsonObject();
        foreach (var line in d.Env.Where(e => e.Name.Length > 0 || e.Value.Length > 0))
        {
            env[line.Name] = line.Value;
        }
        if (env.Count > 0)
        {
            job["env"] = env;
        }
        if (d.Volumes.Count > 0)
        {
            job["volumes"] = new JsonArray([.. d.Volumes.Select(Volume)]);
        }
        if (d.Datasets.Count > 0)
        {
            job["datasets"] = Write(d.Datasets);
        }
        if (d.Final)
        {
            job["final"] = true;
        }
        if (d.LogMetrics)
        {
            var patterns = d.LogPatterns.Where(l => l.Text.Length > 0).Select(l => JsonValue.Create(l.Text)).ToArray();
            job["metrics"] = patterns.Length == 0 ? [] : new JsonObject { ["patterns"] = new JsonArray([.. patterns]) };
        }
        if (Checkpoint(d) is { Count: > 0 } checkpoint)
        {
            job["checkpoint"] = checkpoint;
        }
        if (d.MaxRestarts is not ("" or "0"))
        {
            job["restart"] = new JsonObject { ["maxRestarts"] = Number(d.MaxRestarts) };
        }
        job["priority"] = Number(d.Priority);
        Optional(job, "maxDuration", d.MaxDuration);
        foreach (var (key, value) in d.Others)
        {
            job.TryAdd(key, value?.DeepClone());
        }
        return job.ToJsonString(Readable);
    }

    private static JsonObject Checkpoint(JobDraft d)
    {
        var checkpoint = new JsonObject();
        Optional(checkpoint, "volume", d.CheckpointVolume);
        if (d.CheckpointSteps.Length > 0)
        {
            checkpoint["everySteps"] = Number(d.CheckpointSteps);
        }
        if (d.CheckpointKeep.Length > 0)
        {
            checkpoint["keep"] = Number(d.CheckpointKeep);
        }
        Optional(checkpoint, "bestBy", d.CheckpointBestBy);
        Optional(checkpoint, "best", d.CheckpointBest);
        Optional(checkpoint, "glob", d.CheckpointGlob);
        return checkpoint;
    }

    /// <summary>Some run what the first role runs, with what it has, unless they have a command or resources of their own.</summary>
    private static JsonNode? Other(JobDraft d, JsonObject first, JsonNode? role)
    {
        var other = role?.DeepClone();
        foreach (var key in d.Followed(other))
        {
            other!.AsObject().TryAdd(key, first[key]!.DeepClone());
        }
        return other;
    }

    internal static JsonObject Volume(VolumeLine line) =>
        new()
        {
            ["name"] = line.Name,
            ["mountPath"] = line.MountPath,
            ["readOnly"] = line.ReadOnly,
        };

    /// <summary>Null where the text is not JSON, or not an object.</summary>
    public static JobDraft? Read(string json)
    {
        JsonNode? root;
        try
        {
            root = JsonNode.Parse(json, documentOptions: s_strict);
        }
        catch (JsonException)
        {
            return null;
        }
        return root is JsonObject job ? Read(job) : null;
    }

    private static JobDraft? Read(JsonObject job)
    {
        try
        {
            var topology = Text(job, "topology", "");
            var roles = At(job, "roles") as JsonArray ?? [];
            var hasServers = topology == Topologies.NameOf(Topology.ParameterServers);
            var hasEvaluator = topology == Topologies.NameOf(Topology.ChiefEvaluator);
            var role =
                roles.FirstOrDefault(r =>
                    hasEvaluator ? JobDraft.IsNamed(r, Topologies.Chief) : !(hasServers && JobDraft.IsServer(r))
                ) as JsonObject;
            var resources = At(role, "resources") as JsonObject;
            var plain = new JobDraft();
            var draft = new JobDraft
            {
                Name = Text(job, "name", ""),
                Cluster = Text(job, "cluster", plain.Cluster),
                Image = Text(job, "image", ""),
                Script = Text(job, "script", ""),
                Code = Text(job, "code", ""),
                Source =
                    At(job, "code") is not null ? DraftSource.Code
                    : At(job, "script") is not null ? DraftSource.Script
                    : DraftSource.Image,
                Topology = topology,
                Role = Text(role, "name", plain.Role),
                Command = At(role, "command") is JsonArray argv ? CommandLine.Join(argv.Select(Text)) : "",
                Replicas = Text(role, "replicas", plain.Replicas),
                Gpus = Text(resources, "gpus", plain.Gpus),
                GpuModel = Text(resources, "gpuModel", ""),
                GpuMemory = Text(resources, "gpuMemory", ""),
                Cpus = Text(resources, "cpus", plain.Cpus),
                Memory = Text(resources, "memory", plain.Memory),
                Shm = Text(resources, "shm", plain.Shm),
                CheckpointSteps = Text(At(job, "checkpoint") as JsonObject, "everySteps", ""),
                CheckpointVolume = Text(At(job, "checkpoint") as JsonObject, "volume", ""),
                CheckpointKeep = Text(At(job, "checkpoint") as JsonObject, "keep", ""),
                CheckpointBestBy = Text(At(job, "checkpoint") as JsonObject, "bestBy", ""),
                CheckpointBest = Text(At(job, "checkpoint") as JsonObject, "best", ""),
                CheckpointGlob = Text(At(job, "checkpoint") as JsonObject, "glob", ""),
                MaxRestarts = Text(At(job, "restart") as JsonObject, "maxRestarts", plain.MaxRestarts),
                Priority = Text(job, "priority", plain.Priority),
                MaxDuration = Text(job, "maxDuration", ""),
            };
            foreach (var (name, value) in At(job, "env") as JsonObject ?? [])
            {
                draft.Env.Add(new EnvLine { Name = name, Value = Text(value) });
            }
            draft.Volumes.AddRange(Volumes(job));
            draft.Datasets.AddRange(Datasets(job));
            draft.HostNetwork = Text(job, "network", "") == "host";
            draft.Final = Flag(job, "final", false);
            if (Patterns(job) is { } patterns)
            {
                draft.LogMetrics = true;
                draft.LogPatterns.AddRange(patterns.Select(text => new PatternLine { Text = text }));
            }
            foreach (var (key, value) in (role ?? []).Where(k => !s_roleKeys.Contains(k.Key)))
            {
                draft.RoleOthers[key] = value?.DeepClone();
            }
            foreach (var more in roles.Where(r => r is null || r != role))
            {
                var other = more?.DeepClone();
                foreach (var key in draft.Followed(other))
                {
                    if (JsonNode.DeepEquals(other![key], role?[key]))
                    {
                        other.AsObject().Remove(key);
                    }
                }
                draft.MoreRoles.Add(other);
            }
            string[] told =
            [
                Checkpoint(draft).Count > 0 ? "checkpoint" : "",
                draft.HostNetwork ? "network" : "",
                draft.Final ? "final" : "",
                draft.LogMetrics ? "metrics" : "",
            ];
            foreach (var (key, value) in job.Where(k => !s_own.Contains(k.Key) && !told.Contains(k.Key)))
            {
                draft.Others[key] = value?.DeepClone();
            }
            return draft;
        }
        catch (ArgumentException)
        {
            // A doubled key: JsonObject finds out only when it is looked at
            return null;
        }
    }

    /// <summary>Null where there are no metrics of the log, or what is said of them has another shape than the form's.</summary>
    private static string[]? Patterns(JsonObject job) =>
        At(job, "metrics") is not JsonObject metrics ? null
        : metrics.Count == 0 ? []
        : metrics.Count == 1
        && At(metrics, "patterns") is JsonArray { Count: > 0 } patterns
        && patterns.All(p => p is JsonValue v && v.TryGetValue<string>(out var text) && text.Length > 0)
            ? [.. patterns.Select(Text)]
        : null;

    internal static IEnumerable<VolumeLine> Volumes(JsonObject o) =>
        (At(o, "volumes") as JsonArray ?? [])
            .OfType<JsonObject>()
            .Select(volume => new VolumeLine
            {
                Name = Text(volume, "name", ""),
                MountPath = Text(volume, "mountPath", ""),
                ReadOnly = Flag(volume, "readOnly", false),
            });

    /// <summary>What they lie on is the console's to write.</summary>
    internal static JsonArray Write(IEnumerable<DatasetLine> lines) =>
        new([
            .. lines.Select(l => new JsonObject
            {
                ["name"] = l.Name,
                ["version"] = Number(l.Version),
                ["path"] = l.Path,
            }),
        ]);

    internal static IEnumerable<DatasetLine> Datasets(JsonObject o) =>
        (At(o, "datasets") as JsonArray ?? [])
            .OfType<JsonObject>()
            .Select(dataset => new DatasetLine
            {
                Name = Text(dataset, "name", ""),
                Version = Text(dataset, "version", ""),
                Path = Text(dataset, "path", ""),
            });

    internal static bool Flag(JsonObject? o, string key, bool fallback) =>
        At(o, key) is JsonValue v && v.TryGetValue<bool>(out var on) ? on : fallback;

    internal static JsonNode? At(JsonObject? o, string key) => o?[key];

    internal static string Text(JsonObject? o, string key, string fallback) => At(o, key) is { } v ? Text(v) : fallback;

    internal static string Text(JsonNode? node) =>
        node is JsonValue v && v.TryGetValue<string>(out var text) ? text : node?.ToJsonString() ?? "";

    /// <summary>The number, or the text as it stands: the reader of specs then says that a number is needed.</summary>
    internal static JsonValue Number(string text) =>
        decimal.TryParse(
            text,
            NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint,
            CultureInfo.InvariantCulture,
            out var n
        )
            ? JsonValue.Create(n)
            : JsonValue.Create(text);

    internal static void Optional(JsonObject o, string key, string text)
    {
        if (text.Length > 0)
        {
            o[key] = text;
        }
    }
}
