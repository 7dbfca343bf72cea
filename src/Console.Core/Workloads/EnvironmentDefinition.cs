using System.Text.Json.Nodes;

namespace DeepLab.Core.Workloads;

/// <summary>An environment's stored spec as the flat definition that people write and <see cref="EnvironmentReader"/> reads. No secret is part of it.</summary>
public static class EnvironmentDefinition
{
    /// <param name="spec">as it is stored, with its role and its `environment`</param>
    public static JsonObject Of(JsonObject spec)
    {
        var flat = new JsonObject();
        foreach (var key in (string[])["name", "cluster", "team", "image"])
        {
            Copy(spec, key);
        }
        foreach (var (key, _) in (spec["roles"] as JsonArray)?[0]?["resources"] as JsonObject ?? [])
        {
            Copy((JsonObject)spec["roles"]![0]!["resources"]!, key);
        }
        foreach (var key in (string[])["volumes", "datasets", "env", "priority", "preemptible", "placement"])
        {
            Copy(spec, key);
        }
        var environment = spec["environment"] as JsonObject ?? [];
        flat["jupyter"] = new JsonObject { ["enabled"] = Flag(environment, "jupyter", true) };
        flat["tensorboard"] = Flag(environment, "tensorboard", false);
        var ssh = new JsonObject { ["enabled"] = Flag(environment, "ssh", false) };
        if (environment["sshKeys"] is JsonArray { Count: > 0 } keys)
        {
            ssh["keys"] = keys.DeepClone();
        }
        flat["ssh"] = ssh;
        Copy(environment, "ports");
        Copy(environment, "idleAfter");
        return flat;

        void Copy(JsonObject from, string key)
        {
            if (from[key] is { } value && value is not (JsonArray { Count: 0 } or JsonObject { Count: 0 }))
            {
                flat[key] = value.DeepClone();
            }
        }
    }

    private static bool Flag(JsonObject from, string key, bool fallback) =>
        from[key] is JsonValue value && value.TryGetValue(out bool flag) ? flag : fallback;
}
